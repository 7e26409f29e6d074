#include "lb/admin/password.h"

#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "io/base/check.h"
#include "lb/config/password_hash.h"

namespace ballast::admin {
namespace {

using config::PasswordHash;

constexpr size_t kHashSize = 32;

// Of as many bytes as `like.hash` has.
std::string Compute(absl::string_view password, const PasswordHash& like) {
  std::string hash(like.hash.size(), '\0');
  // Beside the table of 128 * r * N bytes there is a little more.
  const int done = EVP_PBE_scrypt(
      password.data(), password.size(),
      reinterpret_cast<const uint8_t*>(like.salt.data()), like.salt.size(),
      uint64_t{1} << like.ln, like.r, like.p, 2 * PasswordHash::kMemoryMax,
      reinterpret_cast<uint8_t*>(hash.data()), hash.size());
  BALLAST_CHECK(done == 1);
  return hash;
}

}  // namespace

std::string HashPassword(absl::string_view password,
                         std::span<const uint8_t, kSaltSize> salt) {
  PasswordHash hash;
  hash.salt.assign(salt.begin(), salt.end());
  hash.hash.resize(kHashSize);
  hash.hash = Compute(password, hash);
  return FormatPasswordHash(hash);
}

bool VerifyPassword(absl::string_view password, absl::string_view hash) {
  if (password.size() > kPasswordMax) return false;
  const auto parsed = config::ParsePasswordHash(hash);
  return parsed.ok() && EqualSecrets(Compute(password, *parsed), parsed->hash);
}

std::string Sha256Hex(absl::string_view text) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

bool EqualSecrets(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() &&
         CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace ballast::admin
