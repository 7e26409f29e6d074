// A router's ICMP and ICMPv6: errors about a packet it cannot forward, and echo
// replies. Made in place: the received frame becomes the answer to its sender.
//
// Which    never about an ICMP error or redirect, a later fragment, or what
//          Parse() calls multicast (RFC 1812 §4.3.2.7, RFC 4443 §2.4e). The
//          functions say so by false; the frame is then as it was.
// When     on the frame as received, before any rewriting: the quote must be
//          what the sender sent, or it cannot find its own connection.
// Quote    as much of the packet as fits in 576 bytes (RFC 1812 §4.3.2.3) or
//          1280 (RFC 4443 §2.4c). Of a frame with segmentation left to do, the
//          first segment as the wire would have carried it; a partial checksum
//          is finished first.
// After    MAC addresses are swapped, headers whole, offload empty: ready to
//          go back where it came from. A Packet parsed before is stale.
// Cost     off the fast path: a copy of nothing, one or two sums of the quote.
#ifndef LB_L4_ICMP_H_
#define LB_L4_ICMP_H_

#include <algorithm>
#include <cstdint>

#include "io/base/address.h"
#include "io/base/frame.h"
#include "io/base/instant.h"
#include "lb/l4/packet.h"

namespace ballast::l4 {

// Headroom the errors need: an IPv6 and an ICMPv6 header.
inline constexpr uint32_t kIcmpHeadroom = 48;

enum class Unreachable : uint8_t { kNoRoute, kHost, kPort, kProhibited };

// Each true if the frame now holds the error, from `source` (of the packet's
// family) to the packet's sender; false, frame unchanged, if none may be sent
// or the headroom is too small.
[[nodiscard]] bool MakeTimeExceeded(Frame& frame, const Packet& packet,
                                    const Address& source);
// IPv4: "fragmentation needed and DF set", also for a packet without DF, since
// the director does not fragment. `mtu` is that of the next link, in bytes of
// IP packet.
[[nodiscard]] bool MakePacketTooBig(Frame& frame, const Packet& packet,
                                    const Address& source, uint32_t mtu);
[[nodiscard]] bool MakeUnreachable(Frame& frame, const Packet& packet,
                                   const Address& source, Unreachable why);

// Turns an echo request into its reply. False, frame unchanged, for anything
// else and for requests with IPv4 options or IPv6 extension headers.
[[nodiscard]] bool MakeEchoReply(Frame& frame, const Packet& packet);

// The largest IP packet this frame puts on the wire, in bytes: what an MTU is
// compared with. For a frame to be segmented, headers and one segment.
inline uint32_t LargestIpPacket(const Frame& frame, const Packet& packet) {
  if (frame.offload.segmentation == Offload::Segmentation::kNone ||
      frame.offload.segment_size == 0 ||
      packet.end - packet.payload <= frame.offload.segment_size) {
    return packet.ip_length();
  }
  return packet.payload - packet.l3 + frame.offload.segment_size;
}

// Whether a router may not fragment the packet. IPv6: never.
inline bool DontFragment(const Frame& frame, const Packet& packet) {
  return packet.v6 || (frame.data[packet.l3 + 6] & 0x40) != 0;
}

// A token bucket: how many errors a second a unit may send (RFC 1812
// §4.3.2.8, RFC 4443 §2.4f). Starts full.
class RateLimiter {
 public:
  // `per_second` tokens a second, at most `burst` of them kept. 0: none ever.
  RateLimiter(uint32_t per_second, uint32_t burst, Instant now)
      : period_ns_(per_second == 0
                       ? 0
                       : std::max<int64_t>(1, 1'000'000'000 / per_second)),
        capacity_ns_(period_ns_ * burst),
        credit_ns_(capacity_ns_),
        last_(now) {}

  // Takes a token, if there is one. `now` never goes back.
  [[nodiscard]] bool Take(Instant now);

 private:
  int64_t period_ns_;    // What one token costs.
  int64_t capacity_ns_;  // Tokens kept, as the time they took to grow.
  int64_t credit_ns_;
  Instant last_;
};

}  // namespace ballast::l4

#endif  // LB_L4_ICMP_H_
