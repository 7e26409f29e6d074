// What the active unit of a pair gives its partner: the configuration both
// share, and what no configuration says but both must have alike, so that a
// client meets the same server through either.
//
//   source_key  of source IP hash: made by one unit if the configuration has
//               none. Secret: never logged, and sent only sealed.
//   l7_secret   of layer 7, the same: cookies, persistence keys and TLS tickets
//               of either unit are good on both.
//   tables      the slots of `even` services, which depend on the tables before
//               them, and so on changes that the other unit may have missed.
//
// Errors   kInvalidArgument, naming the field: not what Serialize() writes.
// Cost     a copy; 5 KiB or so a table.
// Threads  pure functions.
#ifndef LB_CONFIG_PARTNER_CONFIG_H_
#define LB_CONFIG_PARTNER_CONFIG_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "lb/config/model.h"

namespace ballast::config {

// A service's configured slots; whether they fit its servers is not known here.
struct ScheduleTable {
  uint64_t service = 0;         // Plan's id: equal on both units.
  std::vector<uint16_t> slots;  // A server's position each.

  friend bool operator==(const ScheduleTable&, const ScheduleTable&) = default;
};

struct PartnerConfig {
  std::vector<uint8_t> shared;  // Opaque here.
  HashKey source_key{};
  std::vector<ScheduleTable> tables;
  std::optional<L7Secret> l7_secret;  // None was made.

  friend bool operator==(const PartnerConfig&, const PartnerConfig&) = default;
};

std::vector<uint8_t> Serialize(const PartnerConfig& config);
absl::StatusOr<PartnerConfig> ParsePartnerConfig(
    std::span<const uint8_t> bytes);

}  // namespace ballast::config

#endif  // LB_CONFIG_PARTNER_CONFIG_H_
