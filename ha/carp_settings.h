// A LoadMaster's HA settings on CARP, for a pair with a foreign unit.
//
//   HA Timeout n*3 s     advbase n: master-down is 3 n + advskew/256 s
//   HA Initial Wait      CarpNode::Options::initial_wait
//   Preferred server     none: both units advskew 0, no preemption. One: that
//                        unit advskew 0 and preemption once, after its start;
//                        the other 100
//   HA Virtual ID        VHID; by default the last octet of the shared address
//
// Source  LoadMaster documentation, HA parameters.
#ifndef HA_CARP_SETTINGS_H_
#define HA_CARP_SETTINGS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "ha/carp_node.h"
#include "io/base/address.h"

namespace ballast::ha {

struct LoadMasterHa {
  enum class Preferred : uint8_t { kNone, kThisUnit, kPartner };

  int timeout_s = 9;       // 3, 6, 9, 12 or 15.
  int initial_wait_s = 0;  // 0..200.
  Preferred preferred = Preferred::kNone;
};

// The rest of the options (source, manner) is the caller's to fill in.
//   kInvalidArgument  names the setting, its value and the limit
absl::StatusOr<CarpNode::Options> CarpOptionsOf(const LoadMasterHa& settings);

// The last octet; 0 becomes 1.
uint8_t DefaultCarpVhid(const Address& shared);

}  // namespace ballast::ha

#endif  // HA_CARP_SETTINGS_H_
