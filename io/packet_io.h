// Raw Ethernet frames in and out of a set of ports: one virtual call per batch,
// none per frame. One PacketIo per (thread, port set). Never blocks.
//
// Ownership  a frame from Receive() or Allocate() is the caller's until it is
//            handed to Send() or Release(); both may come batches later (a
//            frame may wait for a neighbour's answer). A backend owns a fixed
//            number of buffers: who keeps frames keeps the backend from
//            receiving, so whatever keeps them is bounded.
// Offload    what the sender's stack left undone: segment size, checksum start
//            and offset. Backends without it finish checksums before sending
//            and refuse (count, release) what they cannot segment.
// Threads    one thread at a time; different PacketIo objects are independent.
#ifndef IO_PACKET_IO_H_
#define IO_PACKET_IO_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/base/frame.h"

namespace ballast {

struct PacketIoStats {
  uint64_t received = 0;         // Frames given to the caller.
  uint64_t sent = 0;             // Frames the kernel took.
  uint64_t receive_dropped = 0;  // Lost before us: the kernel's queue was full.
  uint64_t receive_truncated = 0;    // Longer than a buffer: dropped.
  uint64_t receive_unsupported = 0;  // Offload we have no words for: dropped.
  uint64_t send_refused = 0;         // The kernel refused the frame: dropped.
  uint64_t send_full = 0;            // Send() took fewer than offered.
  uint64_t no_buffer = 0;            // Allocate() or Receive() found none free.
};

class PacketIo {
 public:
  static constexpr size_t kBatchMax = 64;
  // Every buffer leaves at least this much headroom on receive and allocate.
  static constexpr size_t kHeadroomMin = 64;

  virtual ~PacketIo() = default;

  // Fills the front of `frames`; returns how many.
  virtual size_t Receive(std::span<Frame> frames) = 0;
  // Takes a prefix of `frames`; returns its length. The rest stays the
  // caller's: drop (and count) or retry. A frame taken and then refused by the
  // kernel is counted in send_refused.
  virtual size_t Send(std::span<const Frame> frames) = 0;
  virtual void Release(std::span<const Frame> frames) = 0;
  // Empty frames (length 0) to write into and send; returns how many.
  virtual size_t Allocate(std::span<Frame> frames) = 0;
  // Readable (poll, epoll, Reactor) when Receive() would return something; -1
  // where there is no descriptor (memory).
  virtual int fd() const { return -1; }
  virtual PacketIoStats stats() const = 0;
};

}  // namespace ballast

#endif  // IO_PACKET_IO_H_
