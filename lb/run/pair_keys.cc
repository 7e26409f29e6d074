#include "lb/run/pair_keys.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "ha/pair_key.h"
#include "io/base/status_macros.h"
#include "io/file.h"

namespace ballast::run {
namespace {

constexpr size_t kKeyFileMax = 4096;

}  // namespace

absl::StatusOr<std::vector<ha::PairKey>> ReadPairKeys(
    const config::HighAvailability& pair) {
  if (pair.key_file.empty()) return pair.keys;
  BALLAST_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                           ReadFile(pair.key_file, kKeyFileMax));
  auto keys = ha::ParsePairKeys(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  if (!keys.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "ha.key_file: ", pair.key_file, ": ", keys.status().message()));
  }
  return keys;
}

}  // namespace ballast::run
