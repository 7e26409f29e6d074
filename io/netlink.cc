#include "io/netlink.h"

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

constexpr uint16_t kCreate = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
constexpr uint16_t kReplace = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;

uint8_t FamilyOf(const Address& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

ifinfomsg LinkHeader(int ifindex) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = ifindex;
  return header;
}

void AppendVethEnd(NetlinkBuilder& builder, const Netlink::VethEnd& end) {
  builder.String(IFLA_IFNAME, end.name);
  if (end.mac) builder.Bytes(IFLA_ADDRESS, end.mac->bytes);
}

NetlinkBuilder AddressRequest(uint16_t type, uint16_t flags, int ifindex,
                              const Prefix& prefix,
                              uint32_t flags_of_v6 = IFA_F_NODAD) {
  ifaddrmsg header{};
  header.ifa_family = FamilyOf(prefix.address);
  header.ifa_prefixlen = prefix.length;
  header.ifa_index = static_cast<uint32_t>(ifindex);
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  NetlinkBuilder builder(type, flags);
  builder.Struct(header)
      .Bytes(IFA_LOCAL, prefix.address.wire())
      .Bytes(IFA_ADDRESS, prefix.address.wire());
  if (!prefix.address.is_v4() && type == RTM_NEWADDR) {
    builder.Value(IFA_FLAGS, flags_of_v6);
  }
  return builder;
}

// The prefix with its host bits cleared: the kernel refuses others.
Prefix NetworkOf(const Prefix& prefix) {
  std::vector<uint8_t> bytes(prefix.address.wire().begin(),
                             prefix.address.wire().end());
  for (size_t bit = prefix.length; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] &= static_cast<uint8_t>(~(0x80u >> (bit % 8)));
  }
  return {Address::FromBytes(bytes), prefix.length};
}

NetlinkBuilder RouteRequest(uint16_t type, uint16_t flags,
                            const Netlink::Route& route) {
  const Prefix network = NetworkOf(route.destination);
  rtmsg header{};
  header.rtm_family = FamilyOf(network.address);
  header.rtm_dst_len = network.length;
  header.rtm_table = RT_TABLE_UNSPEC;  // RTA_TABLE says it in 32 bits.
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope =
      route.gateway || header.rtm_family == AF_INET6 || type == RTM_DELROUTE
          ? RT_SCOPE_UNIVERSE
          : RT_SCOPE_LINK;
  if (route.local) header.rtm_scope = RT_SCOPE_HOST;
  if (type == RTM_DELROUTE) header.rtm_scope = RT_SCOPE_NOWHERE;
  header.rtm_type = route.local ? RTN_LOCAL : RTN_UNICAST;
  if (route.on_link) header.rtm_flags = RTNH_F_ONLINK;
  NetlinkBuilder builder(type, flags);
  builder.Struct(header).Value(RTA_TABLE, route.table);
  if (network.length > 0) builder.Bytes(RTA_DST, network.address.wire());
  if (route.ifindex > 0) builder.Value(RTA_OIF, int32_t{route.ifindex});
  if (route.priority > 0) builder.Value(RTA_PRIORITY, route.priority);
  if (route.gateway) {
    const Address& gateway = *route.gateway;
    if (gateway.is_v4() == network.address.is_v4()) {
      builder.Bytes(RTA_GATEWAY, gateway.wire());
    } else {
      std::vector<uint8_t> via(sizeof(uint16_t));
      const uint16_t family = FamilyOf(gateway);
      std::memcpy(via.data(), &family, sizeof(family));
      via.insert(via.end(), gateway.wire().begin(), gateway.wire().end());
      builder.Bytes(RTA_VIA, via);
    }
  }
  if (route.preferred_source) {
    builder.Bytes(RTA_PREFSRC, route.preferred_source->wire());
  }
  if (route.mtu > 0) {
    builder.Nest(RTA_METRICS).Value(RTAX_MTU, route.mtu).End();
  }
  return builder;
}

std::string RouteText(const Netlink::Route& route) {
  std::string text = route.destination.ToString();
  if (route.gateway) absl::StrAppend(&text, " via ", route.gateway->ToString());
  absl::StrAppend(&text, " on interface ", route.ifindex, " table ",
                  route.table);
  return text;
}

NetlinkBuilder RuleRequest(uint16_t type, uint16_t flags,
                           const RuleInfo& rule) {
  const Prefix network = NetworkOf(rule.source);
  fib_rule_hdr header{};
  header.family = FamilyOf(network.address);
  header.src_len = network.length;
  header.table = RT_TABLE_UNSPEC;
  header.action = FR_ACT_TO_TBL;
  NetlinkBuilder builder(type, flags);
  builder.Struct(header)
      .Value(FRA_TABLE, rule.table)
      .Value(FRA_PRIORITY, rule.priority);
  if (network.length > 0) builder.Bytes(FRA_SRC, network.address.wire());
  if (rule.mark) builder.Value(FRA_FWMARK, *rule.mark);
  return builder;
}

std::string RuleText(const RuleInfo& rule) {
  return absl::StrCat("from ", rule.source.ToString(), " table ", rule.table,
                      " priority ", rule.priority);
}

NetlinkBuilder NeighbourRequest(uint16_t type, uint16_t flags, int ifindex,
                                const Address& address, uint16_t state,
                                uint8_t neighbour_flags) {
  ndmsg header{};
  header.ndm_family = FamilyOf(address);
  header.ndm_ifindex = ifindex;
  header.ndm_state = state;
  header.ndm_flags = neighbour_flags;
  NetlinkBuilder builder(type, flags);
  builder.Struct(header).Bytes(NDA_DST, address.wire());
  return builder;
}

std::string NeighbourText(int ifindex, const Address& address) {
  return absl::StrCat("neighbour ", address.ToString(), " on interface ",
                      ifindex);
}

}  // namespace

absl::StatusOr<Netlink> Netlink::Open() {
  BALLAST_ASSIGN_OR_RETURN(NetlinkSocket socket,
                           NetlinkSocket::Open(NETLINK_ROUTE));
  return Netlink(std::move(socket));
}

// ---- What is there ---------------------------------------------------------

absl::Status Netlink::Dump(
    const std::vector<NetlinkBuilder>& requests, absl::string_view what,
    absl::FunctionRef<void()> restart,
    absl::FunctionRef<void(const NetlinkMessage&)> visit) {
  // A list that keeps changing is read again, a few times.
  constexpr int kAttemptsMax = 10;
  absl::Status status;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    restart();
    for (const NetlinkBuilder& request : requests) {
      status = socket_.Query(request, what, visit);
      if (!status.ok()) break;
    }
    if (!absl::IsAborted(status)) return status;
  }
  return status;
}

template <typename T>
absl::StatusOr<std::vector<T>> Netlink::DumpOf(
    const std::vector<NetlinkBuilder>& requests, absl::string_view what) {
  std::vector<T> found;
  BALLAST_RETURN_IF_ERROR(Dump(
      requests, what, [&] { found.clear(); },
      [&](const NetlinkMessage& message) {
        auto event = DecodeNetlinkEvent(message);
        if (!event) return;
        if (auto* value = std::get_if<T>(&event->what)) {
          found.push_back(std::move(*value));
        }
      }));
  return found;
}

absl::StatusOr<std::vector<LinkInfo>> Netlink::Links() {
  NetlinkBuilder request(RTM_GETLINK, NLM_F_DUMP);
  request.Struct(LinkHeader(0));
  return DumpOf<LinkInfo>({request}, "list links");
}

absl::StatusOr<LinkInfo> Netlink::Link(absl::string_view name) {
  NetlinkBuilder request(RTM_GETLINK, 0);
  request.Struct(LinkHeader(0)).String(IFLA_IFNAME, name);
  const std::string what = absl::StrCat("link '", name, "'");
  BALLAST_ASSIGN_OR_RETURN(const std::vector<LinkInfo> found,
                           DumpOf<LinkInfo>({request}, what));
  if (found.size() != 1) return absl::NotFoundError(what + ": no answer");
  return found.front();
}

absl::StatusOr<std::vector<InterfaceAddress>> Netlink::Addresses() {
  NetlinkBuilder request(RTM_GETADDR, NLM_F_DUMP);
  request.Struct(ifaddrmsg{});
  return DumpOf<InterfaceAddress>({request}, "list addresses");
}

absl::StatusOr<std::vector<RouteInfo>> Netlink::Routes(uint32_t table,
                                                       size_t count_max) {
  std::vector<NetlinkBuilder> requests;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    rtmsg header{};
    header.rtm_family = family;
    requests.emplace_back(RTM_GETROUTE, NLM_F_DUMP);
    requests.back().Struct(header).Value(RTA_TABLE, table);
  }
  std::vector<RouteInfo> found;
  size_t count = 0;
  const absl::Status status = Dump(
      requests, absl::StrCat("list routes of table ", table),
      [&] {
        found.clear();
        count = 0;
      },
      [&](const NetlinkMessage& message) {
        auto event = DecodeNetlinkEvent(message);
        if (!event) return;
        auto* route = std::get_if<RouteInfo>(&event->what);
        // Kernels without strict dumps list every table.
        if (route == nullptr || route->table != table) return;
        if (++count <= count_max) found.push_back(std::move(*route));
      });
  // The kernel calls a table nobody has used yet missing; it is empty.
  if (absl::IsNotFound(status)) return found;
  BALLAST_RETURN_IF_ERROR(status);
  if (count > count_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("routes of table ", table, ": ", count,
                     " routes, must be at most ", count_max));
  }
  return found;
}

absl::StatusOr<std::vector<NeighbourInfo>> Netlink::Neighbours() {
  NetlinkBuilder request(RTM_GETNEIGH, NLM_F_DUMP);
  request.Struct(ndmsg{});
  return DumpOf<NeighbourInfo>({request}, "list neighbours");
}

// ---- Links -----------------------------------------------------------------

absl::Status Netlink::AddVeth(const VethEnd& one, const VethEnd& other) {
  NetlinkBuilder request(RTM_NEWLINK, kCreate);
  request.Struct(LinkHeader(0));
  AppendVethEnd(request, one);
  request.Nest(IFLA_LINKINFO).String(IFLA_INFO_KIND, "veth");
  request.Nest(IFLA_INFO_DATA).Nest(VETH_INFO_PEER).Struct(LinkHeader(0));
  AppendVethEnd(request, other);
  request.End().End().End();
  return socket_.Request(
      std::move(request),
      absl::StrCat("add veth pair ", one.name, ", ", other.name));
}

absl::Status Netlink::AddMacvlan(absl::string_view name, int lower_index) {
  NetlinkBuilder request(RTM_NEWLINK, kCreate);
  request.Struct(LinkHeader(0))
      .String(IFLA_IFNAME, name)
      .Value(IFLA_LINK, int32_t{lower_index})
      .Nest(IFLA_LINKINFO)
      .String(IFLA_INFO_KIND, "macvlan")
      .Nest(IFLA_INFO_DATA)
      .Value(IFLA_MACVLAN_MODE, uint32_t{MACVLAN_MODE_BRIDGE})
      .End()
      .End();
  return socket_.Request(std::move(request),
                         absl::StrCat("add macvlan ", name));
}

absl::Status Netlink::DeleteLink(int ifindex) {
  NetlinkBuilder request(RTM_DELLINK, NLM_F_ACK);
  request.Struct(LinkHeader(ifindex));
  return socket_.Request(std::move(request),
                         absl::StrCat("delete link ", ifindex));
}

absl::Status Netlink::SetLinkUp(int ifindex, bool up) {
  ifinfomsg header = LinkHeader(ifindex);
  header.ifi_change = IFF_UP;
  header.ifi_flags = up ? IFF_UP : 0;
  NetlinkBuilder request(RTM_NEWLINK, NLM_F_ACK);
  request.Struct(header);
  return socket_.Request(
      std::move(request),
      absl::StrCat("set link ", ifindex, up ? " up" : " down"));
}

absl::Status Netlink::SetLinkMac(int ifindex, const MacAddress& mac) {
  NetlinkBuilder request(RTM_NEWLINK, NLM_F_ACK);
  request.Struct(LinkHeader(ifindex)).Bytes(IFLA_ADDRESS, mac.bytes);
  return socket_.Request(
      std::move(request),
      absl::StrCat("set MAC of link ", ifindex, " to ", mac.ToString()));
}

absl::Status Netlink::SetLinkMtu(int ifindex, uint32_t mtu) {
  NetlinkBuilder request(RTM_NEWLINK, NLM_F_ACK);
  request.Struct(LinkHeader(ifindex)).Value(IFLA_MTU, mtu);
  return socket_.Request(
      std::move(request),
      absl::StrCat("set MTU of link ", ifindex, " to ", mtu));
}

absl::Status Netlink::MoveLink(int ifindex, int namespace_fd) {
  NetlinkBuilder request(RTM_NEWLINK, NLM_F_ACK);
  request.Struct(LinkHeader(ifindex))
      .Value(IFLA_NET_NS_FD, int32_t{namespace_fd});
  return socket_.Request(
      std::move(request),
      absl::StrCat("move link ", ifindex, " to another namespace"));
}

// ---- Addresses, routes, rules ----------------------------------------------

absl::Status Netlink::AddAddress(int ifindex, const Prefix& prefix) {
  return socket_.Request(AddressRequest(RTM_NEWADDR, kCreate, ifindex, prefix),
                         absl::StrCat("add address ", prefix.ToString(),
                                      " to interface ", ifindex));
}

absl::Status Netlink::AddFloatingAddress(int ifindex, const Address& address) {
  const Prefix host{address, static_cast<uint8_t>(address.is_v4() ? 32 : 128)};
  NetlinkBuilder request = AddressRequest(RTM_NEWADDR, kCreate, ifindex, host,
                                          IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
  // Valid for ever, preferred never: "deprecated" (RFC 6724, rule 3).
  ifa_cacheinfo lifetime{};
  lifetime.ifa_valid = UINT32_MAX;
  if (!address.is_v4()) request.Value(IFA_CACHEINFO, lifetime);
  return socket_.Request(
      std::move(request),
      absl::StrCat("add address ", host.ToString(), " to interface ", ifindex));
}

absl::Status Netlink::DeleteAddress(int ifindex, const Prefix& prefix) {
  return socket_.Request(
      AddressRequest(RTM_DELADDR, NLM_F_ACK, ifindex, prefix),
      absl::StrCat("delete address ", prefix.ToString(), " from interface ",
                   ifindex));
}

absl::Status Netlink::SetRoute(const Route& route) {
  return socket_.Request(RouteRequest(RTM_NEWROUTE, kReplace, route),
                         absl::StrCat("set route ", RouteText(route)));
}

absl::Status Netlink::DeleteRoute(const Route& route) {
  return socket_.Request(RouteRequest(RTM_DELROUTE, NLM_F_ACK, route),
                         absl::StrCat("delete route ", RouteText(route)));
}

absl::Status Netlink::AddRule(const RuleInfo& rule) {
  return socket_.Request(RuleRequest(RTM_NEWRULE, kCreate, rule),
                         absl::StrCat("add rule ", RuleText(rule)));
}

absl::Status Netlink::DeleteRule(const RuleInfo& rule) {
  return socket_.Request(RuleRequest(RTM_DELRULE, NLM_F_ACK, rule),
                         absl::StrCat("delete rule ", RuleText(rule)));
}

absl::StatusOr<std::vector<RuleInfo>> Netlink::Rules(uint32_t table) {
  std::vector<NetlinkBuilder> requests;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    fib_rule_hdr header{};
    header.family = family;
    requests.emplace_back(RTM_GETRULE, NLM_F_DUMP);
    requests.back().Struct(header);
  }
  BALLAST_ASSIGN_OR_RETURN(std::vector<RuleInfo> rules,
                           DumpOf<RuleInfo>(requests, "list rules"));
  std::erase_if(rules, [table](const RuleInfo& rule) {
    return rule.table != table || (rule.source.length == 0 && !rule.mark);
  });
  return rules;
}

// ---- Neighbours
// --------------------------------------------------------------

absl::Status Netlink::SetPermanentNeighbour(int ifindex, const Address& address,
                                            const MacAddress& mac) {
  NetlinkBuilder request = NeighbourRequest(RTM_NEWNEIGH, kReplace, ifindex,
                                            address, NUD_PERMANENT, 0);
  request.Bytes(NDA_LLADDR, mac.bytes);
  return socket_.Request(
      std::move(request),
      absl::StrCat("set permanent ", NeighbourText(ifindex, address)));
}

absl::StatusOr<Netlink::Keeper> Netlink::AddManagedNeighbour(
    int ifindex, const Address& address) {
  const std::string what =
      absl::StrCat("add managed ", NeighbourText(ifindex, address));
  NetlinkBuilder request =
      NeighbourRequest(RTM_NEWNEIGH, kReplace, ifindex, address, NUD_NONE, 0);
  request.Value(NDA_FLAGS_EXT, uint32_t{NTF_EXT_MANAGED});
  BALLAST_RETURN_IF_ERROR(socket_.Request(std::move(request), what));
  // A kernel that does not know the flag ignores it without a word.
  BALLAST_ASSIGN_OR_RETURN(const NeighbourInfo made,
                           GetNeighbour(ifindex, address));
  if (made.managed) return Keeper::kKernel;
  BALLAST_RETURN_IF_ERROR(UseNeighbour(ifindex, address));
  return Keeper::kCaller;
}

absl::StatusOr<NeighbourInfo> Netlink::GetNeighbour(int ifindex,
                                                    const Address& address) {
  const std::string what =
      absl::StrCat("get ", NeighbourText(ifindex, address));
  BALLAST_ASSIGN_OR_RETURN(
      const std::vector<NeighbourInfo> found,
      DumpOf<NeighbourInfo>(
          {NeighbourRequest(RTM_GETNEIGH, 0, ifindex, address, 0, 0)}, what));
  if (found.size() != 1) return absl::NotFoundError(what + ": no answer");
  return found.front();
}

absl::Status Netlink::UseNeighbour(int ifindex, const Address& address) {
  return socket_.Request(NeighbourRequest(RTM_NEWNEIGH, kReplace, ifindex,
                                          address, NUD_NONE, NTF_USE),
                         absl::StrCat("use ", NeighbourText(ifindex, address)));
}

absl::Status Netlink::DeleteNeighbour(int ifindex, const Address& address) {
  return socket_.Request(
      NeighbourRequest(RTM_DELNEIGH, NLM_F_ACK, ifindex, address, 0, 0),
      absl::StrCat("delete ", NeighbourText(ifindex, address)));
}

}  // namespace ballast
