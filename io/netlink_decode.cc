#include "io/netlink_decode.h"

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace ballast {
namespace {

using Bytes = std::span<const uint8_t>;

std::optional<MacAddress> ToMac(Bytes bytes) {
  MacAddress mac;
  if (bytes.size() != mac.bytes.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), mac.bytes.begin());
  return mac;
}

// An address of the given family; an IPv4-mapped IPv6 one never occurs on an
// interface and would read as IPv4, so it is refused.
std::optional<Address> ToAddress(int family, Bytes bytes) {
  if (bytes.size() != (family == AF_INET ? 4u : 16u)) return std::nullopt;
  const Address address = Address::FromBytes(bytes);
  if (address.is_v4() != (family == AF_INET)) return std::nullopt;
  return address;
}

bool IsIp(int family) { return family == AF_INET || family == AF_INET6; }

std::optional<LinkInfo> DecodeLink(Bytes bytes) {
  const auto header = TakeNetlinkStruct<ifinfomsg>(bytes);
  // AF_BRIDGE messages tell of a bridge's port, not of the link.
  if (!header || header->ifi_family != AF_UNSPEC) return std::nullopt;
  LinkInfo link;
  link.index = header->ifi_index;
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.running = link.up && (header->ifi_flags & IFF_LOWER_UP) != 0;
  link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  link.has_arp = (header->ifi_flags & (IFF_NOARP | IFF_LOOPBACK)) == 0;
  while (const auto attribute = NextNetlinkAttribute(bytes)) {
    switch (attribute->type) {
      case IFLA_IFNAME:
        link.name = std::string(attribute->AsString());
        break;
      case IFLA_MTU:
        link.mtu = attribute->As<uint32_t>().value_or(0);
        break;
      case IFLA_LINK:
        link.lower_index = attribute->As<int32_t>().value_or(0);
        break;
      case IFLA_MASTER:
        link.master_index = attribute->As<int32_t>().value_or(0);
        break;
      case IFLA_ADDRESS:
        link.mac = ToMac(attribute->value);
        break;
      case IFLA_LINKINFO: {
        Bytes nested = attribute->value;
        while (const auto inner = NextNetlinkAttribute(nested)) {
          if (inner->type == IFLA_INFO_KIND) {
            link.kind = std::string(inner->AsString());
          }
        }
        break;
      }
    }
  }
  if (link.index <= 0 || link.name.empty()) return std::nullopt;
  return link;
}

std::optional<InterfaceAddress> DecodeAddress(Bytes bytes) {
  const auto header = TakeNetlinkStruct<ifaddrmsg>(bytes);
  if (!header || !IsIp(header->ifa_family)) return std::nullopt;
  uint32_t flags = header->ifa_flags;
  std::optional<Address> address;
  std::optional<Address> local;
  while (const auto attribute = NextNetlinkAttribute(bytes)) {
    switch (attribute->type) {
      case IFA_ADDRESS:
        address = ToAddress(header->ifa_family, attribute->value);
        break;
      case IFA_LOCAL:
        local = ToAddress(header->ifa_family, attribute->value);
        break;
      case IFA_FLAGS:
        flags = attribute->As<uint32_t>().value_or(flags);
        break;
    }
  }
  // On point-to-point links IFA_ADDRESS is the other end's.
  if (local) address = local;
  InterfaceAddress result;
  result.ifindex = static_cast<int>(header->ifa_index);
  if (!address || result.ifindex <= 0) return std::nullopt;
  if (header->ifa_prefixlen > (address->is_v4() ? 32 : 128)) {
    return std::nullopt;
  }
  result.prefix = {*address, header->ifa_prefixlen};
  result.tentative = (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0;
  return result;
}

// RTA_VIA: a gateway of the other family, behind a 16-bit family.
std::optional<Address> ToVia(Bytes bytes) {
  uint16_t family;
  if (bytes.size() < sizeof(family)) return std::nullopt;
  std::memcpy(&family, bytes.data(), sizeof(family));
  if (!IsIp(family)) return std::nullopt;
  return ToAddress(family, bytes.subspan(sizeof(family)));
}

// struct rtnexthop, then attributes, one after another; at most as many as
// their bytes hold.
std::vector<RouteHop> DecodeHops(int family, Bytes bytes) {
  std::vector<RouteHop> hops;
  while (bytes.size() >= sizeof(rtnexthop)) {
    rtnexthop header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    const size_t length = header.rtnh_len;
    if (length < sizeof(header) || length > bytes.size()) break;
    RouteHop hop;
    hop.ifindex = header.rtnh_ifindex;
    hop.weight = header.rtnh_hops + 1u;
    hop.dead = (header.rtnh_flags & RTNH_F_DEAD) != 0;
    Bytes nested = bytes.subspan(sizeof(header), length - sizeof(header));
    while (const auto attribute = NextNetlinkAttribute(nested)) {
      if (attribute->type == RTA_GATEWAY) {
        hop.gateway = ToAddress(family, attribute->value);
      } else if (attribute->type == RTA_VIA) {
        hop.gateway = ToVia(attribute->value);
      }
    }
    if (hop.ifindex > 0) hops.push_back(hop);
    bytes = bytes.subspan(std::min<size_t>(RTNH_ALIGN(length), bytes.size()));
  }
  return hops;
}

uint32_t DecodeRouteMtu(Bytes bytes) {
  uint32_t mtu = 0;
  while (const auto attribute = NextNetlinkAttribute(bytes)) {
    if (attribute->type == RTAX_MTU) {
      mtu = attribute->As<uint32_t>().value_or(0);
    }
  }
  return mtu;
}

RouteInfo::Type ToRouteType(uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return RouteInfo::Type::kUnicast;
    case RTN_BLACKHOLE:
    case RTN_UNREACHABLE:
    case RTN_PROHIBIT:
    case RTN_THROW:
      return RouteInfo::Type::kUnreachable;
    default:
      return RouteInfo::Type::kOther;
  }
}

std::optional<RouteInfo> DecodeRoute(Bytes bytes) {
  const auto header = TakeNetlinkStruct<rtmsg>(bytes);
  if (!header || !IsIp(header->rtm_family)) return std::nullopt;
  if ((header->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
  const int family = header->rtm_family;
  if (header->rtm_dst_len > (family == AF_INET ? 32 : 128)) {
    return std::nullopt;
  }
  RouteInfo route;
  route.destination.address = family == AF_INET ? Address::V4(0) : Address();
  route.destination.length = header->rtm_dst_len;
  route.table = header->rtm_table;
  route.protocol = header->rtm_protocol;
  route.type = ToRouteType(header->rtm_type);
  route.has_tos = header->rtm_tos != 0 || header->rtm_src_len != 0;
  RouteHop only;
  only.dead = (header->rtm_flags & RTNH_F_DEAD) != 0;
  while (const auto attribute = NextNetlinkAttribute(bytes)) {
    switch (attribute->type) {
      case RTA_DST: {
        const auto address = ToAddress(family, attribute->value);
        if (!address) return std::nullopt;
        route.destination.address = *address;
        break;
      }
      case RTA_TABLE:
        route.table = attribute->As<uint32_t>().value_or(route.table);
        break;
      case RTA_PRIORITY:
        route.priority = attribute->As<uint32_t>().value_or(0);
        break;
      case RTA_PREFSRC:
        route.preferred_source = ToAddress(family, attribute->value);
        break;
      case RTA_OIF:
        only.ifindex = attribute->As<int32_t>().value_or(0);
        break;
      case RTA_GATEWAY:
        only.gateway = ToAddress(family, attribute->value);
        break;
      case RTA_VIA:
        only.gateway = ToVia(attribute->value);
        break;
      case RTA_METRICS:
        route.mtu = DecodeRouteMtu(attribute->value);
        break;
      case RTA_MULTIPATH:
        route.hops = DecodeHops(family, attribute->value);
        break;
    }
  }
  if (route.hops.empty() && only.ifindex > 0) route.hops.push_back(only);
  if (route.type != RouteInfo::Type::kUnicast) route.hops.clear();
  return route;
}

std::optional<NeighbourInfo> DecodeNeighbour(Bytes bytes) {
  const auto header = TakeNetlinkStruct<ndmsg>(bytes);
  if (!header || !IsIp(header->ndm_family)) return std::nullopt;
  NeighbourInfo neighbour;
  neighbour.ifindex = header->ndm_ifindex;
  neighbour.kernel_state = header->ndm_state;
  std::optional<Address> address;
  while (const auto attribute = NextNetlinkAttribute(bytes)) {
    switch (attribute->type) {
      case NDA_DST:
        address = ToAddress(header->ndm_family, attribute->value);
        break;
      case NDA_LLADDR:
        neighbour.mac = ToMac(attribute->value);
        break;
      case NDA_FLAGS_EXT:
        neighbour.managed =
            (attribute->As<uint32_t>().value_or(0) & NTF_EXT_MANAGED) != 0;
        break;
    }
  }
  if (!address || neighbour.ifindex <= 0) return std::nullopt;
  neighbour.address = *address;
  constexpr uint16_t kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY |
                               NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
  if ((header->ndm_state & NUD_FAILED) != 0) {
    neighbour.state = NeighbourInfo::State::kFailed;
  } else if ((header->ndm_state & kUsable) != 0 && neighbour.mac) {
    neighbour.state = NeighbourInfo::State::kUsable;
  }
  // An entry being resolved shows a MAC of zeros or the last one known.
  if (neighbour.state != NeighbourInfo::State::kUsable) neighbour.mac.reset();
  return neighbour;
}

std::optional<RuleInfo> DecodeRule(Bytes bytes) {
  const auto header = TakeNetlinkStruct<fib_rule_hdr>(bytes);
  if (!header || !IsIp(header->family)) return std::nullopt;
  if (header->action != FR_ACT_TO_TBL) return std::nullopt;
  const int family = header->family;
  if (header->src_len > (family == AF_INET ? 32 : 128)) return std::nullopt;
  RuleInfo rule;
  rule.source.address = family == AF_INET ? Address::V4(0) : Address();
  rule.source.length = header->src_len;
  rule.table = header->table;
  while (const auto attribute = NextNetlinkAttribute(bytes)) {
    switch (attribute->type) {
      case FRA_SRC: {
        const auto address = ToAddress(family, attribute->value);
        if (!address) return std::nullopt;
        rule.source.address = *address;
        break;
      }
      case FRA_TABLE:
        rule.table = attribute->As<uint32_t>().value_or(rule.table);
        break;
      case FRA_PRIORITY:
        rule.priority = attribute->As<uint32_t>().value_or(0);
        break;
      case FRA_FWMARK:
        rule.mark = attribute->As<uint32_t>();
        break;
    }
  }
  return rule;
}

template <typename T>
std::optional<NetlinkEvent> ToEvent(bool removed, std::optional<T> value) {
  if (!value) return std::nullopt;
  return NetlinkEvent{removed, *std::move(value)};
}

}  // namespace

std::optional<NetlinkEvent> DecodeNetlinkEvent(const NetlinkMessage& message) {
  switch (message.header.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return ToEvent(message.header.nlmsg_type == RTM_DELLINK,
                     DecodeLink(message.payload));
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return ToEvent(message.header.nlmsg_type == RTM_DELADDR,
                     DecodeAddress(message.payload));
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return ToEvent(message.header.nlmsg_type == RTM_DELROUTE,
                     DecodeRoute(message.payload));
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return ToEvent(message.header.nlmsg_type == RTM_DELNEIGH,
                     DecodeNeighbour(message.payload));
    case RTM_NEWRULE:
    case RTM_DELRULE:
      return ToEvent(message.header.nlmsg_type == RTM_DELRULE,
                     DecodeRule(message.payload));
    default:
      return std::nullopt;
  }
}

}  // namespace ballast
