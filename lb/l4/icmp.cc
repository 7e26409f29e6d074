#include "lb/l4/icmp.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/checksum.h"
#include "io/base/flow_key.h"

namespace ballast::l4 {
namespace {

constexpr uint32_t kIcmpHeaderSize = 8;
constexpr uint32_t kErrorSizeMax4 = 576;
constexpr uint32_t kErrorSizeMax6 = 1280;
// Linux's default for what a host sends itself (ip_default_ttl).
constexpr uint8_t kTtl = 64;
// RFC 1812 §4.3.2.5: errors have precedence 6, internetwork control.
constexpr uint8_t kPrecedence = 0xc0;

bool MayAnswer(const Packet& packet) {
  switch (packet.kind) {
    case PacketKind::kTcp:
    case PacketKind::kUdp:
    case PacketKind::kOther:
    case PacketKind::kIcmpEchoRequest:
      return true;
    case PacketKind::kIcmpOther:
      if (packet.v6) {
        // Below 128 are errors, 137 is a redirect.
        return packet.icmp_type >= 128 && packet.icmp_type != 137;
      }
      // Replies, timestamps and address masks ask or tell; the others report.
      return packet.icmp_type == 0 || packet.icmp_type == 8 ||
             packet.icmp_type == 13 || packet.icmp_type == 14 ||
             packet.icmp_type == 17 || packet.icmp_type == 18;
    case PacketKind::kIcmpError:
    case PacketKind::kFragment:
    case PacketKind::kArp:
    case PacketKind::kNeighbourSolicitation:
    case PacketKind::kNeighbourAdvertisement:
    case PacketKind::kNotIp:
      return false;
  }
  return false;
}

void PutIpv4Checksum(uint8_t* ip, uint32_t header_size) {
  StoreBig16(ip + 10, 0);
  StoreBig16(ip + 10, Checksum({ip, header_size}));
}

// The checksum field of the transport, or null where there is none.
uint8_t* ChecksumField(const Frame& frame, const Packet& packet) {
  uint8_t* l4 = frame.data + packet.l4;
  switch (packet.kind) {
    case PacketKind::kTcp:
      return l4 + 16;
    case PacketKind::kUdp:
      return l4 + 6;
    case PacketKind::kIcmpEchoRequest:
    case PacketKind::kIcmpOther:
      return l4 + 2;
    default:
      return nullptr;
  }
}

// Does what the sender's stack left to the device, for the first segment only.
// Returns the size of that IP packet.
uint32_t FinishFirstSegment(Frame& frame, const Packet& packet) {
  const uint32_t size = LargestIpPacket(frame, packet);
  if (size < packet.ip_length()) {
    uint8_t* ip = frame.data + packet.l3;
    if (packet.v6) {
      StoreBig16(ip + 4, static_cast<uint16_t>(size - kIpv6HeaderSize));
    } else {
      StoreBig16(ip + 2, static_cast<uint16_t>(size));
      PutIpv4Checksum(ip, packet.l4 - packet.l3);
    }
    uint8_t* l4 = frame.data + packet.l4;
    if (packet.kind == PacketKind::kTcp) {
      l4[13] &=
          static_cast<uint8_t>(~(kTcpFin | kTcpPsh));  // On the last only.
    } else if (packet.kind == PacketKind::kUdp) {
      StoreBig16(l4 + 4, static_cast<uint16_t>(packet.l3 + size - packet.l4));
    }
  }
  uint8_t* field = ChecksumField(frame, packet);
  if (packet.partial_checksum && field != nullptr) {
    const uint32_t length = packet.l3 + size - packet.l4;
    StoreBig16(field, 0);
    uint32_t pseudo = 0;
    if (packet.protocol != kProtocolIcmp) {
      pseudo = PseudoHeaderSum(SourceAddress(frame, packet),
                               DestinationAddress(frame, packet),
                               static_cast<Protocol>(packet.protocol), length);
    }
    const uint16_t sum = Checksum({frame.data + packet.l4, length}, pseudo);
    StoreBig16(field,
               sum == 0 && packet.kind == PacketKind::kUdp ? 0xffff : sum);
  }
  return size;
}

bool MakeError(Frame& frame, const Packet& packet, const Address& source,
               uint8_t type, uint8_t code, uint32_t rest) {
  BALLAST_CHECK(source.is_v4() != packet.v6);
  const uint32_t ip_size = packet.v6 ? kIpv6HeaderSize : kIpv4HeaderSize;
  const uint32_t grow = ip_size + kIcmpHeaderSize;
  if (!MayAnswer(packet) || frame.headroom < grow) return false;
  const Address sender = SourceAddress(frame, packet);
  const uint32_t quoted =
      std::min(FinishFirstSegment(frame, packet),
               (packet.v6 ? kErrorSizeMax6 : kErrorSizeMax4) - grow);

  // The Ethernet header moves to the front, addresses swapped.
  std::array<uint8_t, 6> to, from;
  std::memcpy(to.data(), frame.data + 6, 6);
  std::memcpy(from.data(), frame.data, 6);
  const uint16_t ethertype = LoadBig16(frame.data + 12);
  const uint32_t old_length = frame.length;
  frame.data -= grow;
  frame.headroom -= grow;
  frame.length = kEthernetHeaderSize + grow + quoted;
  frame.tailroom += old_length + grow - frame.length;
  frame.offload = Offload();
  std::memcpy(frame.data, to.data(), 6);
  std::memcpy(frame.data + 6, from.data(), 6);
  StoreBig16(frame.data + 12, ethertype);

  uint8_t* ip = frame.data + kEthernetHeaderSize;
  uint8_t* icmp = ip + ip_size;
  std::memset(ip, 0, grow);
  icmp[0] = type;
  icmp[1] = code;
  StoreBig32(icmp + 4, rest);
  const uint32_t icmp_size = kIcmpHeaderSize + quoted;
  if (packet.v6) {
    ip[0] = 0x60;
    StoreBig16(ip + 4, static_cast<uint16_t>(icmp_size));
    ip[6] = kProtocolIcmpV6;
    ip[7] = kTtl;
    std::memcpy(ip + 8, source.bytes().data(), 16);
    std::memcpy(ip + 24, sender.bytes().data(), 16);
    StoreBig16(icmp + 2,
               Checksum({icmp, icmp_size},
                        PseudoHeaderSum(source, sender, Protocol::kIcmpV6,
                                        icmp_size)));
  } else {
    ip[0] = 0x45;
    ip[1] = kPrecedence;
    StoreBig16(ip + 2, static_cast<uint16_t>(ip_size + icmp_size));
    ip[6] = 0x40;  // Never fragmented, so that id 0 is right (RFC 6864 §4.1).
    ip[8] = kTtl;
    ip[9] = kProtocolIcmp;
    StoreBig32(ip + 12, source.v4_bits());
    StoreBig32(ip + 16, sender.v4_bits());
    PutIpv4Checksum(ip, ip_size);
    StoreBig16(icmp + 2, Checksum({icmp, icmp_size}));
  }
  return true;
}

}  // namespace

bool MakeTimeExceeded(Frame& frame, const Packet& packet,
                      const Address& source) {
  return MakeError(frame, packet, source, packet.v6 ? 3 : 11, 0, 0);
}

bool MakePacketTooBig(Frame& frame, const Packet& packet, const Address& source,
                      uint32_t mtu) {
  // RFC 1191 §4 has 16 bits for it, RFC 4443 §3.2 has 32.
  if (packet.v6) return MakeError(frame, packet, source, 2, 0, mtu);
  return MakeError(frame, packet, source, 3, 4,
                   std::min<uint32_t>(mtu, 0xffff));
}

bool MakeUnreachable(Frame& frame, const Packet& packet, const Address& source,
                     Unreachable why) {
  // {ICMP, ICMPv6}: RFC 792 and RFC 1812 §5.2.7.1, RFC 4443 §3.1.
  uint8_t code4 = 0, code6 = 0;
  switch (why) {
    case Unreachable::kNoRoute:
      code4 = 0, code6 = 0;
      break;
    case Unreachable::kHost:
      code4 = 1, code6 = 3;
      break;
    case Unreachable::kPort:
      code4 = 3, code6 = 4;
      break;
    case Unreachable::kProhibited:
      code4 = 13, code6 = 1;
      break;
  }
  return packet.v6 ? MakeError(frame, packet, source, 1, code6, 0)
                   : MakeError(frame, packet, source, 3, code4, 0);
}

bool MakeEchoReply(Frame& frame, const Packet& packet) {
  const uint32_t ip_size = packet.v6 ? kIpv6HeaderSize : kIpv4HeaderSize;
  if (packet.kind != PacketKind::kIcmpEchoRequest ||
      packet.l4 != packet.l3 + ip_size) {
    return false;
  }
  FinishFirstSegment(frame, packet);
  frame.offload = Offload();
  std::swap_ranges(frame.data, frame.data + 6, frame.data + 6);
  uint8_t* source = SourceBytes(frame, packet);
  std::swap_ranges(source, source + packet.address_size(),
                   DestinationBytes(frame, packet));
  uint8_t* ip = frame.data + packet.l3;
  uint8_t* icmp = frame.data + packet.l4;
  const uint8_t reply = packet.v6 ? 129 : 0;
  // The same addresses in the other order sum to the same pseudo-header.
  const uint32_t delta = ChecksumDelta16(static_cast<uint16_t>(icmp[0] << 8),
                                         static_cast<uint16_t>(reply << 8));
  icmp[0] = reply;
  StoreBig16(icmp + 2, UpdateFinished(LoadBig16(icmp + 2), delta));
  if (packet.v6) {
    ip[7] = kTtl;
  } else {
    ip[8] = kTtl;
    PutIpv4Checksum(ip, ip_size);
  }
  return true;
}

bool RateLimiter::Take(Instant now) {
  if (period_ns_ == 0) return false;
  const int64_t grown = now.nanos() - last_.nanos();
  last_ = now;
  // Compared first: a long pause must not overflow.
  credit_ns_ =
      grown >= capacity_ns_ - credit_ns_ ? capacity_ns_ : credit_ns_ + grown;
  if (credit_ns_ < period_ns_) return false;
  credit_ns_ -= period_ns_;
  return true;
}

}  // namespace ballast::l4
