#include "lb/config/password_hash.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ballast::config {
namespace {

absl::Status Wrong(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(what,
                   "; must be $scrypt$ln=15,r=8,p=1$SALT$HASH as `ballastctl "
                   "password` prints it"));
}

bool ParseNumber(absl::string_view text, absl::string_view name, uint32_t min,
                 uint32_t max, uint32_t* number) {
  return absl::ConsumePrefix(&text, name) && text.size() <= 2 &&
         absl::SimpleAtoi(text, number) && *number >= min && *number <= max;
}

bool ParseBase64(absl::string_view text, size_t min, size_t max,
                 std::string* bytes) {
  return text.find('=') == absl::string_view::npos && text.size() <= 2 * max &&
         absl::Base64Unescape(text, bytes) && bytes->size() >= min &&
         bytes->size() <= max;
}

std::string Base64(absl::string_view bytes) {
  std::string text = absl::Base64Escape(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

}  // namespace

absl::StatusOr<PasswordHash> ParsePasswordHash(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '$');
  if (parts.size() != 5 || !parts[0].empty() || parts[1] != "scrypt") {
    return Wrong("is no hash of kind scrypt");
  }
  PasswordHash hash;
  const std::vector<absl::string_view> cost = absl::StrSplit(parts[2], ',');
  if (cost.size() != 3 || !ParseNumber(cost[0], "ln=", 10, 20, &hash.ln) ||
      !ParseNumber(cost[1], "r=", 1, 32, &hash.r) ||
      !ParseNumber(cost[2], "p=", 1, 4, &hash.p)) {
    return Wrong("ln must be 10 to 20, r 1 to 32, p 1 to 4");
  }
  if ((uint64_t{128} * hash.r << hash.ln) > PasswordHash::kMemoryMax) {
    return Wrong(absl::StrCat("ln=", hash.ln, ",r=", hash.r,
                              ", must need at most 64 MiB"));
  }
  if (!ParseBase64(parts[3], PasswordHash::kSaltMin, PasswordHash::kSaltMax,
                   &hash.salt) ||
      !ParseBase64(parts[4], PasswordHash::kHashMin, PasswordHash::kHashMax,
                   &hash.hash)) {
    return Wrong("salt or hash is not Base64 of the right length");
  }
  return hash;
}

std::string FormatPasswordHash(const PasswordHash& hash) {
  return absl::StrCat("$scrypt$ln=", hash.ln, ",r=", hash.r, ",p=", hash.p, "$",
                      Base64(hash.salt), "$", Base64(hash.hash));
}

}  // namespace ballast::config
