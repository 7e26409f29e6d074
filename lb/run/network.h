// The kernel's network as the directors see it, kept on the control thread:
// which ports there are and with which MAC, the routes and neighbours of the
// host, the way to the host's own stack, and what floating addresses need of
// the kernel (multicast groups, the guard).
//
// Errors   Open() says what is missing, naming the interface. Later failures
// are
//          logged and counted; the last good view stays.
// Threads  one, except the views: those are anybody's.
#ifndef LB_RUN_NETWORK_H_
#define LB_RUN_NETWORK_H_

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/af_packet_io.h"
#include "io/base/instant.h"
#include "io/kernel_routes.h"
#include "io/mac_guard.h"
#include "io/neighbour_discovery_groups.h"
#include "io/netlink.h"
#include "io/packet_steering.h"
#include "io/punt.h"
#include "io/transparent_replies.h"
#include "lb/config/model.h"
#include "lb/l4/next_hop.h"
#include "lb/l7/local_networks.h"
#include "lb/log_record.h"

namespace ballast::run {

class Network {
 public:
  // Looks the model's interfaces up and decides each one's MAC: the configured
  // one, or one of our own if frames to it arrive (probed, up to a second per
  // interface), or the card's behind a guard.
  static absl::StatusOr<std::unique_ptr<Network>> Open(
      const config::Model& model, Log log);

  // Packet I/O for the ports; the punt's is the last.
  AfPacketOptions PacketOptions() const;
  PacketSteering Steering(const config::Model& model) const;

  // Readable when Update() has something to do.
  int fd() const { return kernel_.fd(); }
  // Takes the kernel's changes in; true if there is a new view.
  bool Update();
  std::shared_ptr<const l4::ForwardingView> view() const { return view_; }
  std::shared_ptr<const l7::LocalNetworks> local() const { return local_; }

  // Has the kernel find and keep this neighbour's MAC.
  void Resolve(const l4::NeighbourKey& key);
  // Every few seconds, for kernels that do not keep neighbours by themselves.
  void Refresh();

  // What the kernel must know of the floating addresses: groups joined for ND,
  // guarded where the MAC is the card's, on the punt link while `active`.
  void SetFloating(const config::Model& model, bool active);

  // Has the host take what servers send to connections made from a client's
  // address, from the first model on that has such a service. The error names
  // what is missing.
  absl::Status SetTransparent(const config::Model& model);

  // Whether frames pass on a link of this host; false if there is none.
  bool HasCarrier(absl::string_view link) const {
    const LinkInfo* info = kernel_.FindLink(link);
    return info != nullptr && info->up && info->running;
  }

  // What the floating addresses have on a link of `interfaces`, or the card has
  // on another; zeros if there is none.
  MacAddress MacOf(absl::string_view link) const;

  uint64_t errors() const { return errors_; }

 private:
  struct Interface {
    std::string name;
    MacAddress mac;
    bool card_mac = false;
    std::unique_ptr<MacGuard> guard;
  };

  Network(Netlink netlink, KernelRoutes kernel, Log log)
      : netlink_(std::move(netlink)),
        kernel_(std::move(kernel)),
        log_(std::move(log)) {}
  absl::Status AddInterface(const config::Model& model,
                            const config::Interface& config);
  absl::Status RebuildView();
  void RebuildLocal(const std::vector<RouteInfo>& routes);
  int IfIndex(uint16_t port) const;
  bool Manage(const std::pair<int, Address>& entry);
  // Has those found again that somebody took away, or that went with a link.
  void KeepManaged();
  void Check(const absl::Status& status);

  Netlink netlink_;
  KernelRoutes kernel_;
  Log log_;
  std::vector<Interface> interfaces_;
  std::unique_ptr<PuntLink> punt_;
  std::unique_ptr<TransparentReplies> replies_;
  NeighbourDiscoveryGroups groups_;
  std::set<std::pair<Address, int>> joined_;
  std::set<Address> punted_;
  std::set<std::pair<int, Address>> managed_;
  std::set<std::pair<int, Address>> refreshed_;
  std::shared_ptr<const l4::ForwardingView> view_;
  std::shared_ptr<const l7::LocalNetworks> local_;
  uint64_t errors_ = 0;
};

// The MAC floating addresses use on a card: locally administered, made from the
// card's own, so that it is the same after a restart and unique as that is.
MacAddress OwnMac(const MacAddress& card);

}  // namespace ballast::run

#endif  // LB_RUN_NETWORK_H_
