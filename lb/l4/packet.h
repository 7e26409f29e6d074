// What one Ethernet frame holds: Parse() checks it and notes where its headers
// are. Offsets, no copies; the frame is not changed.
//
// Checked    every length; the IPv4 header checksum; impossible addresses, TCP
//            flags and fragments. Not checked: TCP and UDP checksums, which are
//            the end points' business (RFC 1812 §5.2.2). ARP and neighbour
//            discovery are checked whole (RFC 826, RFC 4861 §7.1), so what is
//            parsed as such may be answered.
// Lengths    bytes after the IP packet (Ethernet padding) stay in the frame;
//            `end` is where the IP packet ends.
// Offload    a frame with segmentation is one packet up to 65,535 bytes.
// Untagged   a frame with an 802.1Q tag is kNotIp.
// Cost       IPv4 without options and IPv6 without extension headers: a
//            straight line, no loop, no allocation.
#ifndef LB_L4_PACKET_H_
#define LB_L4_PACKET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/frame.h"
#include "lb/l4/drop_reason.h"

namespace ballast::l4 {

inline constexpr uint16_t kEthernetHeaderSize = 14;
inline constexpr uint16_t kIpv4HeaderSize = 20;  // Without options.
inline constexpr uint16_t kIpv6HeaderSize = 40;
inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeArp = 0x0806;
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmpV6 = 58;

inline constexpr uint8_t kTcpFin = 0x01;
inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpRst = 0x04;
inline constexpr uint8_t kTcpPsh = 0x08;
inline constexpr uint8_t kTcpAck = 0x10;
inline constexpr uint8_t kTcpUrg = 0x20;

// More IPv6 extension headers than this are malformed.
inline constexpr int kExtensionHeadersMax = 8;

enum class PacketKind : uint8_t {
  kTcp,  // Whole, or a first fragment with the whole TCP header.
  kUdp,  // Whole, or a first fragment.
  // Destination unreachable, time exceeded, packet too big or parameter
  // problem that quotes a TCP or UDP packet, see Packet::embedded.
  kIcmpError,
  kIcmpEchoRequest,  // Whole, never a fragment.
  kIcmpOther,        // Any other ICMP, errors about other protocols too.
  kArp,
  kNeighbourSolicitation,
  kNeighbourAdvertisement,
  kFragment,  // A later fragment: addresses, no ports.
  kOther,     // IP with another protocol.
  kNotIp,
};

struct Packet {
  PacketKind kind = PacketKind::kNotIp;
  bool v6 = false;
  uint8_t protocol = 0;   // IPv6: after the extension headers.
  uint8_t ttl = 0;        // Or hop limit, as received.
  uint8_t tcp_flags = 0;  // All eight, ECE and CWR too.
  uint8_t icmp_type = 0;
  // Part of a datagram that was fragmented. An IPv6 "atomic" fragment is not.
  bool is_fragment = false;
  bool first_fragment = false;  // is_fragment, and the one with the ports.
  // The transport checksum field holds the pseudo-header's sum only.
  bool partial_checksum = false;

  // Offsets from frame.data.
  uint16_t l3 = kEthernetHeaderSize;  // IP header or ARP.
  uint16_t l4 = 0;                    // TCP, UDP, ICMP; data if kFragment.
  uint16_t payload = 0;               // TCP, UDP: first byte of data.
  uint32_t end = 0;                   // First byte after the IP packet.

  uint16_t source_port = 0;  // Host order; kTcp and kUdp.
  uint16_t destination_port = 0;
  uint32_t fragment_id = 0;  // IPv4: 16 bits.

  // kIcmpError: the quoted packet, which the *receiver* of the error sent. Its
  // addresses, ports and protocol are there; what follows may be cut off. Its
  // source address is the error's destination address.
  struct Embedded {
    uint16_t l3 = 0;
    uint16_t l4 = 0;
    uint32_t end = 0;  // Where the quote ends, RFC 4884 extensions excluded.
    uint8_t protocol = 0;
    uint16_t source_port = 0;
    uint16_t destination_port = 0;
  };
  Embedded embedded;

  // Bytes of the IP packet, its header included.
  uint32_t ip_length() const { return end - l3; }
  // Bytes of one address.
  size_t address_size() const { return v6 ? 16 : 4; }
};

// Fills `packet` whole. kNone, or why the frame must be dropped; then only
// kind, v6 and offsets already reached mean anything.
DropReason Parse(const Frame& frame, Packet* packet);

// The addresses on the wire: packet.address_size() bytes in network order.
// For parsed IP packets.
inline uint8_t* SourceBytes(const Frame& frame, const Packet& packet) {
  return frame.data + packet.l3 + (packet.v6 ? 8 : 12);
}
inline uint8_t* DestinationBytes(const Frame& frame, const Packet& packet) {
  return frame.data + packet.l3 + (packet.v6 ? 24 : 16);
}
inline uint8_t* EmbeddedSourceBytes(const Frame& frame, const Packet& packet) {
  return frame.data + packet.embedded.l3 + (packet.v6 ? 8 : 12);
}
inline uint8_t* EmbeddedDestinationBytes(const Frame& frame,
                                         const Packet& packet) {
  return frame.data + packet.embedded.l3 + (packet.v6 ? 24 : 16);
}

// An address read off the wire as a value.
inline Address LoadAddress(const uint8_t* bytes, bool v6) {
  if (!v6) return Address::V4(LoadBig32(bytes));
  std::array<uint8_t, 16> copy;
  std::memcpy(copy.data(), bytes, copy.size());
  return Address::V6(copy);
}
inline Address SourceAddress(const Frame& frame, const Packet& packet) {
  return LoadAddress(SourceBytes(frame, packet), packet.v6);
}
inline Address DestinationAddress(const Frame& frame, const Packet& packet) {
  return LoadAddress(DestinationBytes(frame, packet), packet.v6);
}
inline Address EmbeddedSourceAddress(const Frame& frame, const Packet& packet) {
  return LoadAddress(EmbeddedSourceBytes(frame, packet), packet.v6);
}
inline Address EmbeddedDestinationAddress(const Frame& frame,
                                          const Packet& packet) {
  return LoadAddress(EmbeddedDestinationBytes(frame, packet), packet.v6);
}

}  // namespace ballast::l4

#endif  // LB_L4_PACKET_H_
