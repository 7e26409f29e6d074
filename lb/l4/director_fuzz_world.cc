#include "lb/l4/director_fuzz_world.h"

#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "lb/l4/packet.h"

namespace ballast::l4 {
namespace {

Endpoint E(const char* text) { return *Endpoint::Parse(text); }

config::VirtualService Service(const char* endpoint, Protocol protocol,
                               const std::vector<const char*>& servers,
                               config::Forwarding forwarding) {
  config::VirtualService service;
  service.address = E(endpoint).address;
  service.port = E(endpoint).port;
  service.protocol = protocol;
  for (const char* server : servers) {
    service.servers.push_back(
        {.endpoint = E(server), .forwarding = forwarding});
  }
  return service;
}

std::shared_ptr<const config::Model> Finished(config::Model model) {
  std::set<Address> vips;
  for (const auto& service : model.services) {
    if (vips.insert(service.address).second) {
      model.floating_addresses.push_back(
          {.address = service.address, .service = true});
    }
  }
  model.floating_addresses.push_back({.address = Ip("10.0.0.254")});
  model.floating_addresses.push_back({.address = Ip("2001:db8:5::fe")});
  return std::make_shared<config::Model>(std::move(model));
}

// What operators change: servers, their state, whole services.
std::vector<std::shared_ptr<const config::Model>> MakeModels() {
  constexpr auto kNat = config::Forwarding::kNat;
  constexpr auto kRoute = config::Forwarding::kRoute;
  config::Model first;
  first.services = {
      Service("192.0.2.10:80", Protocol::kTcp,
              {"10.0.0.1:8080", "10.0.0.2:8080"}, kNat),
      Service("192.0.2.10:53", Protocol::kUdp, {"10.0.0.1:0"}, kNat),
      Service("192.0.2.11:80", Protocol::kTcp, {"10.0.0.2:80", "10.0.0.3:80"},
              kRoute),
      Service("[2001:db8:c::10]:80", Protocol::kTcp,
              {"[2001:db8:5::1]:8080", "[2001:db8:5::2]:80"}, kNat),
      Service("[2001:db8:c::10]:0", Protocol::kUdp, {"[2001:db8:5::1]:0"},
              kNat),
      Service("[2001:db8:c::11]:80", Protocol::kTcp, {"[2001:db8:5::2]:80"},
              kRoute)};
  first.services[0].persistence = {.enabled = true,
                                   .timeout = absl::Minutes(6)};
  first.services[3].schedule = config::Schedule::kSourceHash;
  // Placed by messages: both ways to return.
  const config::Persistence by_call = {.enabled = true,
                                       .mode = config::PersistenceMode::kUdpSip,
                                       .name = "Call-ID",
                                       .timeout = absl::Minutes(1)};
  first.services.push_back(Service("192.0.2.10:81", Protocol::kUdp,
                                   {"10.0.0.1:53", "10.0.0.2:8080"}, kNat));
  first.services.push_back(Service("192.0.2.11:80", Protocol::kUdp,
                                   {"10.0.0.2:80", "10.0.0.3:80"}, kRoute));
  first.services[6].persistence = first.services[7].persistence = by_call;

  config::Model second = first;
  second.drop_on_fail = true;
  second.services[0].servers.erase(second.services[0].servers.begin());
  second.services[0].schedule = config::Schedule::kLeastConnection;
  second.services[0].sorry_server = {.endpoint = E("10.0.0.3:80")};
  second.services[1].enabled = false;
  second.services[3].servers[0].state = config::AdminState::kDraining;
  second.services[3].servers[0].drain_time = absl::Seconds(2);
  second.services[3].servers[0].drop_at_drain_end = true;
  // By a message no longer, and from now on.
  second.services[6].persistence = {};
  second.services[4].persistence = by_call;
  second.services[4].servers.push_back({.endpoint = E("[2001:db8:5::2]:0")});

  config::Model third = second;
  third.services.erase(third.services.begin() + 2, third.services.end());
  third.services[1].servers[0].endpoint = E("10.0.0.2:5353");
  third.services[0].servers[0].connection_limit = 1;
  return {Finished(first), Finished(second), Finished(third),
          Finished(config::Model())};
}

// Three networks: all well; nobody answers ARP; a thin link and no punt.
std::shared_ptr<const ForwardingView> MakeView(bool neighbours, bool thin,
                                               bool up) {
  const std::vector<Port> ports = {
      {.name = "client", .mac = kOurMac},
      {.name = "server", .mac = kOurMac, .mtu = thin ? 100u : 1500u, .up = up},
      {.name = "punt",
       .mac = kOurMac,
       .mtu = 65535,
       .up = !thin,
       .host_mac = kHostMac}};
  const auto prefix = [](const char* text) { return *Prefix::Parse(text); };
  const std::vector<Route> routes = {
      {prefix("192.0.2.0/24"), kClientPort, std::nullopt, 0},
      {prefix("2001:db8:c::/64"), kClientPort, std::nullopt, 0},
      {prefix("0.0.0.0/0"), kClientPort, Ip("192.0.2.254"), 0},
      {prefix("10.0.0.0/24"), kServerPort, std::nullopt, 0},
      {prefix("2001:db8:5::/64"), kServerPort, std::nullopt, 0}};
  absl::flat_hash_map<NeighbourKey, MacAddress> known;
  if (neighbours) {
    for (const char* text : {"192.0.2.7", "192.0.2.8", "192.0.2.254",
                             "2001:db8:c::7", "2001:db8:c::8"}) {
      known[{kClientPort, Ip(text)}] = kNeighbourMac;
    }
    for (const char* text : {"10.0.0.1", "10.0.0.2", "10.0.0.3",
                             "2001:db8:5::1", "2001:db8:5::2"}) {
      known[{kServerPort, Ip(text)}] = kNeighbourMac;
    }
  }
  return std::make_shared<ForwardingView>(ports, routes, known);
}

}  // namespace

const std::vector<std::shared_ptr<const config::Model>>& Models() {
  static const auto& models = *new auto(MakeModels());
  return models;
}

const std::vector<std::shared_ptr<const ForwardingView>>& Views() {
  static const auto& views = *new std::vector{
      MakeView(true, false, true), MakeView(false, false, true),
      MakeView(true, true, true), MakeView(true, false, false)};
  return views;
}

const Ends& EndsOf(bool v6) {
  static const auto& v4_ends =
      *new Ends{{E("192.0.2.7:4000"), E("192.0.2.7:4001"), E("192.0.2.8:4000"),
                 E("198.51.100.1:4000"), E("10.0.0.1:4000")},
                {E("192.0.2.10:80"), E("192.0.2.10:53"), E("192.0.2.11:80"),
                 E("192.0.2.10:81"), E("10.0.0.254:22")},
                {E("10.0.0.1:8080"), E("10.0.0.2:8080"), E("10.0.0.1:53"),
                 E("10.0.0.3:80")}};
  static const auto& v6_ends =
      *new Ends{{E("[2001:db8:c::7]:4000"), E("[2001:db8:c::7]:4001"),
                 E("[2001:db8:c::8]:4000"), E("[2001:db8:5::1]:4000")},
                {E("[2001:db8:c::10]:80"), E("[2001:db8:c::10]:53"),
                 E("[2001:db8:c::11]:80"), E("[2001:db8:5::fe]:80")},
                {E("[2001:db8:5::1]:8080"), E("[2001:db8:5::2]:80"),
                 E("[2001:db8:5::1]:53")}};
  return v6 ? v6_ends : v4_ends;
}

Bytes ArpPacket(const Address& sender, const Address& target, bool reply) {
  Bytes arp = FromHex("0001 0800 0604 0000 02 00 00 00 01 01");
  arp[7] = reply ? 2 : 1;
  arp.insert(arp.end(), sender.wire().begin(), sender.wire().end());
  arp.resize(24);
  arp.insert(arp.end(), target.wire().begin(), target.wire().end());
  return arp;
}

// Of one of three calls, or nearly so.
Bytes SipMessage(Script& script) {
  constexpr absl::string_view kMessage =
      "BYE sip:a@b.c SIP/2.0\r\nTo: a\r\nCall-ID: 0\r\n\r\n";
  Bytes message(kMessage.begin(), kMessage.end());
  message[message.size() - 5] += script.Below(3);
  if (script.Below(4) == 0) {
    message[script.Byte() % message.size()] = script.Byte();
  }
  return message;
}

Bytes PacketBetween(Script& script, const Endpoint& from, const Endpoint& to,
                    uint32_t kind) {
  constexpr std::array<uint8_t, 10> kFlags = {
      kTcpSyn, kTcpSyn, kTcpSyn, kTcpSyn,           kTcpSyn | kTcpAck,
      kTcpAck, kTcpAck, kTcpAck, kTcpFin | kTcpAck, kTcpRst | kTcpAck};
  const bool v4 = from.address.is_v4();
  const Bytes data(script.Below(2) * 100);
  switch (kind) {
    default:
      return IpPacket(
          from.address, to.address, kProtocolTcp,
          Tcp(from, to, {.flags = script.Of(kFlags), .data = data}));
    case 6:
      return IpPacket(from.address, to.address, kProtocolUdp,
                      Udp(from, to, data));
    case 7:
    case 12:
      return IpPacket(from.address, to.address, kProtocolUdp,
                      Udp(from, to, SipMessage(script)));
    case 8: {  // A fragment, first or later.
      if (!v4) return IpPacket(from.address, to.address, 47, data);
      const bool first = script.Below(2) != 0;
      Bytes body = Udp(from, to, SipMessage(script));
      body.resize(first ? body.size() / 8 * 8 : 24);
      return Ipv4(from.address, to.address, kProtocolUdp, body,
                  {.id = static_cast<uint16_t>(script.Below(16)),
                   .fragment = static_cast<uint16_t>(first ? 0x2000 : 2)});
    }
    case 9: {  // An error of either end, or a router, about the other's.
      const Bytes quoted =
          IpPacket(to.address, from.address, kProtocolTcp, Tcp(to, from));
      const Bytes rest = Concat({{0, 0, 5, 0x14}, quoted});
      return v4 ? Ipv4(from.address, to.address, kProtocolIcmp,
                       Icmp(from.address, to.address, 3, 4, rest))
                : Ipv6(from.address, to.address, kProtocolIcmpV6,
                       Icmp(from.address, to.address, 2, 0, rest));
    }
    case 10: {
      const Bytes rest = {0, 1, 0, 2, 'x'};
      return v4 ? Ipv4(from.address, to.address, kProtocolIcmp,
                       Icmp(from.address, to.address, 8, 0, rest))
                : Ipv6(from.address, to.address, kProtocolIcmpV6,
                       Icmp(from.address, to.address, 128, 0, rest));
    }
    case 11: {  // Nearly spent.
      const Bytes body = Tcp(from, to, {.flags = kTcpSyn});
      return v4 ? Ipv4(from.address, to.address, kProtocolTcp, body, {.ttl = 1})
                : Ipv6(from.address, to.address, kProtocolTcp, body, 1);
    }
  }
}

}  // namespace ballast::l4
