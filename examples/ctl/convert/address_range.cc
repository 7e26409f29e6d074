#include "examples/ctl/convert/address_range.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace ballast::ctl {

std::vector<Address> ReadAddressRange(absl::string_view text) {
  constexpr uint32_t kRangeMax = 256;
  const size_t hyphen = text.find('-');
  const auto first = Address::Parse(text.substr(0, hyphen));
  if (!first.ok()) return {};
  if (hyphen == absl::string_view::npos) return {*first};
  const char separator = first->is_v4() ? '.' : ':';
  const absl::string_view begin = text.substr(0, hyphen);
  const absl::string_view stem = begin.substr(0, begin.rfind(separator) + 1);
  uint32_t from = 0;
  uint32_t to = 0;
  const absl::string_view from_text = begin.substr(stem.size());
  const absl::string_view to_text = text.substr(hyphen + 1);
  const bool read = first->is_v4() ? absl::SimpleAtoi(from_text, &from) &&
                                         absl::SimpleAtoi(to_text, &to)
                                   : absl::SimpleHexAtoi(from_text, &from) &&
                                         absl::SimpleHexAtoi(to_text, &to);
  if (!read || to < from || to - from >= kRangeMax) return {};
  std::vector<Address> addresses;
  for (uint32_t i = from; i <= to; ++i) {
    const auto one =
        Address::Parse(first->is_v4() ? absl::StrCat(stem, i)
                                      : absl::StrCat(stem, absl::Hex(i)));
    if (!one.ok()) return {};
    addresses.push_back(*one);
  }
  return addresses;
}

}  // namespace ballast::ctl
