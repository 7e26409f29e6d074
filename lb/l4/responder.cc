#include "lb/l4/responder.h"

#include <array>
#include <cstring>

#include "io/base/bytes.h"
#include "io/base/checksum.h"
#include "io/base/flow_key.h"

namespace ballast::l4 {
namespace {

constexpr uint32_t kArpFrameSize = kEthernetHeaderSize + 28;
constexpr uint32_t kIcmpStart = kEthernetHeaderSize + kIpv6HeaderSize;
constexpr uint16_t kArpRequest = 1;
constexpr uint16_t kArpReply = 2;
constexpr uint8_t kSolicitation = 135;
constexpr uint8_t kAdvertisement = 136;
// RFC 4861 §4.4: router, solicited, override.
constexpr uint8_t kRouterFlag = 0x80;
constexpr uint8_t kSolicitedFlag = 0x40;
constexpr uint8_t kOverrideFlag = 0x20;
// RFC 4861 §4.6.1.
constexpr uint8_t kSourceLinkAddress = 1;
constexpr uint8_t kTargetLinkAddress = 2;

constexpr Address kAllNodes =
    Address::V6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});

// RFC 4291 §2.7.1: ff02::1:ff00:0/104 and the address's last 24 bits.
Address SolicitedNode(const Address& address) {
  const auto& a = address.bytes();
  return Address::V6(
      {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a[13], a[14], a[15]});
}

// RFC 2464 §7: 33:33 and the group's last 32 bits.
MacAddress MulticastMac(const Address& group) {
  const auto& g = group.bytes();
  return {{0x33, 0x33, g[12], g[13], g[14], g[15]}};
}

MacAddress LoadMac(const uint8_t* bytes) {
  MacAddress mac;
  std::memcpy(mac.bytes.data(), bytes, 6);
  return mac;
}

bool HasRoom(const Frame& frame, uint32_t size) {
  return frame.length + frame.tailroom >= size;
}

void SetLength(Frame& frame, uint32_t length) {
  frame.tailroom = frame.tailroom + frame.length - length;
  frame.length = length;
  frame.offload = Offload();
}

void WriteEthernet(Frame& frame, const MacAddress& to, const MacAddress& from,
                   uint16_t ethertype) {
  std::memcpy(frame.data, to.bytes.data(), 6);
  std::memcpy(frame.data + 6, from.bytes.data(), 6);
  StoreBig16(frame.data + 12, ethertype);
}

struct ArpFields {
  MacAddress ethernet_destination;
  uint16_t operation;
  MacAddress sender_mac;
  Address sender;
  MacAddress target_mac;
  Address target;
};

bool WriteArp(Frame& frame, const ArpFields& fields) {
  if (!HasRoom(frame, kArpFrameSize)) return false;
  SetLength(frame, kArpFrameSize);
  WriteEthernet(frame, fields.ethernet_destination, fields.sender_mac,
                kEtherTypeArp);
  uint8_t* arp = frame.data + kEthernetHeaderSize;
  StoreBig16(arp, 1);  // Ethernet.
  StoreBig16(arp + 2, kEtherTypeIpv4);
  arp[4] = 6;
  arp[5] = 4;
  StoreBig16(arp + 6, fields.operation);
  std::memcpy(arp + 8, fields.sender_mac.bytes.data(), 6);
  StoreBig32(arp + 14, fields.sender.v4_bits());
  std::memcpy(arp + 18, fields.target_mac.bytes.data(), 6);
  StoreBig32(arp + 24, fields.target.v4_bits());
  return true;
}

struct DiscoveryFields {
  MacAddress ethernet_destination;
  Address source;
  Address destination;
  uint8_t type;
  uint8_t flags;
  Address target;
  MacAddress mac;    // The sender's.
  bool with_option;  // Its link-layer address, as the target's.
};

bool WriteDiscovery(Frame& frame, const DiscoveryFields& fields) {
  const uint32_t icmp_size = fields.with_option ? 32 : 24;
  if (!HasRoom(frame, kIcmpStart + icmp_size)) return false;
  SetLength(frame, kIcmpStart + icmp_size);
  WriteEthernet(frame, fields.ethernet_destination, fields.mac, kEtherTypeIpv6);
  uint8_t* ip = frame.data + kEthernetHeaderSize;
  uint8_t* icmp = frame.data + kIcmpStart;
  std::memset(ip, 0, kIpv6HeaderSize + icmp_size);
  ip[0] = 0x60;
  StoreBig16(ip + 4, static_cast<uint16_t>(icmp_size));
  ip[6] = kProtocolIcmpV6;
  ip[7] = 255;  // Shows that no router forwarded it.
  std::memcpy(ip + 8, fields.source.bytes().data(), 16);
  std::memcpy(ip + 24, fields.destination.bytes().data(), 16);
  icmp[0] = fields.type;
  icmp[4] = fields.flags;
  std::memcpy(icmp + 8, fields.target.bytes().data(), 16);
  if (fields.with_option) {
    icmp[24] = kTargetLinkAddress;
    icmp[25] = 1;  // In units of 8 bytes.
    std::memcpy(icmp + 26, fields.mac.bytes.data(), 6);
  }
  StoreBig16(icmp + 2,
             Checksum({icmp, icmp_size},
                      PseudoHeaderSum(fields.source, fields.destination,
                                      Protocol::kIcmpV6, icmp_size)));
  return true;
}

// The MAC address a discovery message tells, or else the one it came from.
MacAddress DiscoverySender(const Frame& frame, const Packet& packet,
                           uint8_t option) {
  // Parse() has checked that the options fit.
  for (uint32_t at = packet.l4 + 24; at + 8 <= packet.end;
       at += frame.data[at + 1] * 8) {
    const MacAddress mac = LoadMac(frame.data + at + 2);
    if (frame.data[at] == option && !mac.is_multicast()) return mac;
  }
  return LoadMac(frame.data + 6);
}

}  // namespace

std::optional<NeighbourMessage> ReadNeighbour(const Frame& frame,
                                              const Packet& packet) {
  NeighbourMessage message;
  if (packet.kind == PacketKind::kArp) {
    const uint8_t* arp = frame.data + packet.l3;
    message.sender_mac = LoadMac(arp + 8);
    const uint32_t sender = LoadBig32(arp + 14);
    const uint32_t target = LoadBig32(arp + 24);
    const bool request = LoadBig16(arp + 6) == kArpRequest;
    if (sender != 0) message.claims = Address::V4(sender);
    if (request && sender != target && target != 0) {
      message.asks_for = Address::V4(target);
      if (sender == 0) message.probes = message.asks_for;
    }
    return message;
  }
  if (packet.kind == PacketKind::kNeighbourSolicitation) {
    const Address source = SourceAddress(frame, packet);
    message.sender_mac = DiscoverySender(frame, packet, kSourceLinkAddress);
    message.asks_for = LoadAddress(frame.data + packet.l4 + 8, true);
    (source.is_unspecified() ? message.probes : message.claims) =
        source.is_unspecified() ? message.asks_for : source;
    return message;
  }
  if (packet.kind == PacketKind::kNeighbourAdvertisement) {
    message.sender_mac = DiscoverySender(frame, packet, kTargetLinkAddress);
    message.claims = LoadAddress(frame.data + packet.l4 + 8, true);
    return message;
  }
  return std::nullopt;
}

bool MakeArpReply(Frame& frame, const Packet& packet, const MacAddress& mac) {
  if (packet.kind != PacketKind::kArp) return false;
  const uint8_t* arp = frame.data + packet.l3;
  if (LoadBig16(arp + 6) != kArpRequest) return false;
  const MacAddress asker = LoadMac(arp + 8);
  return WriteArp(frame, {.ethernet_destination = asker,
                          .operation = kArpReply,
                          .sender_mac = mac,
                          .sender = Address::V4(LoadBig32(arp + 24)),
                          .target_mac = asker,
                          .target = Address::V4(LoadBig32(arp + 14))});
}

bool MakeNeighbourAdvertisement(Frame& frame, const Packet& packet,
                                const MacAddress& mac) {
  if (packet.kind != PacketKind::kNeighbourSolicitation) return false;
  const Address asker = SourceAddress(frame, packet);
  const Address target = LoadAddress(frame.data + packet.l4 + 8, true);
  // RFC 4861 §7.2.4: who has no address yet hears it as all nodes do.
  const bool solicited = !asker.is_unspecified();
  return WriteDiscovery(
      frame, {.ethernet_destination =
                  solicited ? DiscoverySender(frame, packet, kSourceLinkAddress)
                            : MulticastMac(kAllNodes),
              .source = target,
              .destination = solicited ? asker : kAllNodes,
              .type = kAdvertisement,
              .flags = static_cast<uint8_t>(kRouterFlag | kOverrideFlag |
                                            (solicited ? kSolicitedFlag : 0)),
              .target = target,
              .mac = mac,
              .with_option = true});
}

bool BuildProbe(Frame& frame, const Address& address, const MacAddress& mac) {
  if (address.is_v4()) {
    // RFC 5227 §2.1.1: sender address and target MAC all zero.
    return WriteArp(frame, {.ethernet_destination = MacAddress::Broadcast(),
                            .operation = kArpRequest,
                            .sender_mac = mac,
                            .sender = Address::V4(0),
                            .target_mac = MacAddress(),
                            .target = address});
  }
  const Address group = SolicitedNode(address);
  return WriteDiscovery(frame, {.ethernet_destination = MulticastMac(group),
                                .source = Address(),
                                .destination = group,
                                .type = kSolicitation,
                                .flags = 0,
                                .target = address,
                                .mac = mac,
                                .with_option = false});
}

bool BuildAnnouncement(Frame& frame, const Address& address,
                       const MacAddress& mac, ArpForm form) {
  if (address.is_v4()) {
    const bool reply = form == ArpForm::kReply;
    return WriteArp(frame, {.ethernet_destination = MacAddress::Broadcast(),
                            .operation = reply ? kArpReply : kArpRequest,
                            .sender_mac = mac,
                            .sender = address,
                            .target_mac = reply ? mac : MacAddress(),
                            .target = address});
  }
  return WriteDiscovery(frame, {.ethernet_destination = MulticastMac(kAllNodes),
                                .source = address,
                                .destination = kAllNodes,
                                .type = kAdvertisement,
                                .flags = kRouterFlag | kOverrideFlag,
                                .target = address,
                                .mac = mac,
                                .with_option = true});
}

}  // namespace ballast::l4
