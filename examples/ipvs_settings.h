// What a Linux IPVS director was set to, as operators write it down: lines of
// `sysctl -a` (with or without "net.ipv4.vs." and "=") and of `ipvsadm -Sn`.
//
//   sync_threshold 3 50
//   -A -t 10.91.0.100:80 -s rr
//   -a -t 10.91.0.100:80 -r 10.91.1.11:8080 -m -w 1
//
// Other sysctls and lines that begin with no dash are passed over.
#ifndef EXAMPLES_IPVS_SETTINGS_H_
#define EXAMPLES_IPVS_SETTINGS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ha/sync_policy.h"
#include "io/base/address.h"

namespace ballast {

// Protocol number and virtual address.
using IpvsServiceKey = std::pair<uint8_t, Endpoint>;

struct IpvsSettings {
  ha::SyncSettings sync;
  // 0: a SYN never ends the connection that had its ports before.
  uint32_t conn_reuse_mode = 1;
  // Whether the director sees what the servers answer (NAT).
  std::map<IpvsServiceKey, bool> nat;
  // Services that were read but cannot be replayed, each with its line and the
  // reason.
  std::vector<std::string> left_out;
};

//   kInvalidArgument  the line, and what is wrong with it; or sync_threshold is
//                     missing, or there is no service to replay
absl::StatusOr<IpvsSettings> ParseIpvsSettings(absl::string_view text);

}  // namespace ballast

#endif  // EXAMPLES_IPVS_SETTINGS_H_
