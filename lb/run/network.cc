#include "lb/run/network.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/mac_probe.h"

namespace ballast::run {
namespace {

// Managed neighbours are kept for as long as this process runs; no more of
// them.
constexpr size_t kManagedMax = 16384;
constexpr size_t kRoutesMax = 16384;

bool Routed(const RouteInfo& route) {
  return route.type == RouteInfo::Type::kUnicast && !route.has_tos;
}

}  // namespace

MacAddress OwnMac(const MacAddress& card) {
  MacAddress mac = card;
  mac.bytes[0] = static_cast<uint8_t>((mac.bytes[0] | 0x02) & 0xfe);
  mac.bytes[1] ^= 0xba;
  if (mac == card) mac.bytes[2] ^= 0x11;
  return mac;
}

absl::StatusOr<std::unique_ptr<Network>> Network::Open(
    const config::Model& model, Log log) {
  BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  BALLAST_ASSIGN_OR_RETURN(KernelRoutes kernel, KernelRoutes::Open({}));
  std::unique_ptr<Network> network(
      new Network(std::move(netlink), std::move(kernel), std::move(log)));
  for (const config::Interface& interface : model.interfaces) {
    BALLAST_RETURN_IF_ERROR(network->AddInterface(model, interface));
  }
  if (!model.punt_interface.empty()) {
    PuntLink::Options options;
    options.host_name = model.punt_interface;
    options.director_name = absl::StrCat(model.punt_interface, "p");
    for (const Interface& interface : network->interfaces_) {
      const LinkInfo* link = network->kernel_.FindLink(interface.name);
      options.mtu = std::max(options.mtu, link->mtu);
      options.ports.push_back(interface.name);
    }
    BALLAST_ASSIGN_OR_RETURN(network->punt_, PuntLink::Create(options));
    BALLAST_RETURN_IF_ERROR(network->kernel_.ReadEvents().status());
  }
  BALLAST_RETURN_IF_ERROR(network->RebuildView());
  return network;
}

absl::Status Network::AddInterface(const config::Model& model,
                                   const config::Interface& config) {
  const LinkInfo* link = kernel_.FindLink(config.name);
  if (link == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("interfaces: no link named \"", config.name, "\""));
  }
  if (!link->mac.has_value() || link->loopback) {
    return absl::InvalidArgumentError(absl::StrCat(
        "interfaces: \"", config.name, "\" is not an Ethernet link"));
  }
  BALLAST_RETURN_IF_ERROR(MacGuard::RemoveStale(config.name));
  Interface interface { .name = config.name, .card_mac = config.card_mac };
  interface.mac = config.mac.value_or(OwnMac(*link->mac));
  if (!config.card_mac) {
    MacProbeOptions probe{.interface = config.name, .own_mac = interface.mac};
    for (const config::VirtualService& service : model.services) {
      for (const config::RealServer& server : service.servers) {
        const auto hop = kernel_.Lookup(server.endpoint.address);
        if (hop && hop->hop.ifindex == link->index &&
            probe.neighbours.size() < 8) {
          probe.neighbours.push_back(hop->hop.address);
        }
      }
    }
    BALLAST_ASSIGN_OR_RETURN(const std::vector<RouteInfo> routes,
                             netlink_.Routes(kMainTable, kRoutesMax));
    for (const RouteInfo& route : routes) {
      for (const RouteHop& hop : route.hops) {
        if (route.destination.length == 0 && hop.ifindex == link->index &&
            hop.gateway.has_value()) {
          probe.neighbours.push_back(*hop.gateway);
        }
      }
    }
    BALLAST_ASSIGN_OR_RETURN(const MacProbeResult result, ProbeOwnMac(probe));
    log_({LogLevel::kInfo,
          "interface_mac",
          absl::StrCat(config.name, ": ", result.reason),
          {{"interface", config.name}}});
    if (!result.own_mac_arrives) {
      if (config.mac.has_value()) {
        return absl::FailedPreconditionError(
            absl::StrCat("interfaces: \"", config.name, "\": frames to mac ",
                         config.mac->ToString(), " do not arrive (",
                         result.reason, "); leave mac out"));
      }
      interface.card_mac = true;
    }
  }
  if (interface.card_mac) {
    interface.mac = *link->mac;
    auto guard = MacGuard::Install(config.name, {});
    if (!guard.ok()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "interfaces: \"", config.name,
          "\" must use the card's own MAC, and its frames cannot be kept from "
          "the host: ",
          guard.status().message()));
    }
    interface.guard = std::move(*guard);
  }
  interfaces_.push_back(std::move(interface));
  return absl::OkStatus();
}

AfPacketOptions Network::PacketOptions() const {
  AfPacketOptions options;
  for (const Interface& interface : interfaces_) {
    AfPacketOptions::Port port{.interface = interface.name};
    port.filter.own_macs = {interface.mac};
    if (interface.card_mac) {
      for (const InterfaceAddress& address : kernel_.addresses()) {
        port.filter.host_addresses.push_back(address.prefix.address);
      }
    }
    options.ports.push_back(std::move(port));
  }
  if (punt_ != nullptr) {
    options.ports.push_back({.interface = punt_->director_name(),
                             .filter = {.own_macs = {punt_->director_mac()}}});
  }
  return options;
}

PacketSteering Network::Steering(const config::Model& model) const {
  PacketSteering steering;
  steering.thread_count = static_cast<uint32_t>(model.threads);
  for (const config::FloatingAddress& floating : model.floating_addresses) {
    steering.floating.push_back(floating.address);
  }
  return steering;
}

MacAddress Network::MacOf(absl::string_view link) const {
  for (const Interface& interface : interfaces_) {
    if (interface.name == link) return interface.mac;
  }
  const LinkInfo* info = kernel_.FindLink(link);
  return info == nullptr ? MacAddress() : info->mac.value_or(MacAddress());
}

int Network::IfIndex(uint16_t port) const {
  const LinkInfo* link = port < interfaces_.size()
                             ? kernel_.FindLink(interfaces_[port].name)
                             : nullptr;
  return link == nullptr ? 0 : link->index;
}

void Network::Check(const absl::Status& status) {
  if (status.ok()) return;
  ++errors_;
  log_({LogLevel::kWarning, "network_error", std::string(status.message())});
}

bool Network::Update() {
  const auto changes = kernel_.ReadEvents();
  if (!changes.ok()) {
    Check(changes.status());
    return false;
  }
  if (!changes->any()) return false;
  const absl::Status status = RebuildView();
  Check(status);
  if (status.ok()) KeepManaged();
  return status.ok();
}

absl::Status Network::RebuildView() {
  std::vector<l4::Port> ports;
  std::vector<std::pair<int, uint16_t>> by_index;
  for (uint16_t i = 0; i < interfaces_.size(); ++i) {
    const LinkInfo* link = kernel_.FindLink(interfaces_[i].name);
    ports.push_back({.name = interfaces_[i].name,
                     .mac = interfaces_[i].mac,
                     .mtu = link == nullptr ? 1500 : link->mtu,
                     .up = link != nullptr && link->running});
    if (link != nullptr) by_index.emplace_back(link->index, i);
  }
  if (punt_ != nullptr) {
    ports.push_back({.name = punt_->director_name(),
                     .mac = punt_->director_mac(),
                     .mtu = 65535,
                     .host_mac = punt_->host_mac()});
  }
  const auto port_of = [&](int ifindex) -> std::optional<uint16_t> {
    for (const auto& [index, port] : by_index) {
      if (index == ifindex) return port;
    }
    return std::nullopt;
  };

  BALLAST_ASSIGN_OR_RETURN(std::vector<RouteInfo> kernel_routes,
                           netlink_.Routes(kMainTable, kRoutesMax));
  // Of equal prefixes the lowest priority number wins.
  std::stable_sort(kernel_routes.begin(), kernel_routes.end(),
                   [](const RouteInfo& a, const RouteInfo& b) {
                     return a.priority < b.priority;
                   });
  std::vector<l4::Route> routes;
  for (const RouteInfo& route : kernel_routes) {
    if (!Routed(route)) continue;
    for (const RouteHop& hop : route.hops) {
      const auto port = port_of(hop.ifindex);
      if (hop.dead || !port.has_value()) continue;
      routes.push_back({.prefix = route.destination,
                        .port = *port,
                        .gateway = hop.gateway,
                        .mtu = route.mtu});
      break;
    }
  }
  RebuildLocal(kernel_routes);
  absl::flat_hash_map<l4::NeighbourKey, MacAddress> neighbours;
  for (const auto& [key, neighbour] : kernel_.neighbours().entries()) {
    const auto port = port_of(key.first);
    if (port.has_value() && neighbour.mac.has_value() &&
        neighbour.state == NeighbourInfo::State::kUsable) {
      neighbours.emplace(l4::NeighbourKey{*port, key.second}, *neighbour.mac);
    }
  }
  view_ = std::make_shared<l4::ForwardingView>(
      std::move(ports), std::move(routes), std::move(neighbours));
  return absl::OkStatus();
}

void Network::RebuildLocal(const std::vector<RouteInfo>& routes) {
  // Not the punt link, which leads to no other host.
  const auto counts = [&](int ifindex) {
    const LinkInfo* link = kernel_.FindLink(ifindex);
    return link != nullptr && link->up &&
           (punt_ == nullptr || (link->name != punt_->host_name() &&
                                 link->name != punt_->director_name()));
  };
  std::vector<Prefix> connected;
  std::vector<Address> own;
  for (const InterfaceAddress& address : kernel_.addresses()) {
    own.push_back(address.prefix.address);
    if (counts(address.ifindex)) connected.push_back(address.prefix);
  }
  for (const RouteInfo& route : routes) {
    // A default route without a gateway, of a tunnel say, is no network.
    if (!Routed(route) || route.destination.length == 0) continue;
    for (const RouteHop& hop : route.hops) {
      if (hop.dead || hop.gateway.has_value() || !counts(hop.ifindex)) continue;
      connected.push_back(route.destination);
      break;
    }
  }
  local_ =
      std::make_shared<l7::LocalNetworks>(std::move(connected), std::move(own));
}

void Network::Resolve(const l4::NeighbourKey& key) {
  const int ifindex = IfIndex(key.port);
  if (ifindex == 0) return;
  const std::pair entry(ifindex, key.address);
  if (managed_.contains(entry)) return;  // KeepManaged() sees to it.
  if (managed_.size() >= kManagedMax) {
    Check(absl::ResourceExhaustedError(
        absl::StrCat("neighbours: more than ", kManagedMax,
                     " next hops, cannot resolve ", key.address.ToString())));
    return;
  }
  if (Manage(entry)) managed_.insert(entry);
}

bool Network::Manage(const std::pair<int, Address>& entry) {
  const auto keeper = netlink_.AddManagedNeighbour(entry.first, entry.second);
  // Taken away again meanwhile: KeepManaged() comes back to it.
  if (absl::IsNotFound(keeper.status())) return true;
  Check(keeper.status());
  if (!keeper.ok()) return false;
  if (*keeper == Netlink::Keeper::kCaller) refreshed_.insert(entry);
  return true;
}

void Network::KeepManaged() {
  for (uint16_t port = 0; port < interfaces_.size(); ++port) {
    const int ifindex = IfIndex(port);
    if (!view_->ports()[port].up) continue;
    for (auto it = managed_.lower_bound({ifindex, Address()});
         it != managed_.end() && it->first == ifindex; ++it) {
      if (kernel_.neighbours().Find(ifindex, it->second) == nullptr) {
        Manage(*it);
      }
    }
  }
}

void Network::Refresh() {
  for (const auto& [ifindex, address] : refreshed_) {
    Check(netlink_.UseNeighbour(ifindex, address));
  }
  KeepManaged();
}

void Network::SetFloating(const config::Model& model, bool active) {
  std::set<std::pair<Address, int>> wanted;
  GuardRules rules;
  for (const config::FloatingAddress& floating : model.floating_addresses) {
    rules.floating.push_back(floating.address);
    if (floating.address.is_v4()) continue;
    for (uint16_t port = 0; port < interfaces_.size(); ++port) {
      if (view_->LivesOn(port, floating.address, floating.interface) &&
          IfIndex(port) != 0) {
        wanted.emplace(floating.address, IfIndex(port));
      }
    }
  }
  std::set<GuardRules::Server> servers;
  for (const config::VirtualService& service : model.services) {
    const auto add = [&](const auto& server) {
      if (server.forwarding != config::Forwarding::kNat) return;
      servers.insert({static_cast<uint8_t>(service.protocol), server.endpoint});
    };
    const auto add_pool = [&](const config::ServerPool& pool) {
      for (const config::RealServer& server : pool.servers) add(server);
      if (pool.sorry_server.has_value()) add(*pool.sorry_server);
    };
    add_pool(service);
    if (!service.l7.has_value()) continue;
    for (const auto& sub : service.l7->sub_services) add_pool(sub);
  }
  rules.servers.assign(servers.begin(), servers.end());
  for (const InterfaceAddress& address : kernel_.addresses()) {
    rules.host.push_back(address.prefix.address);
  }
  for (const auto& [address, ifindex] : joined_) {
    if (!wanted.contains({address, ifindex})) {
      Check(groups_.Remove(address, ifindex));
    }
  }
  for (const auto& [address, ifindex] : wanted) {
    if (!joined_.contains({address, ifindex})) {
      Check(groups_.Add(address, ifindex));
    }
  }
  joined_ = std::move(wanted);
  for (Interface& interface : interfaces_) {
    if (interface.guard != nullptr) Check(interface.guard->Update(rules));
  }
  if (punt_ == nullptr) return;
  std::set<Address> punted;
  if (active) punted.insert(rules.floating.begin(), rules.floating.end());
  for (const Address& address : punted_) {
    if (!punted.contains(address)) Check(punt_->RemoveAddress(address));
  }
  for (const Address& address : punted) {
    if (!punted_.contains(address)) Check(punt_->AddAddress(address));
  }
  punted_ = std::move(punted);
}

absl::Status Network::SetTransparent(const config::Model& model) {
  if (replies_ != nullptr) return absl::OkStatus();
  const auto service = std::find_if(
      model.services.begin(), model.services.end(),
      [](const auto& one) { return one.l7 && one.l7->transparent; });
  if (service == model.services.end()) return absl::OkStatus();
  auto replies = TransparentReplies::Install();
  if (!replies.ok()) {
    return absl::Status(
        replies.status().code(),
        absl::StrCat("l7.transparent of ",
                     Endpoint{service->address, service->port}.ToString(), ": ",
                     replies.status().message()));
  }
  replies_ = *std::move(replies);
  return absl::OkStatus();
}

}  // namespace ballast::run
