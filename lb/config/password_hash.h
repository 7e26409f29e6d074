// How the configuration keeps a password: as a slow, salted hash in the form
// that password libraries have in common ("PHC string").
//
//   $scrypt$ln=15,r=8,p=1$SALT$HASH
//
// SALT and HASH are Base64 without padding. Only the form is looked at here;
// lb/admin/password.h computes.
//
// Errors   kInvalidArgument says what is wrong, never a word of the hash.
// Source   github.com/P-H-C/phc-string-format; RFC 7914 (scrypt).
#ifndef LB_CONFIG_PASSWORD_HASH_H_
#define LB_CONFIG_PASSWORD_HASH_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ballast::config {

struct PasswordHash {
  static constexpr size_t kSaltMin = 8;
  static constexpr size_t kSaltMax = 64;
  static constexpr size_t kHashMin = 16;
  static constexpr size_t kHashMax = 64;
  // 128 * r * 2^ln bytes are needed to verify one.
  static constexpr uint64_t kMemoryMax = uint64_t{64} << 20;

  uint32_t ln = 15;  // 10 to 20: the logarithm of N.
  uint32_t r = 8;    // 1 to 32.
  uint32_t p = 1;    // 1 to 4.
  std::string salt;  // Bytes.
  std::string hash;
};

absl::StatusOr<PasswordHash> ParsePasswordHash(absl::string_view text);
std::string FormatPasswordHash(const PasswordHash& hash);

}  // namespace ballast::config

#endif  // LB_CONFIG_PASSWORD_HASH_H_
