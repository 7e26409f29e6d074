// UTF-8, RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF.
//
// Threads  pure functions.
#ifndef LB_CONFIG_UTF8_H_
#define LB_CONFIG_UTF8_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace ballast::config {

// Bytes of the character `text` begins with; 0: it begins with none.
inline size_t Utf8Size(absl::string_view text) {
  if (text.empty()) return 0;
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  if (text.size() <= more) return 0;
  uint32_t point = first & (0x3f >> more);
  for (size_t i = 1; i <= more; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return 0;
    point = point << 6 | (next & 0x3f);
  }
  const bool good = (more != 2 || point >= 0x800) &&
                    (more != 3 || point >= 0x10000) && point <= 0x10ffff &&
                    (point < 0xd800 || point > 0xdfff);
  return good ? more + 1 : 0;
}

inline bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t size = Utf8Size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace ballast::config

#endif  // LB_CONFIG_UTF8_H_
