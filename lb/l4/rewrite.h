// What a router and a NAT change in a parsed packet, in place: MAC addresses,
// TTL, addresses and ports, with every checksum that covers them kept as it
// was: right stays right, wrong stays wrong (RFC 1624; the end points judge).
//
// Checksums  finished ones follow addresses and ports; partial ones
//            (Packet::partial_checksum) follow addresses only; a UDP checksum
//            of 0 stays 0 and a computed 0 becomes ffff. A first fragment is
//            changed like a whole packet, a later one (kFragment) in its
//            addresses only: the checksum in the first covers them all.
// Packet     is not changed: it still says what was received (ports, ttl). Its
//            offsets stay true, so calls may be combined in any order.
// Cost       a few adds; no branch on sizes but v4/v6. With a NatDelta kept
//            beside the connection the old addresses need not be read.
#ifndef LB_L4_REWRITE_H_
#define LB_L4_REWRITE_H_

#include <cstdint>
#include <cstring>

#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/frame.h"
#include "lb/l4/packet.h"

namespace ballast::l4 {

// What replacing one address and port does to the sums that cover them: the
// same for each packet of a flow in one direction. One's-complement sums in
// *native* byte order (they do not depend on it, RFC 1071 §2B): for this
// machine's memory only, never for the wire.
struct NatDelta {
  uint16_t address = 0;
  uint16_t address_and_port = 0;
};

namespace rewrite_internal {

inline uint16_t Native16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, 2);
  return v;
}
inline uint32_t Native32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
inline uint16_t Fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}
// RFC 1624 equation 3: HC' = ~(~HC + ~m + m').
inline uint16_t Finished(uint16_t field, uint16_t delta) {
  uint32_t sum = static_cast<uint16_t>(~field) + uint32_t{delta};
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}
inline void UpdateFinished(uint8_t* field, uint16_t delta) {
  const uint16_t v = Finished(Native16(field), delta);
  std::memcpy(field, &v, 2);
}
inline void UpdateFinishedUdp(uint8_t* field, uint16_t delta) {
  const uint16_t old = Native16(field);
  if (old == 0) return;
  uint16_t v = Finished(old, delta);
  if (v == 0) v = 0xffff;
  std::memcpy(field, &v, 2);
}
inline void UpdatePartial(uint8_t* field, uint16_t delta) {
  uint32_t sum = uint32_t{Native16(field)} + delta;
  sum = (sum & 0xffff) + (sum >> 16);
  const uint16_t v = static_cast<uint16_t>(sum);
  std::memcpy(field, &v, 2);
}
inline uint64_t AddressDelta(const uint8_t* from, const uint8_t* to, bool v6) {
  uint64_t sum = uint64_t{~Native32(from)} + Native32(to);
  if (v6) {
    for (int i = 4; i < 16; i += 4) {
      sum += uint64_t{~Native32(from + i)} + Native32(to + i);
    }
  }
  return sum;
}

inline void Apply(uint8_t* address_field, uint8_t* port_field,
                  const uint8_t* address, uint16_t port, const Frame& frame,
                  const Packet& packet, NatDelta delta) {
  if (packet.v6) {
    std::memcpy(address_field, address, 16);
  } else {
    std::memcpy(address_field, address, 4);
    UpdateFinished(frame.data + packet.l3 + 10, delta.address);
  }
  if (packet.kind == PacketKind::kFragment) return;
  StoreBig16(port_field, port);
  uint8_t* transport = frame.data + packet.l4;
  if (packet.kind == PacketKind::kTcp) {
    if (packet.partial_checksum) {
      UpdatePartial(transport + 16, delta.address);
    } else {
      UpdateFinished(transport + 16, delta.address_and_port);
    }
  } else if (packet.partial_checksum) {
    UpdatePartial(transport + 6, delta.address);
  } else {
    UpdateFinishedUdp(transport + 6, delta.address_and_port);
  }
}

}  // namespace rewrite_internal

// The delta of replacing `from` by `to`, each 4 or 16 bytes in network order.
inline NatDelta MakeNatDelta(const uint8_t* from, uint16_t from_port,
                             const uint8_t* to, uint16_t to_port, bool v6) {
  const uint64_t address = rewrite_internal::AddressDelta(from, to, v6);
  const uint16_t removed = static_cast<uint16_t>(~__builtin_bswap16(from_port));
  const uint64_t port = uint64_t{removed} + __builtin_bswap16(to_port);
  return {rewrite_internal::Fold(address),
          rewrite_internal::Fold(address + port)};
}

// Replaces destination address (4 or 16 bytes in network order, of the packet's
// family) and port (host order). For kTcp, kUdp and kFragment (port ignored).
// `delta` must be that of the packet's destination and the new one.
inline void RewriteDestination(Frame& frame, const Packet& packet,
                               const uint8_t* address, uint16_t port,
                               NatDelta delta) {
  rewrite_internal::Apply(DestinationBytes(frame, packet),
                          frame.data + packet.l4 + 2, address, port, frame,
                          packet, delta);
}
inline void RewriteDestination(Frame& frame, const Packet& packet,
                               const uint8_t* address, uint16_t port) {
  RewriteDestination(
      frame, packet, address, port,
      MakeNatDelta(DestinationBytes(frame, packet), packet.destination_port,
                   address, port, packet.v6));
}

// As above for the source.
inline void RewriteSource(Frame& frame, const Packet& packet,
                          const uint8_t* address, uint16_t port,
                          NatDelta delta) {
  rewrite_internal::Apply(SourceBytes(frame, packet), frame.data + packet.l4,
                          address, port, frame, packet, delta);
}
inline void RewriteSource(Frame& frame, const Packet& packet,
                          const uint8_t* address, uint16_t port) {
  RewriteSource(frame, packet, address, port,
                MakeNatDelta(SourceBytes(frame, packet), packet.source_port,
                             address, port, packet.v6));
}

// One hop less. Only for a TTL above 1: at 1 the packet has expired here.
inline void DecrementTtl(Frame& frame, const Packet& packet) {
  uint8_t* ip = frame.data + packet.l3;
  if (packet.v6) {
    --ip[7];
    return;
  }
  --ip[8];
  // The word (ttl, protocol) lost 0100, so its complement gains it; the end
  // around carry keeps the field's sum (RFC 1141).
  uint32_t sum = LoadBig16(ip + 10) + 0x0100u;
  sum += sum >> 16;
  StoreBig16(ip + 10, static_cast<uint16_t>(sum));
}

inline void SetMacs(Frame& frame, const MacAddress& destination,
                    const MacAddress& source) {
  std::memcpy(frame.data, destination.bytes.data(), 6);
  std::memcpy(frame.data + 6, source.bytes.data(), 6);
}

// The new ends of an ICMP error. Null: leave as it is.
struct ErrorRewrite {
  const uint8_t* outer_source = nullptr;  // Who reports.
  // Who hears of it. The quoted packet is one this end sent, so it must equal
  // the new embedded source.
  const uint8_t* outer_destination = nullptr;
  const uint8_t* embedded_source = nullptr;
  uint16_t embedded_source_port = 0;  // Used with embedded_source.
  const uint8_t* embedded_destination = nullptr;
  uint16_t embedded_destination_port = 0;  // Used with embedded_destination.
};

// Translates an ICMP or ICMPv6 error (kIcmpError) for the other side of a NAT
// (RFC 5508 §4.2, RFC 792, RFC 4443): outer addresses, the quoted packet's
// addresses, ports and checksums as far as they are quoted, and the ICMP
// checksum. RFC 4884 extensions are left as they are. Addresses have the
// packet's family.
void TranslateError(Frame& frame, const Packet& packet,
                    const ErrorRewrite& rewrite);

}  // namespace ballast::l4

#endif  // LB_L4_REWRITE_H_
