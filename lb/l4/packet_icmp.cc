#include <cstring>

#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/checksum.h"
#include "io/base/flow_key.h"
#include "lb/l4/packet_internal.h"

namespace ballast::l4::packet_internal {
namespace {

constexpr uint16_t kIcmpHeaderSize = 8;

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

}  // namespace

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

}  // namespace ballast::l4::packet_internal
