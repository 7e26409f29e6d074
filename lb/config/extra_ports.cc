#include "lb/config/extra_ports.h"

#include <algorithm>
#include <bitset>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace ballast::config {
namespace {

std::optional<uint16_t> ParsePort(absl::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  uint32_t port = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  if (port < kServicePortMin || port > kServicePortMax) return std::nullopt;
  return static_cast<uint16_t>(port);
}

std::optional<PortRange> ParseElement(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> ends =
      absl::StrSplit(text, absl::MaxSplits('-', 1));
  const bool range = ends.first.size() != text.size();
  const auto first = ParsePort(ends.first);
  const auto last = range ? ParsePort(ends.second) : first;
  if (!first || !last || *first > *last) return std::nullopt;
  return PortRange{*first, *last};
}

}  // namespace

absl::StatusOr<std::vector<PortRange>> ParseExtraPorts(absl::string_view text,
                                                       uint16_t base_port) {
  std::bitset<65536> listed;
  for (const absl::string_view element :
       absl::StrSplit(text, absl::ByAnyChar(" \t,"), absl::SkipEmpty())) {
    const auto range = ParseElement(element);
    if (!range) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", absl::CHexEscape(element.substr(0, 32)),
          "\", must be a port or a range of ports, ", kServicePortMin, " to ",
          kServicePortMax, ", without blanks around the hyphen"));
    }
    for (uint32_t port = range->first; port <= range->last; ++port) {
      listed.set(port);
    }
  }
  listed.reset(base_port);
  if (listed.count() > kExtraPortsMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        listed.count(), " ports, must be at most ", kExtraPortsMax));
  }
  std::vector<PortRange> ports;
  if (listed.none()) return ports;  // As of most services.
  for (uint32_t port = kServicePortMin; port <= kServicePortMax; ++port) {
    if (!listed[port]) continue;
    const uint16_t value = static_cast<uint16_t>(port);
    if (listed[port - 1]) {
      ports.back().last = value;
    } else {
      ports.push_back({value, value});
    }
  }
  return ports;
}

std::string FormatExtraPorts(const std::vector<PortRange>& ports) {
  return absl::StrJoin(ports, ",", [](std::string* out, const PortRange& r) {
    absl::StrAppend(out, r.first);
    if (r.last != r.first) absl::StrAppend(out, "-", r.last);
  });
}

size_t CountPorts(const std::vector<PortRange>& ports) {
  size_t count = 0;
  for (const PortRange& range : ports) count += range.last - range.first + 1u;
  return count;
}

}  // namespace ballast::config
