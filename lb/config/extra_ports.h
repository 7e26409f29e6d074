// The ports of a service beyond its base port, as operators write them.
//
// Grammar  ports "N" and ranges "A-B" (A <= B, no blanks around the hyphen),
//          each 3..65530, separated by any run of blanks and commas, which may
//          also lead and trail. Order, overlaps and duplicates do not matter.
//          The empty string names no port.
// Bound    kExtraPortsMax different ports; the base port is not counted, and
//          dropped if listed.
// Source   LoadMaster "Standard Options", Extra Ports; what the page leaves
//          open (runs of separators, malformed ranges) is ours.
#ifndef LB_CONFIG_EXTRA_PORTS_H_
#define LB_CONFIG_EXTRA_PORTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/config/model.h"

namespace ballast::config {

inline constexpr uint32_t kServicePortMin = 3;
inline constexpr uint32_t kServicePortMax = 65530;
inline constexpr size_t kExtraPortsMax = 510;

// Ascending, disjoint, not adjacent. kInvalidArgument names the element at
// fault, and nothing of the rest is returned.
absl::StatusOr<std::vector<PortRange>> ParseExtraPorts(absl::string_view text,
                                                       uint16_t base_port);

// The canonical text, "80,8000-8080,9000", which parses back to `ports`.
std::string FormatExtraPorts(const std::vector<PortRange>& ports);

size_t CountPorts(const std::vector<PortRange>& ports);

}  // namespace ballast::config

#endif  // LB_CONFIG_EXTRA_PORTS_H_
