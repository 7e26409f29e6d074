// The guard's packet filter as netlink bytes: one nf_tables table on the
// ingress of one interface, replaced as a whole in one transaction. Pure.
//
// A hook on netdev ingress is behind packet sockets and before the host's IP
// stack.
// Source  Linux include/uapi/linux/netfilter/nf_tables.h; `nft list table`
//         reads the result back in the tests.
#ifndef IO_MAC_GUARD_RULES_H_
#define IO_MAC_GUARD_RULES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/nft_batch.h"

namespace ballast {

// Which frames the director takes and the host must not see.
struct GuardRules {
  // To these: virtual services and the gateway address of real servers.
  std::vector<Address> floating{};
  // The host's own: what servers send to these is for it, say answers to a
  // health check or a proxy. None that is floating counts.
  std::vector<Address> host{};
  // From these: what real servers answer to clients through us (NAT). Port 0:
  // every port of that protocol.
  struct Server {
    uint8_t protocol = 6;
    Endpoint endpoint;
    friend auto operator<=>(const Server&, const Server&) = default;
  };
  std::vector<Server> servers{};
};

// "ballast_guard_eth0": one table for each interface.
std::string GuardTableName(absl::string_view interface);

// Replaces the table, or makes it.
NftBatch::Finished InstallGuardBatch(absl::string_view interface,
                                     const GuardRules& rules);
// Removes it, also if it is not there.
NftBatch::Finished RemoveGuardBatch(absl::string_view interface);

}  // namespace ballast

#endif  // IO_MAC_GUARD_RULES_H_
