// rtnetlink messages decoded into values: links, addresses, routes, rules
// and neighbours, from dumps and from events alike. Pure: bytes in, values out.
//
// What this program has no use for decodes to nullopt: other families (bridge
// ports, multicast routes), cached routes, messages without their key.
// Source  rtnetlink(7), Linux
// include/uapi/linux/{rtnetlink,if_link,neighbour}.h
#ifndef IO_NETLINK_DECODE_H_
#define IO_NETLINK_DECODE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "io/base/address.h"
#include "io/netlink_wire.h"

namespace ballast {

struct LinkInfo {
  int index = 0;
  std::string name{};
  std::string kind{};    // "veth", "macvlan", "bridge", ...; "" for a card.
  bool up = false;       // Set up by the administrator.
  bool running = false;  // And it has a carrier: frames pass.
  bool loopback = false;
  bool has_arp = false;  // Neighbours are resolved on it (not IFF_NOARP).
  uint32_t mtu = 0;
  int lower_index = 0;   // What it sits on (macvlan), or its peer (veth).
  int master_index = 0;  // Its bridge or bond; 0 when none.
  std::optional<MacAddress> mac{};  // Of Ethernet-like links.
  friend bool operator==(const LinkInfo&, const LinkInfo&) = default;
};

struct InterfaceAddress {
  int ifindex = 0;
  Prefix prefix;  // The interface's own address with its network's length.
  bool tentative = false;  // Duplicate detection still runs, or has failed.
  friend bool operator==(const InterfaceAddress&,
                         const InterfaceAddress&) = default;
};

struct RouteHop {
  int ifindex = 0;
  std::optional<Address> gateway{};  // None: the destination is on the link.
  uint32_t weight = 1;
  bool dead = false;  // The kernel does not use it: its link is down.
  friend bool operator==(const RouteHop&, const RouteHop&) = default;
};

struct RouteInfo {
  // What becomes of a packet. kLocal, kBroadcast and the like are kOther.
  enum class Type : uint8_t { kUnicast, kUnreachable, kOther };

  Prefix destination;     // Length 0: the default route of its family.
  uint32_t table = 0;     // 254 is main.
  uint32_t priority = 0;  // Lower wins among equal prefixes ("metric").
  uint8_t protocol = 0;   // Who made it: RTPROT_STATIC and so on.
  Type type = Type::kUnicast;
  bool has_tos = false;  // Holds for one type of service only.
  std::optional<Address> preferred_source{};
  uint32_t mtu = 0;              // 0: the link's.
  std::vector<RouteHop> hops{};  // Empty unless kUnicast.
  friend bool operator==(const RouteInfo&, const RouteInfo&) = default;
};

struct NeighbourInfo {
  // kUsable: the address is known, whether fresh or due for confirmation.
  enum class State : uint8_t { kIncomplete, kUsable, kFailed };

  int ifindex = 0;
  Address address;
  State state = State::kIncomplete;
  uint16_t kernel_state = 0;  // NUD_REACHABLE, NUD_STALE, ...
  bool managed = false;       // The kernel keeps it resolved.
  std::optional<MacAddress> mac{};
  friend bool operator==(const NeighbourInfo&, const NeighbourInfo&) = default;
};

// A policy rule that sends packets to a table.
struct RuleInfo {
  Prefix source;  // Length 0: any.
  uint32_t table = 0;
  uint32_t priority = 0;           // Lower numbers are asked first.
  std::optional<uint32_t> mark{};  // Only packets that carry this one.
  friend auto operator<=>(const RuleInfo&, const RuleInfo&) = default;
};

struct NetlinkEvent {
  bool removed = false;
  std::variant<LinkInfo, InterfaceAddress, RouteInfo, NeighbourInfo, RuleInfo>
      what;
};

std::optional<NetlinkEvent> DecodeNetlinkEvent(const NetlinkMessage& message);

}  // namespace ballast

#endif  // IO_NETLINK_DECODE_H_
