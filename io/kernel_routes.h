// The kernel's view of the network, kept up to date: links, addresses, routes
// and neighbours. The control thread waits on fd(), calls ReadEvents(), and
// hands new tables to the packet threads when it says that something changed.
//
// Neighbours follow events one by one. Links, addresses and routes are listed
// anew after any change of one of them: the kernel does not announce the IPv4
// routes that vanish with a link or an address, and describes changes of
// multipath routes in several ways. One ReadEvents() lists them at most once
// however many events were waiting, so an owner bounds the cost by how often
// it calls.
//
// Errors   as Netlink's. After an error the last good state stays, and the next
//          ReadEvents() tries again.
// Threads  one at a time; routes() may be read by others for as long as they
//          hold it.
#ifndef IO_KERNEL_ROUTES_H_
#define IO_KERNEL_ROUTES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/neighbour.h"
#include "io/netlink.h"
#include "io/netlink_events.h"
#include "io/route_table.h"

namespace ballast {

class KernelRoutes {
 public:
  struct Options {
    uint32_t table = kMainTable;
    size_t route_count_max = 16384;
    size_t neighbour_count_max = 16384;
  };
  // Subscribes, then lists everything.
  static absl::StatusOr<KernelRoutes> Open(const Options& options);

  // Readable when ReadEvents() has something to do.
  int fd() const { return events_.fd(); }

  struct Changes {
    bool links = false;  // A link came, went, or changed (up, MAC, MTU).
    bool addresses = false;
    bool routes = false;      // routes() is another table now.
    bool neighbours = false;  // A MAC became known, unknown or another.
    bool any() const { return links || addresses || routes || neighbours; }
  };
  absl::StatusOr<Changes> ReadEvents();

  // The next hop and, where the kernel knows it, its MAC.
  struct Answer {
    NextHop hop;
    std::optional<MacAddress> mac;
  };
  std::optional<Answer> Lookup(const Address& destination,
                               uint32_t flow_hash = 0) const;

  std::shared_ptr<const RouteTable> routes() const { return table_; }
  const NeighbourTable& neighbours() const { return neighbours_; }
  const std::vector<LinkInfo>& links() const { return links_; }
  const std::vector<InterfaceAddress>& addresses() const { return addresses_; }
  // nullptr when there is none.
  const LinkInfo* FindLink(absl::string_view name) const;
  const LinkInfo* FindLink(int ifindex) const;

 private:
  KernelRoutes(const Options& options, Netlink netlink, NetlinkEvents events)
      : options_(options),
        netlink_(std::move(netlink)),
        events_(std::move(events)),
        table_(std::make_shared<RouteTable>()),
        neighbours_(options.neighbour_count_max) {}
  absl::Status ListNetwork();
  absl::Status ListNeighbours();

  Options options_;
  Netlink netlink_;
  NetlinkEvents events_;
  bool network_stale_ = true;
  bool neighbours_stale_ = true;
  Changes changes_;  // Not told yet.
  std::vector<LinkInfo> links_;
  std::vector<InterfaceAddress> addresses_;
  std::vector<RouteInfo> route_list_;
  std::shared_ptr<const RouteTable> table_;
  NeighbourTable neighbours_;
};

}  // namespace ballast

#endif  // IO_KERNEL_ROUTES_H_
