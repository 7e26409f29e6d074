#include "lb/l4/packet.h"

#include <cstring>

#include "io/base/bytes.h"
#include "io/base/checksum.h"
#include "lb/l4/packet_internal.h"

namespace ballast::l4 {
namespace {

using packet_internal::Chain;
using packet_internal::kHopByHop;
using packet_internal::NotePartialChecksum;
using packet_internal::ParseIcmp;
using packet_internal::ParseIcmpV6;
using packet_internal::WalkExtensionHeaders;

// The flag combinations (PSH, ECE and CWR aside) that a TCP may send: SYN,
// SYN|URG, SYN|ACK, RST, RST|ACK, FIN|ACK, FIN|ACK|URG, ACK, ACK|URG. Source:
// Linux nf_conntrack_proto_tcp.c, tcp_valid_flags. One bit for each.
constexpr uint64_t Bit(unsigned flags) { return uint64_t{1} << flags; }
constexpr uint64_t kTcpFlagsValid =
    Bit(kTcpSyn) | Bit(kTcpSyn | kTcpUrg) | Bit(kTcpSyn | kTcpAck) |
    Bit(kTcpRst) | Bit(kTcpRst | kTcpAck) | Bit(kTcpFin | kTcpAck) |
    Bit(kTcpFin | kTcpAck | kTcpUrg) | Bit(kTcpAck) | Bit(kTcpAck | kTcpUrg);
constexpr uint8_t kTcpFlagsChecked =
    kTcpFin | kTcpSyn | kTcpRst | kTcpAck | kTcpUrg;

constexpr uint16_t kTcpHeaderSize = 20;
constexpr uint16_t kUdpHeaderSize = 8;
constexpr uint32_t kDatagramMax = 65535;

DropReason ParseTcp(const Frame& frame, Packet* packet) {
  if (packet->end - packet->l4 < kTcpHeaderSize) {
    return DropReason::kMalformedTransport;
  }
  const uint8_t* tcp = frame.data + packet->l4;
  const uint16_t header_size = static_cast<uint16_t>(tcp[12] >> 4 << 2);
  packet->kind = PacketKind::kTcp;
  packet->source_port = LoadBig16(tcp);
  packet->destination_port = LoadBig16(tcp + 2);
  packet->tcp_flags = tcp[13];
  packet->payload = static_cast<uint16_t>(packet->l4 + header_size);
  if (header_size < kTcpHeaderSize || packet->end - packet->l4 < header_size ||
      (kTcpFlagsValid >> (tcp[13] & kTcpFlagsChecked) & 1) == 0 ||
      !NotePartialChecksum(frame, 16, packet)) {
    return DropReason::kMalformedTransport;
  }
  return DropReason::kNone;
}

DropReason ParseUdp(const Frame& frame, Packet* packet) {
  const uint32_t available = packet->end - packet->l4;
  if (available < kUdpHeaderSize) return DropReason::kMalformedTransport;
  const uint8_t* udp = frame.data + packet->l4;
  const uint16_t length = LoadBig16(udp + 4);
  packet->kind = PacketKind::kUdp;
  packet->source_port = LoadBig16(udp);
  packet->destination_port = LoadBig16(udp + 2);
  packet->payload = packet->l4 + kUdpHeaderSize;
  if (length < kUdpHeaderSize || (length > available && !packet->is_fragment) ||
      !NotePartialChecksum(frame, 6, packet)) {
    return DropReason::kMalformedTransport;
  }
  return DropReason::kNone;
}

DropReason ParseTransport(const Frame& frame, Packet* packet) {
  if (packet->protocol == kProtocolTcp) [[likely]] {
    return ParseTcp(frame, packet);
  }
  if (packet->protocol == kProtocolUdp) return ParseUdp(frame, packet);
  if (packet->protocol == (packet->v6 ? kProtocolIcmpV6 : kProtocolIcmp)) {
    return packet->v6 ? ParseIcmpV6(frame, packet) : ParseIcmp(frame, packet);
  }
  packet->kind = PacketKind::kOther;
  packet->payload = packet->l4;
  return DropReason::kNone;
}

// What is the same in both families once the fragment fields are known.
DropReason NoteFragment(uint32_t offset, bool more, Packet* packet) {
  packet->is_fragment = offset > 0 || more;
  packet->first_fragment = offset == 0 && more;
  const uint32_t size = packet->end - packet->l4;
  if ((more && size % 8 != 0) || offset + size > kDatagramMax) {
    return DropReason::kMalformedIp;
  }
  if (offset > 0) {
    packet->kind = PacketKind::kFragment;
    packet->payload = packet->l4;
    // RFC 3128: it could overwrite the TCP flags of the first fragment.
    if (packet->protocol == kProtocolTcp && offset == 8) {
      return DropReason::kMalformedTransport;
    }
  }
  return DropReason::kNone;
}

// RFC 791 §3.1: loose (131) and strict (137) source route.
DropReason CheckIpv4Options(const uint8_t* options, uint32_t size) {
  for (uint32_t at = 0; at < size;) {
    const uint8_t type = options[at];
    if (type == 0) return DropReason::kNone;  // End of options.
    if (type == 1) {                          // No operation.
      ++at;
      continue;
    }
    if (size - at < 2 || options[at + 1] < 2 || options[at + 1] > size - at) {
      return DropReason::kMalformedIp;
    }
    if (type == 131 || type == 137) return DropReason::kSourceRouted;
    at += options[at + 1];
  }
  return DropReason::kNone;
}

DropReason CheckIpv4Addresses(const uint8_t* data, const uint8_t* ip) {
  const uint32_t source = LoadBig32(ip + 12);
  const uint32_t destination = LoadBig32(ip + 16);
  const auto group = [](uint32_t a) { return a >> 28 == 14 || a + 1 == 0; };
  const auto local = [](uint32_t a) { return a >> 24 == 0 || a >> 24 == 127; };
  if (group(destination) || (data[0] & 1) != 0) return DropReason::kMulticast;
  if (group(source) || local(source)) return DropReason::kSourceInvalid;
  if (local(destination)) return DropReason::kDestinationInvalid;
  if (source == destination) return DropReason::kSourceIsDestination;
  return DropReason::kNone;
}

DropReason ParseIpv4(const Frame& frame, Packet* packet) {
  const uint32_t available = frame.length - kEthernetHeaderSize;
  const uint8_t* ip = frame.data + kEthernetHeaderSize;
  if (available < kIpv4HeaderSize) return DropReason::kMalformedIp;
  const uint32_t header_size = (ip[0] & 15u) * 4;
  const uint32_t total = LoadBig16(ip + 2);
  if (ip[0] >> 4 != 4 || header_size < kIpv4HeaderSize || total < header_size ||
      total > available) {
    return total == 0 && available > kDatagramMax ? DropReason::kJumbogram
                                                  : DropReason::kMalformedIp;
  }
  // A header that sums to ffff is right (RFC 1071 §1), in any byte order.
  uint32_t words[5];
  std::memcpy(words, ip, sizeof(words));
  uint64_t sum = uint64_t{words[0]} + words[1] + words[2] + words[3] + words[4];
  sum = (sum & 0xffffffff) + (sum >> 32);
  if (header_size == kIpv4HeaderSize) [[likely]] {
    sum = (sum & 0xffffffff) + (sum >> 32);
    if (ChecksumFold(static_cast<uint32_t>(sum)) != 0xffff) {
      return DropReason::kBadIpChecksum;
    }
  } else {
    if (ChecksumFold(ChecksumSum({ip, header_size})) != 0xffff) {
      return DropReason::kBadIpChecksum;
    }
    const DropReason bad =
        CheckIpv4Options(ip + kIpv4HeaderSize, header_size - kIpv4HeaderSize);
    if (bad != DropReason::kNone) return bad;
  }
  const DropReason bad = CheckIpv4Addresses(frame.data, ip);
  if (bad != DropReason::kNone) return bad;

  packet->ttl = ip[8];
  packet->protocol = ip[9];
  packet->l4 = static_cast<uint16_t>(kEthernetHeaderSize + header_size);
  packet->end = kEthernetHeaderSize + total;
  const uint16_t fragment = LoadBig16(ip + 6);
  if ((fragment & 0x3fff) != 0) [[unlikely]] {
    packet->fragment_id = LoadBig16(ip + 4);
    const DropReason bad_fragment = NoteFragment(
        (fragment & 0x1fffu) * 8, (fragment & 0x2000) != 0, packet);
    if (bad_fragment != DropReason::kNone ||
        packet->kind == PacketKind::kFragment) {
      return bad_fragment;
    }
  }
  return ParseTransport(frame, packet);
}

bool IsLoopbackOrMapped(const uint8_t* address) {
  if (LoadBig64(address) != 0) return false;
  const uint64_t low = LoadBig64(address + 8);
  return low == 1 || low >> 32 == 0xffff;
}

bool IsUnspecified(const uint8_t* address) {
  return (LoadBig64(address) | LoadBig64(address + 8)) == 0;
}

DropReason CheckIpv6Addresses(const uint8_t* data, const uint8_t* ip) {
  const uint8_t* source = ip + 8;
  const uint8_t* destination = ip + 24;
  if (source[0] == 0xff || IsLoopbackOrMapped(source)) {
    return DropReason::kSourceInvalid;
  }
  if (IsLoopbackOrMapped(destination) || IsUnspecified(destination)) {
    return DropReason::kDestinationInvalid;
  }
  if (std::memcmp(source, destination, 16) == 0) {
    return DropReason::kSourceIsDestination;
  }
  // A multicast frame around a unicast packet; see below for the others.
  if ((data[0] & 1) != 0 && destination[0] != 0xff) {
    return DropReason::kMulticast;
  }
  return DropReason::kNone;
}

DropReason ParseIpv6(const Frame& frame, Packet* packet) {
  packet->v6 = true;
  const uint32_t available = frame.length - kEthernetHeaderSize;
  const uint8_t* ip = frame.data + kEthernetHeaderSize;
  if (available < kIpv6HeaderSize || ip[0] >> 4 != 6) {
    return DropReason::kMalformedIp;
  }
  const uint32_t length = LoadBig16(ip + 4);
  if (length == 0 && ip[6] == kHopByHop) return DropReason::kJumbogram;
  if (length > available - kIpv6HeaderSize) return DropReason::kMalformedIp;
  const DropReason bad = CheckIpv6Addresses(frame.data, ip);
  if (bad != DropReason::kNone) return bad;

  packet->ttl = ip[7];
  packet->protocol = ip[6];
  packet->l4 = kEthernetHeaderSize + kIpv6HeaderSize;
  packet->end = packet->l4 + length;
  if (packet->protocol != kProtocolTcp && packet->protocol != kProtocolUdp)
      [[unlikely]] {
    Chain chain;
    const DropReason bad_chain = WalkExtensionHeaders(
        frame.data, packet->l4, packet->end, packet->protocol, &chain);
    if (bad_chain != DropReason::kNone) return bad_chain;
    packet->protocol = chain.protocol;
    packet->l4 = static_cast<uint16_t>(chain.l4);
    packet->fragment_id = chain.fragment_id;
    const DropReason bad_fragment =
        NoteFragment(chain.fragment_offset, chain.more_fragments, packet);
    if (bad_fragment != DropReason::kNone) return bad_fragment;
  }
  const bool multicast = (frame.data[0] & 1) != 0 || ip[24] == 0xff;
  if (packet->kind != PacketKind::kFragment) {
    const DropReason bad_transport = ParseTransport(frame, packet);
    // Neighbour discovery alone is multicast or from "::".
    if (bad_transport != DropReason::kNone ||
        packet->kind == PacketKind::kNeighbourSolicitation ||
        packet->kind == PacketKind::kNeighbourAdvertisement) {
      return bad_transport;
    }
  }
  if (multicast) return DropReason::kMulticast;
  if (IsUnspecified(ip + 8)) return DropReason::kSourceInvalid;
  return DropReason::kNone;
}

DropReason ParseArp(const Frame& frame, Packet* packet) {
  packet->kind = PacketKind::kArp;
  const uint8_t* arp = frame.data + kEthernetHeaderSize;
  // Ethernet, IPv4, address sizes 6 and 4; request or reply.
  static constexpr uint8_t kStart[7] = {0, 1, 8, 0, 6, 4, 0};
  if (frame.length < kEthernetHeaderSize + 28u ||
      std::memcmp(arp, kStart, sizeof(kStart)) != 0 || arp[7] < 1 ||
      arp[7] > 2 || (arp[8] & 1) != 0) {
    return DropReason::kMalformedArp;
  }
  packet->end = kEthernetHeaderSize + 28;
  return DropReason::kNone;
}

}  // namespace

DropReason Parse(const Frame& frame, Packet* packet) {
  *packet = Packet();
  packet->end = frame.length;
  // A group address never sends (IEEE 802.3 §3.2.3).
  if (frame.length < kEthernetHeaderSize || (frame.data[6] & 1) != 0) {
    return DropReason::kMalformedEthernet;
  }
  switch (LoadBig16(frame.data + 12)) {
    case kEtherTypeIpv4:
      return ParseIpv4(frame, packet);
    case kEtherTypeIpv6:
      return ParseIpv6(frame, packet);
    case kEtherTypeArp:
      return ParseArp(frame, packet);
    default:
      return DropReason::kNone;
  }
}

}  // namespace ballast::l4
