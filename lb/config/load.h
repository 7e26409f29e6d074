// Text to ballast.proto. What the values mean, and whether they fit together,
// is Validate()'s business (lb/config/validate.h).
//
// Errors  kInvalidArgument, one line for each mistake the parser could tell
//         apart: "line 12, column 3: ..." for text format; the path of the
//         field, as far as Protobuf names it, for JSON. Unknown fields and
//         enum values are errors in both, and so is a string that is not
//         UTF-8.
//         kResourceExhausted above kConfigBytesMax.
#ifndef LB_CONFIG_LOAD_H_
#define LB_CONFIG_LOAD_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/config/ballast.pb.h"

namespace ballast::config {

inline constexpr size_t kConfigBytesMax = size_t{16} << 20;

enum class Format {
  kTextproto,
  kJson,
  kAuto,  // JSON if its first character that is not blank is '{'.
};

absl::StatusOr<proto::Config> ParseConfig(absl::string_view text,
                                          Format format = Format::kAuto);

}  // namespace ballast::config

#endif  // LB_CONFIG_LOAD_H_
