// One Ethernet frame as it crosses the seam between packet I/O and the pure
// packet code: where its bytes are, which port it came from or goes to, and
// what the sender's stack left undone.
#ifndef IO_BASE_FRAME_H_
#define IO_BASE_FRAME_H_

#include <cstdint>
#include <span>

namespace ballast {

// What a sender's stack left for the device (virtio-net's vocabulary). All
// zero: a whole frame with finished checksums.
struct Offload {
  enum class Segmentation : uint8_t { kNone = 0, kTcpV4, kTcpV6, kUdp };

  Segmentation segmentation = Segmentation::kNone;
  bool ecn = false;  // TCP with CWR set: segments keep it on the first only.
  // The checksum field holds only the pseudo-header's sum, not complemented;
  // whoever finishes it sums from checksum_start to the end of the segment.
  bool partial_checksum = false;
  // The backend or device has verified the checksum already.
  bool checksum_verified = false;
  uint16_t segment_size = 0;     // Payload bytes per segment (gso_size).
  uint16_t header_length = 0;    // Bytes of headers before the payload, a hint.
  uint16_t checksum_start = 0;   // From the first byte of the Ethernet header.
  uint16_t checksum_offset = 0;  // From checksum_start to the checksum field.
};

// Whoever changes where the Ethernet header begins (`data`) moves
// offload.checksum_start with it.
struct Frame {
  uint8_t* data = nullptr;  // First byte of the Ethernet header.
  uint32_t length = 0;      // Bytes from `data`.
  uint32_t headroom = 0;    // Writable bytes before `data`.
  uint32_t tailroom = 0;    // Writable bytes after `data + length`.
  uint16_t port = 0;        // Which port it came from or goes to.
  uint32_t cookie = 0;      // The backend's own handle.
  Offload offload;

  std::span<uint8_t> bytes() const { return {data, length}; }
};

}  // namespace ballast

#endif  // IO_BASE_FRAME_H_
