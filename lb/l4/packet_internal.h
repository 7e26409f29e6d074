// The parts of Parse() that have a file of their own.
#ifndef LB_L4_PACKET_INTERNAL_H_
#define LB_L4_PACKET_INTERNAL_H_

#include <cstdint>

#include "io/base/frame.h"
#include "lb/l4/drop_reason.h"
#include "lb/l4/packet.h"

namespace ballast::l4::packet_internal {

inline constexpr uint8_t kHopByHop = 0;  // IPv6 extension header.

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
// of a later fragment. Never reads at or behind `end`.
DropReason WalkExtensionHeaders(const uint8_t* data, uint32_t offset,
                                uint32_t end, uint8_t protocol, Chain* chain);

// Whether the partial checksum, if there is one, is where the transport's is.
// One that starts elsewhere belongs to a packet inside a tunnel: the outer
// checksum is then a finished one.
inline bool NotePartialChecksum(const Frame& frame, uint16_t offset,
                                Packet* packet) {
  const Offload& offload = frame.offload;
  if (!offload.partial_checksum || offload.checksum_start != packet->l4) {
    return true;
  }
  packet->partial_checksum = true;
  return offload.checksum_offset == offset && !packet->is_fragment;
}

// From packet->l4 on; whole packets and first fragments.
DropReason ParseIcmp(const Frame& frame, Packet* packet);
DropReason ParseIcmpV6(const Frame& frame, Packet* packet);

}  // namespace ballast::l4::packet_internal

#endif  // LB_L4_PACKET_INTERNAL_H_
