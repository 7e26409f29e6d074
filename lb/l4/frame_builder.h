// Frames for tests, made byte by byte without the code under test: its own
// layouts and the plainest possible checksum.
#ifndef LB_L4_FRAME_BUILDER_H_
#define LB_L4_FRAME_BUILDER_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/base/frame.h"

namespace ballast::l4 {

using Bytes = std::vector<uint8_t>;

Bytes Concat(std::initializer_list<Bytes> parts);
// "45 00 001c": white space is ignored.
Bytes FromHex(absl::string_view hex);
Address Ip(absl::string_view text);
MacAddress Mac(absl::string_view text);

// The word-by-word sum of RFC 1071, folded, not complemented.
uint16_t NaiveSum(const Bytes& bytes);
// Pseudo-header of RFC 9293 or RFC 8200 §8.1.
Bytes PseudoHeader(const Address& source, const Address& destination,
                   uint8_t protocol, uint32_t length);

Bytes EthernetHeader(uint16_t ethertype);
struct Ipv4Fields {
  uint8_t ttl = 64;
  uint16_t id = 0x1234;
  uint16_t fragment = 0x4000;  // Flags and offset; default don't fragment.
  Bytes options = {};          // A multiple of 4 bytes.
};
// A header with a right checksum, followed by `body`.
Bytes Ipv4(const Address& source, const Address& destination, uint8_t protocol,
           const Bytes& body, const Ipv4Fields& fields = {});
// `extensions` stand between header and body; `next` is the first of them, or
// the body's protocol.
Bytes Ipv6(const Address& source, const Address& destination, uint8_t next,
           const Bytes& body, uint8_t hop_limit = 64,
           const Bytes& extensions = {});
// By the family of `source`.
Bytes IpPacket(const Address& source, const Address& destination,
               uint8_t protocol, const Bytes& body);

enum class Sum : uint8_t {
  kRight,
  kWrong,    // Off by one.
  kPartial,  // Pseudo-header only; set the frame's offload too.
  kZero,
};
struct TcpFields {
  uint32_t sequence = 0x11223344;
  uint32_t ack = 0x55667788;
  uint8_t flags = 0x10;
  Bytes options = {};  // A multiple of 4 bytes.
  Bytes data = {};
  Sum sum = Sum::kRight;
};
Bytes Tcp(const Endpoint& source, const Endpoint& destination,
          const TcpFields& fields = {});
Bytes Udp(const Endpoint& source, const Endpoint& destination,
          const Bytes& data, Sum sum = Sum::kRight);
// ICMP, or ICMPv6 when `source` is IPv6; `rest` follows the checksum.
Bytes Icmp(const Address& source, const Address& destination, uint8_t type,
           uint8_t code, const Bytes& rest);

// Whether the TCP, UDP, ICMP or ICMPv6 bytes from `l4` to `end` carry a right
// checksum for the addresses of the IP header at `l3`.
bool TransportSumRight(const Frame& frame, size_t l3, size_t l4, size_t end,
                       uint8_t protocol);
// Whether the IPv4 header at `l3` sums up.
bool IpSumRight(const Frame& frame, size_t l3);

// A frame with its own memory, headroom and tailroom.
class TestFrame {
 public:
  explicit TestFrame(const Bytes& bytes, size_t headroom = 64,
                     size_t tailroom = 64);
  TestFrame(const TestFrame&) = delete;
  TestFrame& operator=(const TestFrame&) = delete;

  Frame frame;
  Bytes bytes() const { return Bytes(frame.data, frame.data + frame.length); }
  // Marks the checksum partial, as offloading senders do.
  void SetPartial(uint16_t start, uint16_t offset);

 private:
  Bytes memory_;
};

// Ethernet around `ip_packet`, by its version nibble.
Bytes Framed(const Bytes& ip_packet);

}  // namespace ballast::l4

#endif  // LB_L4_FRAME_BUILDER_H_
