// Captured packets: classic pcap files (of tcpdump, tshark) of Ethernet, as the
// IP packets in them. For tools and tests.
//
//   PacketCapture capture(bytes);
//   while (const auto packet = capture.Next()) ...
//   if (!capture.status().ok()) ...
//
// Takes    microsecond and nanosecond files of both byte orders, link type
//          Ethernet without VLAN tags.
// Errors   kInvalidArgument: what is wrong and at which offset of the file.
//          Frames that hold no whole IP packet are no error: Next() passes over
//          them.
// Threads  none of its own.
#ifndef HA_CAPTURE_H_
#define HA_CAPTURE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "io/base/address.h"

namespace ballast::ha {

struct CapturedPacket {
  size_t frame = 0;        // Of the file, from 1.
  size_t file_offset = 0;  // Where its Ethernet header begins.
  int64_t when_us = 0;     // Since 1970.

  uint8_t protocol = 0;  // Of `payload`; IPv6 extension headers are not read.
  uint8_t ttl = 0;       // Or hop limit.
  // One of several fragments: `payload` is no whole message.
  bool fragment = false;
  Address source;
  Address destination;
  std::span<const uint8_t> payload;  // Without Ethernet's padding.
};

// Ports and payload of UDP, ports and flags of TCP; nullopt if it is neither,
// or a fragment, or cut short.
struct CapturedSegment {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t tcp_flags = 0;             // Byte 13 of the header; 0 for UDP.
  std::span<const uint8_t> payload;  // Of UDP; empty for TCP.
};
std::optional<CapturedSegment> SegmentOf(const CapturedPacket& packet);

class PacketCapture {
 public:
  // `file` outlives it and what Next() returns.
  explicit PacketCapture(std::span<const uint8_t> file);

  // nullopt at the end, or where the file is broken: see status().
  std::optional<CapturedPacket> Next();
  const absl::Status& status() const { return status_; }
  // When the file's first frame was taken, whatever it is; 0 if none was read.
  int64_t start_us() const { return start_us_; }

 private:
  uint32_t U32(size_t at) const;
  // The next frame's bytes, and `packet`'s place and time.
  std::optional<std::span<const uint8_t>> NextFrame(CapturedPacket& packet);

  std::span<const uint8_t> file_;
  size_t offset_ = 0;
  size_t frames_ = 0;
  int64_t start_us_ = 0;
  bool swapped_ = false;
  bool nanoseconds_ = false;
  absl::Status status_;
};

}  // namespace ballast::ha

#endif  // HA_CAPTURE_H_
