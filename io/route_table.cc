#include "io/route_table.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace ballast {
namespace {

// `length` counts bits of the 16 bytes an Address holds.
Address Mask(const Address& address, uint8_t length) {
  std::array<uint8_t, 16> bytes = address.bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t first_bit = i * 8;
    if (first_bit >= length) {
      bytes[i] = 0;
    } else if (length - first_bit < 8) {
      bytes[i] &= static_cast<uint8_t>(0xff00u >> (length - first_bit));
    }
  }
  return Address::V6(bytes);
}

uint8_t LengthOf128(const Prefix& prefix) {
  return static_cast<uint8_t>(prefix.length +
                              (prefix.address.is_v4() ? 96 : 0));
}

bool Usable(const RouteInfo& route) {
  if (route.has_tos || route.type == RouteInfo::Type::kOther) return false;
  if (route.type == RouteInfo::Type::kUnreachable) return true;
  return std::any_of(route.hops.begin(), route.hops.end(),
                     [](const RouteHop& hop) { return !hop.dead; });
}

}  // namespace

RouteTable RouteTable::Build(std::span<const RouteInfo> routes,
                             std::span<const LinkInfo> links) {
  absl::flat_hash_map<int, uint32_t> mtu_of_link;
  for (const LinkInfo& link : links) mtu_of_link[link.index] = link.mtu;
  std::vector<const RouteInfo*> order;
  for (const RouteInfo& route : routes) {
    if (Usable(route)) order.push_back(&route);
  }
  // Longest first; among equals the lowest priority number, which then wins.
  std::stable_sort(
      order.begin(), order.end(), [](const RouteInfo* a, const RouteInfo* b) {
        return std::make_tuple(-LengthOf128(a->destination), a->priority) <
               std::make_tuple(-LengthOf128(b->destination), b->priority);
      });
  RouteTable table;
  for (const RouteInfo* from : order) {
    const bool is_v4 = from->destination.address.is_v4();
    std::vector<Level>& levels = is_v4 ? table.v4_levels_ : table.v6_levels_;
    const uint8_t length = LengthOf128(from->destination);
    if (levels.empty() || levels.back().length != length) {
      levels.push_back({length, {}});
    }
    const bool is_new =
        levels.back()
            .routes
            .emplace(Mask(from->destination.address, length),
                     static_cast<uint32_t>(table.routes_.size()))
            .second;
    if (!is_new) continue;
    Route route;
    for (const RouteHop& hop : from->hops) {
      if (hop.dead) continue;
      NextHop next;
      next.ifindex = hop.ifindex;
      next.via_gateway = hop.gateway.has_value();
      if (hop.gateway) next.address = *hop.gateway;
      next.preferred_source = from->preferred_source;
      next.mtu = from->mtu;
      if (next.mtu == 0) {
        const auto link = mtu_of_link.find(hop.ifindex);
        next.mtu = link == mtu_of_link.end() ? 0 : link->second;
      }
      route.hops.push_back(next);
      route.weights.push_back(std::max<uint32_t>(hop.weight, 1));
      route.weight_sum += route.weights.back();
    }
    table.routes_.push_back(std::move(route));
  }
  return table;
}

std::optional<NextHop> RouteTable::Lookup(const Address& destination,
                                          uint32_t flow_hash) const {
  for (const Level& level : destination.is_v4() ? v4_levels_ : v6_levels_) {
    const auto found = level.routes.find(Mask(destination, level.length));
    if (found == level.routes.end()) continue;
    const Route& route = routes_[found->second];
    if (route.hops.empty()) return std::nullopt;
    size_t i = 0;
    if (route.hops.size() > 1) {
      uint32_t left = flow_hash % route.weight_sum;
      while (left >= route.weights[i]) left -= route.weights[i++];
    }
    NextHop next = route.hops[i];
    if (!next.via_gateway) next.address = destination;
    return next;
  }
  return std::nullopt;
}

}  // namespace ballast
