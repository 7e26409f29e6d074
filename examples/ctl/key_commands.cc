#include "examples/ctl/key_commands.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "ha/pair_key.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "lb/admin/password.h"

namespace ballast::ctl {
namespace {

using ha::PairKey;

constexpr size_t kKeyFileSizeMax = 4096;

// Whether it was meant to be a key and is no path: a key that has lost a digit
// is not to be repeated as the name of a file that is not there.
bool LooksLikeKey(absl::string_view text) {
  return text.size() >= 32 &&
         std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
}

absl::StatusOr<std::vector<PairKey>> ReadKeys(absl::string_view argument) {
  if (LooksLikeKey(argument)) {
    BALLAST_ASSIGN_OR_RETURN(const PairKey key, ha::ParsePairKey(argument));
    return std::vector<PairKey>{key};
  }
  const std::string path(argument);
  BALLAST_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                           ReadFile(path, kKeyFileSizeMax));
  auto keys = ha::ParsePairKeys(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  if (!keys.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", keys.status().message()));
  }
  return keys;
}

}  // namespace

absl::StatusOr<Output> KeyNew(const Call&) {
  PairKey key;
  FillRandom(key);
  return Output(absl::StrCat(ha::FormatPairKey(key), "\n"));
}

absl::StatusOr<Output> KeyId(const Call& call) {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<PairKey> keys,
                           ReadKeys(call.arguments[0]));
  std::string ids;
  for (const PairKey& key : keys) {
    absl::StrAppendFormat(&ids, "%08x\n", ha::PairKeyId(key));
  }
  return Output(ids);
}

absl::StatusOr<Output> Password(const Call&) {
  char line[admin::kPasswordMax + 2];
  if (isatty(STDIN_FILENO)) std::fputs("Password: ", stderr);
  if (std::fgets(line, sizeof(line), stdin) == nullptr) {
    return absl::InvalidArgumentError("no password on standard input");
  }
  const absl::string_view password = absl::StripSuffix(line, "\n");
  if (password.empty() || password.size() > admin::kPasswordMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the password must have 1 to ", admin::kPasswordMax, " bytes"));
  }
  std::array<uint8_t, admin::kSaltSize> salt;
  FillRandom(salt);
  return Output(absl::StrCat(admin::HashPassword(password, salt), "\n"));
}

}  // namespace ballast::ctl
