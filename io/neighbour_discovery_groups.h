// Membership in the solicited-node groups of floating IPv6 addresses, so that
// switches which forward multicast only to members (MLD snooping) let neighbour
// solicitations for those addresses through. Asking the packet socket for them
// is not enough: only the kernel's membership sends the MLD reports.
//
// Errors   as JoinGroup(); kNotFound when the interface is gone or has no IPv6.
// Threads  one at a time. Everything is left when this object goes.
// Source   RFC 4291 2.7.1 (ff02::1:ffXX:XXXX), RFC 3810; build notes.
#ifndef IO_NEIGHBOUR_DISCOVERY_GROUPS_H_
#define IO_NEIGHBOUR_DISCOVERY_GROUPS_H_

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "io/base/address.h"
#include "io/unique_fd.h"

namespace ballast {

// ff02::1:ff and the last 24 bits of an IPv6 address.
Address SolicitedNodeGroup(const Address& address);

class NeighbourDiscoveryGroups {
 public:
  // Addresses with the same last 24 bits share a group, which is left with the
  // last of them. IPv4 addresses need none: OK at once.
  absl::Status Add(const Address& address, int ifindex);
  // kNotFound: was not added. After an interface went, so did its groups:
  // remove its addresses and add them again on the new one.
  absl::Status Remove(const Address& address, int ifindex);

  size_t group_count() const { return groups_.size(); }

 private:
  struct Group {
    size_t socket = 0;
    std::vector<Address> members;
  };
  absl::Status Join(const Address& group, int ifindex, size_t* socket);

  // The kernel bounds the groups of one socket (net.core.optmem_max), so there
  // may be several.
  std::vector<UniqueFd> sockets_;
  std::map<std::pair<int, Address>, Group> groups_;
};

}  // namespace ballast

#endif  // IO_NEIGHBOUR_DISCOVERY_GROUPS_H_
