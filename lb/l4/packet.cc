#include "lb/l4/packet.h"

#include <cstring>

#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/checksum.h"
#include "io/base/flow_key.h"

namespace ballast::l4 {
namespace {

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

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragmentHeader = 44;
constexpr uint8_t kDestinationOptions = 60;

constexpr uint16_t kTcpHeaderSize = 20;
constexpr uint16_t kUdpHeaderSize = 8;
constexpr uint16_t kIcmpHeaderSize = 8;
constexpr uint32_t kDatagramMax = 65535;

// Whether the partial checksum, if there is one, is where the transport's is.
// One that starts elsewhere belongs to a packet inside a tunnel: the outer
// checksum is then a finished one.
bool NotePartialChecksum(const Frame& frame, uint16_t offset, Packet* packet) {
  const Offload& offload = frame.offload;
  if (!offload.partial_checksum || offload.checksum_start != packet->l4) {
    return true;
  }
  packet->partial_checksum = true;
  return offload.checksum_offset == offset && !packet->is_fragment;
}

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

// What a walk along IPv6 extension headers found.
struct Chain {
  uint8_t protocol = 0;
  uint32_t l4 = 0;
  bool has_fragment_header = false;
  uint16_t fragment_offset = 0;  // Bytes.
  bool more_fragments = false;
  uint32_t fragment_id = 0;
};

// Walks from the header `protocol` at `offset` to the transport, or to the data
// of a later fragment.
DropReason WalkExtensionHeaders(const uint8_t* data, uint32_t offset,
                                uint32_t end, uint8_t protocol, Chain* chain) {
  for (int i = 0; i <= kExtensionHeadersMax; ++i) {
    if (protocol != kHopByHop && protocol != kRouting &&
        protocol != kDestinationOptions && protocol != kFragmentHeader) {
      chain->protocol = protocol;
      chain->l4 = offset;
      return DropReason::kNone;
    }
    // Hop-by-hop options stand first or nowhere (RFC 8200 §4.1).
    if (protocol == kHopByHop && i > 0) return DropReason::kMalformedIp;
    if (end - offset < 8) return DropReason::kMalformedIp;
    const uint8_t* header = data + offset;
    uint32_t size = 8;
    if (protocol == kFragmentHeader) {
      if (chain->has_fragment_header) return DropReason::kMalformedIp;
      chain->has_fragment_header = true;
      chain->fragment_offset = LoadBig16(header + 2) & 0xfff8;
      chain->more_fragments = (header[3] & 1) != 0;
      chain->fragment_id = LoadBig32(header + 4);
      if (chain->fragment_offset > 0) {
        chain->protocol = header[0];
        chain->l4 = offset + size;
        return DropReason::kNone;
      }
    } else {
      size = (uint32_t{header[1]} + 1) * 8;
      if (end - offset < size) return DropReason::kMalformedIp;
      if (protocol == kRouting && header[3] != 0) {
        return DropReason::kSourceRouted;
      }
    }
    protocol = header[0];
    offset += size;
  }
  return DropReason::kMalformedIp;
}

// The packet that an ICMP error quotes. Looser than Parse(): it has been
// received once and forwarded, and may be cut short.
DropReason ParseEmbedded(const Frame& frame, Packet* packet) {
  const uint8_t* data = frame.data;
  const uint8_t* icmp = data + packet->l4;
  Packet::Embedded& embedded = packet->embedded;
  embedded.l3 = packet->l4 + kIcmpHeaderSize;
  embedded.end = packet->end;
  // RFC 4884 §5: the length of the quote when extensions follow it, in words
  // of 4 bytes (ICMP) or 8 (ICMPv6). 0: everything is quote.
  const uint32_t quoted = packet->v6 ? icmp[4] * 8u : icmp[5] * 4u;
  const bool may_have_length =
      !packet->v6 || packet->icmp_type == 1 || packet->icmp_type == 3;
  if (may_have_length && quoted > 0 && quoted < embedded.end - embedded.l3) {
    embedded.end = embedded.l3 + quoted;
  }
  const uint32_t available = embedded.end - embedded.l3;
  const uint8_t* ip = data + embedded.l3;
  uint32_t l4;
  bool has_ports = true;
  if (packet->v6) {
    if (available < kIpv6HeaderSize || ip[0] >> 4 != 6) {
      return DropReason::kMalformedTransport;
    }
    Chain chain;
    if (WalkExtensionHeaders(data, embedded.l3 + kIpv6HeaderSize, embedded.end,
                             ip[6], &chain) != DropReason::kNone) {
      return DropReason::kMalformedTransport;
    }
    embedded.protocol = chain.protocol;
    l4 = chain.l4;
    has_ports = chain.fragment_offset == 0;
  } else {
    if (available < kIpv4HeaderSize || ip[0] >> 4 != 4) {
      return DropReason::kMalformedTransport;
    }
    const uint32_t header_size = (ip[0] & 15u) * 4;
    if (header_size < kIpv4HeaderSize || header_size > available) {
      return DropReason::kMalformedTransport;
    }
    embedded.protocol = ip[9];
    l4 = embedded.l3 + header_size;
    has_ports = (LoadBig16(ip + 6) & 0x1fff) == 0;
  }
  embedded.l4 = static_cast<uint16_t>(l4);
  if (std::memcmp(DestinationBytes(frame, *packet),
                  EmbeddedSourceBytes(frame, *packet),
                  packet->address_size()) != 0) {
    return DropReason::kIcmpMismatch;
  }
  if (!has_ports || (embedded.protocol != kProtocolTcp &&
                     embedded.protocol != kProtocolUdp)) {
    return DropReason::kNone;  // kIcmpOther
  }
  // RFC 792: at least 64 bits of the original's data.
  if (embedded.end - l4 < 8) return DropReason::kMalformedTransport;
  embedded.source_port = LoadBig16(data + l4);
  embedded.destination_port = LoadBig16(data + l4 + 2);
  packet->kind = PacketKind::kIcmpError;
  return DropReason::kNone;
}

DropReason ParseIcmp(const Frame& frame, Packet* packet) {
  packet->kind = PacketKind::kIcmpOther;
  if (packet->end - packet->l4 < kIcmpHeaderSize) {
    return DropReason::kMalformedTransport;
  }
  const uint8_t* icmp = frame.data + packet->l4;
  packet->icmp_type = icmp[0];
  packet->payload = packet->l4 + kIcmpHeaderSize;
  if (!NotePartialChecksum(frame, 2, packet)) {
    return DropReason::kMalformedTransport;
  }
  if (packet->is_fragment) return DropReason::kNone;
  switch (icmp[0]) {
    case 8:
      packet->kind = PacketKind::kIcmpEchoRequest;
      return DropReason::kNone;
    case 3:   // Destination unreachable.
    case 11:  // Time exceeded.
    case 12:  // Parameter problem.
      return ParseEmbedded(frame, packet);
    default:
      return DropReason::kNone;
  }
}

// RFC 4861 §7.1.1 and §7.1.2.
DropReason CheckNeighbourDiscovery(const Frame& frame, const Packet& packet) {
  const uint8_t* icmp = frame.data + packet.l4;
  const uint32_t length = packet.end - packet.l4;
  const bool solicitation = packet.kind == PacketKind::kNeighbourSolicitation;
  const DropReason bad = DropReason::kMalformedNeighbourDiscovery;
  if (packet.ttl != 255 || icmp[1] != 0 || length < 24) return bad;
  const Address source = SourceAddress(frame, packet);
  const Address destination = DestinationAddress(frame, packet);
  if (!packet.partial_checksum &&
      ChecksumFold(ChecksumSum(
          {icmp, length},
          PseudoHeaderSum(source, destination, Protocol::kIcmpV6, length))) !=
          0xffff) {
    return bad;
  }
  const Address target = LoadAddress(icmp + 8, true);
  if (target.is_multicast() || target.is_v4()) return bad;
  bool has_source_link_address = false;
  for (uint32_t at = 24; at < length;) {
    if (length - at < 2 || icmp[at + 1] == 0) return bad;
    const uint32_t size = icmp[at + 1] * 8u;
    if (size > length - at) return bad;
    if (icmp[at] == 1) has_source_link_address = true;
    at += size;
  }
  if (solicitation) {
    if (source.is_unspecified()) {
      // Duplicate address detection goes to ff02::1:ff00:0/104, without option.
      static constexpr uint8_t kSolicitedNode[13] = {0xff, 2, 0, 0, 0, 0,   0,
                                                     0,    0, 0, 0, 1, 0xff};
      if (std::memcmp(destination.bytes().data(), kSolicitedNode,
                      sizeof(kSolicitedNode)) != 0 ||
          has_source_link_address) {
        return bad;
      }
    }
  } else if (source.is_unspecified() ||
             (destination.is_multicast() && (icmp[4] & 0x40) != 0)) {
    return bad;  // Solicited flag on a multicast advertisement.
  }
  return DropReason::kNone;
}

DropReason ParseIcmpV6(const Frame& frame, Packet* packet) {
  packet->kind = PacketKind::kIcmpOther;
  if (packet->end - packet->l4 < kIcmpHeaderSize) {
    return DropReason::kMalformedTransport;
  }
  const uint8_t* icmp = frame.data + packet->l4;
  packet->icmp_type = icmp[0];
  packet->payload = packet->l4 + kIcmpHeaderSize;
  if (!NotePartialChecksum(frame, 2, packet)) {
    return DropReason::kMalformedTransport;
  }
  if (packet->is_fragment) return DropReason::kNone;
  switch (icmp[0]) {
    case 1:  // Destination unreachable.
    case 2:  // Packet too big.
    case 3:  // Time exceeded.
    case 4:  // Parameter problem.
      return ParseEmbedded(frame, packet);
    case 128:
      packet->kind = PacketKind::kIcmpEchoRequest;
      return DropReason::kNone;
    case 135:
      packet->kind = PacketKind::kNeighbourSolicitation;
      return CheckNeighbourDiscovery(frame, *packet);
    case 136:
      packet->kind = PacketKind::kNeighbourAdvertisement;
      return CheckNeighbourDiscovery(frame, *packet);
    default:
      return DropReason::kNone;
  }
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
