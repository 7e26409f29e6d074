#include "lb/config/hex_bytes.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace ballast::config {

std::optional<std::string> BytesOfHex(absl::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c == ' ') {
      if (digits.size() % 2 != 0) return std::nullopt;
      continue;
    }
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
    digits += c;
  }
  if (digits.size() % 2 != 0) return std::nullopt;
  return absl::HexStringToBytes(digits);
}

}  // namespace ballast::config
