#include "io/kernel_routes.h"

#include <algorithm>
#include <variant>

#include "io/base/status_macros.h"

namespace ballast {

absl::StatusOr<KernelRoutes> KernelRoutes::Open(const Options& options) {
  // In this order nothing that changes meanwhile is missed.
  BALLAST_ASSIGN_OR_RETURN(NetlinkEvents events, NetlinkEvents::Open({}));
  BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  KernelRoutes routes(options, std::move(netlink), std::move(events));
  BALLAST_RETURN_IF_ERROR(routes.ReadEvents().status());
  return routes;
}

absl::StatusOr<KernelRoutes::Changes> KernelRoutes::ReadEvents() {
  auto outcome = NetlinkEvents::Outcome::kMore;
  // A storm that never ends must not keep the control thread.
  constexpr int kRoundsMax = 16;
  for (int i = 0; i < kRoundsMax && outcome != NetlinkEvents::Outcome::kDrained;
       ++i) {
    BALLAST_ASSIGN_OR_RETURN(
        outcome, events_.Read([&](const NetlinkEvent& event) {
          if (const auto* n = std::get_if<NeighbourInfo>(&event.what)) {
            changes_.neighbours |= neighbours_.Apply(*n, event.removed);
            return;
          }
          network_stale_ = true;
          if (const auto* link = std::get_if<LinkInfo>(&event.what)) {
            if (event.removed) {
              changes_.neighbours |= neighbours_.RemoveInterface(link->index);
            }
          }
        }));
    if (outcome == NetlinkEvents::Outcome::kLost) {
      network_stale_ = neighbours_stale_ = true;
    }
  }
  if (neighbours_stale_) BALLAST_RETURN_IF_ERROR(ListNeighbours());
  if (network_stale_) BALLAST_RETURN_IF_ERROR(ListNetwork());
  return std::exchange(changes_, {});
}

absl::Status KernelRoutes::ListNeighbours() {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<NeighbourInfo> all,
                           netlink_.Neighbours());
  neighbours_.Replace(all);
  neighbours_stale_ = false;
  changes_.neighbours = true;
  return absl::OkStatus();
}

absl::Status KernelRoutes::ListNetwork() {
  BALLAST_ASSIGN_OR_RETURN(std::vector<LinkInfo> links, netlink_.Links());
  BALLAST_ASSIGN_OR_RETURN(std::vector<InterfaceAddress> addresses,
                           netlink_.Addresses());
  BALLAST_ASSIGN_OR_RETURN(
      std::vector<RouteInfo> routes,
      netlink_.Routes(options_.table, options_.route_count_max));
  network_stale_ = false;
  const bool links_changed = links != links_;
  changes_.links |= links_changed;
  changes_.addresses |= addresses != addresses_;
  links_ = std::move(links);
  addresses_ = std::move(addresses);
  // A link's MTU is part of the table.
  if (links_changed || routes != route_list_) {
    changes_.routes = true;
    route_list_ = std::move(routes);
    table_ = std::make_shared<const RouteTable>(
        RouteTable::Build(route_list_, links_));
  }
  return absl::OkStatus();
}

std::optional<KernelRoutes::Answer> KernelRoutes::Lookup(
    const Address& destination, uint32_t flow_hash) const {
  const std::optional<NextHop> hop = table_->Lookup(destination, flow_hash);
  if (!hop) return std::nullopt;
  Answer answer{*hop, std::nullopt};
  const NeighbourInfo* neighbour = neighbours_.Find(hop->ifindex, hop->address);
  if (neighbour != nullptr) answer.mac = neighbour->mac;
  return answer;
}

const LinkInfo* KernelRoutes::FindLink(absl::string_view name) const {
  const auto found =
      std::find_if(links_.begin(), links_.end(),
                   [name](const LinkInfo& link) { return link.name == name; });
  return found == links_.end() ? nullptr : &*found;
}

const LinkInfo* KernelRoutes::FindLink(int ifindex) const {
  const auto found = std::find_if(
      links_.begin(), links_.end(),
      [ifindex](const LinkInfo& link) { return link.index == ifindex; });
  return found == links_.end() ? nullptr : &*found;
}

}  // namespace ballast
