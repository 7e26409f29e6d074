#include "lb/l4/next_hop.h"

#include <algorithm>

#include "io/base/check.h"

namespace ballast::l4 {

ForwardingView::ForwardingView(
    std::vector<Port> ports, std::vector<Route> routes,
    absl::flat_hash_map<NeighbourKey, MacAddress> neighbours)
    : ports_(std::move(ports)),
      routes_(std::move(routes)),
      neighbours_(std::move(neighbours)) {
  for (const Route& route : routes_) BALLAST_CHECK(route.port < ports_.size());
  std::stable_sort(routes_.begin(), routes_.end(),
                   [](const Route& a, const Route& b) {
                     return a.prefix.length > b.prefix.length;
                   });
}

const Route* ForwardingView::FindRoute(const Address& destination) const {
  for (const Route& route : routes_) {
    if (route.prefix.Contains(destination)) return &route;
  }
  return nullptr;
}

std::optional<MacAddress> ForwardingView::FindNeighbour(
    const NeighbourKey& key) const {
  const auto it = neighbours_.find(key);
  if (it == neighbours_.end()) return std::nullopt;
  return it->second;
}

bool ForwardingView::LivesOn(uint16_t port, const Address& address,
                             const std::string& interface) const {
  if (ports_[port].host_mac.has_value()) return false;
  if (!interface.empty()) return ports_[port].name == interface;
  bool connected = false;
  for (const Route& route : routes_) {
    if (route.gateway.has_value() || !route.prefix.Contains(address) ||
        ports_[route.port].host_mac.has_value()) {
      continue;
    }
    if (route.port == port) return true;
    connected = true;
  }
  return !connected;
}

std::optional<uint16_t> ForwardingView::punt_port() const {
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].host_mac.has_value()) return static_cast<uint16_t>(i);
  }
  return std::nullopt;
}

HopCache::HopCache(std::shared_ptr<const ForwardingView> view)
    : view_(std::move(view)) {
  hops_.reserve(kHopCountMax);
}

HopCache::Index HopCache::Find(const Address& destination) {
  const Route* route = view_->FindRoute(destination);
  if (route == nullptr) return kNone;
  const uint32_t mtu =
      route->mtu != 0 ? route->mtu : view_->ports()[route->port].mtu;
  const NeighbourKey key{route->port, route->gateway.value_or(destination)};
  if (const auto it = index_.find({key, mtu}); it != index_.end()) {
    return it->second;
  }
  if (hops_.size() == kHopCountMax) StartOver();
  Hop hop{.key = key, .mtu = mtu};
  Resolve(hop);
  if (wanted_.size() < kHopCountMax) wanted_.push_back(key);
  hops_.push_back(hop);
  const Index index = static_cast<Index>(hops_.size() - 1);
  index_.emplace(std::make_pair(key, mtu), index);
  return index;
}

void HopCache::Update(std::shared_ptr<const ForwardingView> view) {
  const auto differ = [](const Port& a, const Port& b) {
    return a.mac != b.mac || a.mtu != b.mtu || a.host_mac != b.host_mac;
  };
  const auto& before = view_->ports();
  const auto& after = view->ports();
  const bool moved =
      view_->routes() != view->routes() ||
      !std::equal(before.begin(), before.end(), after.begin(), after.end(),
                  [&](const Port& a, const Port& b) { return !differ(a, b); });
  view_ = std::move(view);
  if (moved) {
    StartOver();
  } else {
    for (Hop& hop : hops_) Resolve(hop);
  }
}

std::vector<NeighbourKey> HopCache::TakeWantedHops() {
  return std::exchange(wanted_, {});
}

void HopCache::Resolve(Hop& hop) const {
  const Port& port = view_->ports()[hop.key.port];
  hop.source_mac = port.mac;
  const std::optional<MacAddress> mac =
      port.host_mac.has_value() ? port.host_mac : view_->FindNeighbour(hop.key);
  hop.resolved = mac.has_value() && port.up;
  hop.destination_mac = mac.value_or(MacAddress{});
}

void HopCache::StartOver() {
  index_.clear();
  hops_.clear();
  if (++epoch_ == 0) epoch_ = 1;  // 0 is for what was never looked up.
}

}  // namespace ballast::l4
