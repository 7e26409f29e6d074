#include "persist/active_cookie.h"

#include <array>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"

namespace ballast::persist {
namespace {

// 16 lower-case hex digits, no other.
std::optional<uint64_t> ParseHex(absl::string_view text) {
  uint64_t number = 0;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    number =
        number << 4 | static_cast<uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return number;
}

}  // namespace

ActiveCookies::ActiveCookies(uint64_t service, std::span<const SipKey> secrets)
    : service_(service), secrets_(secrets.begin(), secrets.end()) {
  BALLAST_CHECK(!secrets.empty() && secrets.size() <= kSecretsMax);
}

uint64_t ActiveCookies::ProofOf(const SipKey& secret, uint64_t user) const {
  SipHasher<2, 4> hasher(secret);
  hasher.Word(service_);
  hasher.Word(user);
  return hasher.Finish(16);
}

std::string ActiveCookies::Make(const Address& client, uint16_t port,
                                uint64_t unique) const {
  // 32 bytes: never the 16 of a proof.
  SipHasher<2, 4> hasher(secrets_.front());
  std::array<uint64_t, 2> address;
  std::memcpy(address.data(), client.bytes().data(), sizeof address);
  hasher.Word(address[0]);
  hasher.Word(address[1]);
  hasher.Word(port);
  hasher.Word(unique);
  const uint64_t user = hasher.Finish(32);
  return absl::StrCat(
      absl::Hex(user, absl::kZeroPad16),
      absl::Hex(ProofOf(secrets_.front(), user), absl::kZeroPad16));
}

ActiveCookies::Standing ActiveCookies::Examine(absl::string_view value) const {
  if (value.size() != kValueSize) return Standing::kForeign;
  const auto user = ParseHex(value.substr(0, 16));
  const auto proof = ParseHex(value.substr(16));
  if (!user.has_value() || !proof.has_value()) return Standing::kForeign;
  Standing standing = Standing::kForeign;
  // Every secret, and one comparison of 64 bits each: time tells nothing.
  for (size_t i = secrets_.size(); i-- > 0;) {
    if (ProofOf(secrets_[i], *user) == *proof) {
      standing = i == 0 ? Standing::kCurrent : Standing::kEarlier;
    }
  }
  return standing;
}

std::string ActiveCookieField(absl::string_view name, absl::string_view value) {
  return absl::StrCat(name, "=", value, "; Path=/");
}

}  // namespace ballast::persist
