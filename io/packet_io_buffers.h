// The fixed buffers behind a PacketIo: one mapping, a stack of free ones.
//
// Cost     Take and Give: a pop and a push. Last given is first taken, so that
//          a caller who keeps few frames touches few buffers; pages nobody
//          wrote take no memory (512 buffers of 64 KiB: 33 MiB of addresses,
//          2 to 4 MiB of memory when each has held a small frame). Buffers
//          start at different cache sets.
// Errors   A frame given twice, or to the wrong owner, is a bug: CHECK.
// Threads  One at a time.
#ifndef IO_PACKET_IO_BUFFERS_H_
#define IO_PACKET_IO_BUFFERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/base/frame.h"

namespace ballast {

class FrameBuffers {
 public:
  // Writable bytes before a fresh frame; puts its IP header on 16 bytes.
  static constexpr uint32_t kHeadroom = 130;

  // `count` buffers, each for frames of up to `frame_bytes`. No memory: CHECK.
  FrameBuffers(uint32_t count, uint32_t frame_bytes);
  ~FrameBuffers();
  FrameBuffers(const FrameBuffers&) = delete;
  FrameBuffers& operator=(const FrameBuffers&) = delete;

  // An empty frame with its buffer: length 0, tailroom at least frame_bytes().
  // False when all are out.
  bool Take(Frame& frame);
  // Where the data of the `nth` Take() from now will be; nth < free_count().
  uint8_t* Peek(size_t nth) const {
    return Start(free_[free_.size() - 1 - nth]) + kHeadroom;
  }
  // `frame` may have been moved and resized within its buffer.
  void Give(const Frame& frame);
  uint32_t free_count() const { return static_cast<uint32_t>(free_.size()); }
  uint32_t frame_bytes() const { return frame_bytes_; }

 private:
  uint8_t* Start(uint32_t index) const { return base_ + index * stride_; }

  const uint32_t count_;
  const uint32_t frame_bytes_;
  size_t stride_;
  uint8_t* base_;
  std::vector<uint32_t> free_;
  std::vector<uint8_t> taken_;
};

}  // namespace ballast

#endif  // IO_PACKET_IO_BUFFERS_H_
