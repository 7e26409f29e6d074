// TCP segments and announcements as frames, for the simulated hosts: written
// and read at fixed places, without checksums (nobody here looks at them).
#ifndef LB_SIM_SEGMENT_H_
#define LB_SIM_SEGMENT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "io/base/address.h"
#include "io/base/frame.h"

namespace ballast::sim {

inline constexpr uint8_t kFin = 1;
inline constexpr uint8_t kSyn = 2;
inline constexpr uint8_t kRst = 4;
inline constexpr uint8_t kAck = 16;

struct Segment {
  Endpoint source;
  Endpoint destination;
  uint8_t flags = 0;
  uint32_t number = 0;  // Its sequence number, which is all it carries.
};

// A frame with room around it, as a PacketIo gives them.
struct FrameBuffer {
  static constexpr size_t kHeadroom = 128;
  std::array<uint8_t, 1024> bytes;

  Frame Empty() {
    Frame frame;
    frame.data = bytes.data() + kHeadroom;
    frame.headroom = kHeadroom;
    frame.tailroom = static_cast<uint32_t>(bytes.size() - kHeadroom);
    return frame;
  }
};

// `segment` from nobody in particular to `destination`.
Frame WriteSegment(const Segment& segment, const MacAddress& destination,
                   FrameBuffer& buffer);
// nullopt: no TCP segment.
std::optional<Segment> ReadSegment(std::span<const uint8_t> frame);
// The address that an ARP or ND announcement claims.
std::optional<Address> ReadAnnounced(std::span<const uint8_t> frame);

}  // namespace ballast::sim

#endif  // LB_SIM_SEGMENT_H_
