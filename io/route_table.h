// Where the kernel would send a packet: longest-prefix match over a copy of
// its routes. Built on the control thread, then never changed, so that packet
// threads may read one while the next is built. Pure.
//
// A copy, and not a question to the kernel for each destination, because
// clients may have any address and packet threads make no system call.
// Followed as the kernel does: priorities, dead next hops, unreachable routes,
// several next hops by weight, gateways of the other family. Not followed:
// policy rules, type-of-service and source-specific routes.
//
// Cost     Lookup: one hash lookup per prefix length in use, longest first; no
//          allocation. Build: O(routes).
// Threads  any number may read.
// Source   Linux net/ipv4/fib_trie.c fib_table_lookup(), fib_semantics.c
//          fib_select_path().
#ifndef IO_ROUTE_TABLE_H_
#define IO_ROUTE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "io/base/address.h"
#include "io/netlink_decode.h"

namespace ballast {

struct NextHop {
  int ifindex = 0;
  Address address;  // Whose MAC to send to: the gateway, or the destination.
  bool via_gateway = false;
  // The source address the host would use, when the route names one.
  std::optional<Address> preferred_source{};
  uint32_t mtu = 0;  // Bytes of an IP packet: the route's, or the link's.
  friend bool operator==(const NextHop&, const NextHop&) = default;
};

class RouteTable {
 public:
  RouteTable() = default;

  // Routes of one table; links give the MTU where a route has none.
  static RouteTable Build(std::span<const RouteInfo> routes,
                          std::span<const LinkInfo> links);

  // nullopt: no route, or one that says unreachable. `flow_hash` chooses among
  // several next hops; one flow always gives the same. A link-local IPv6
  // destination goes to the first interface that has the route.
  std::optional<NextHop> Lookup(const Address& destination,
                                uint32_t flow_hash = 0) const;

  size_t route_count() const { return routes_.size(); }

 private:
  struct Route {
    std::vector<NextHop> hops;  // Live ones; empty: unreachable.
    std::vector<uint32_t> weights;
    uint32_t weight_sum = 0;
  };
  // All prefixes of one length (of the 128 bits: IPv4's begin at 96).
  struct Level {
    uint8_t length;
    absl::flat_hash_map<Address, uint32_t> routes;  // Index into routes_.
  };

  std::vector<Level> v4_levels_;  // Longest first.
  std::vector<Level> v6_levels_;
  std::vector<Route> routes_;
};

}  // namespace ballast

#endif  // IO_ROUTE_TABLE_H_
