// Bytes as the configuration writes them where the vendor does: hexadecimal
// digits in pairs, blanks between the pairs allowed.
#ifndef LB_CONFIG_HEX_BYTES_H_
#define LB_CONFIG_HEX_BYTES_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace ballast::config {

// nullopt: anything else.
std::optional<std::string> BytesOfHex(absl::string_view text);

}  // namespace ballast::config

#endif  // LB_CONFIG_HEX_BYTES_H_
