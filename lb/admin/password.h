// Passwords, their hashes and API keys (BoringSSL).
//
// Cost     a hash with the default cost about 100 ms and 32 MB, on purpose: to
//          be computed on a thread that may be slow. A key's hash 1 us.
// Secrets  compared in constant time; a password is nowhere kept.
// Source   RFC 7914 (scrypt); lb/config/password_hash.h has the form.
#ifndef LB_ADMIN_PASSWORD_H_
#define LB_ADMIN_PASSWORD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace ballast::admin {

inline constexpr size_t kPasswordMax = 1024;
inline constexpr size_t kSaltSize = 16;
inline constexpr size_t kApiKeySize = 32;

// `salt` by chance.
std::string HashPassword(absl::string_view password,
                         std::span<const uint8_t, kSaltSize> salt);
// False also if `hash` is none.
bool VerifyPassword(absl::string_view password, absl::string_view hash);

// SHA-256 of the text, 64 hex digits.
std::string Sha256Hex(absl::string_view text);
// Takes the same time wherever they differ.
bool EqualSecrets(absl::string_view a, absl::string_view b);

}  // namespace ballast::admin

#endif  // LB_ADMIN_PASSWORD_H_
