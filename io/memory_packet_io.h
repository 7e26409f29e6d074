// A PacketIo without a kernel: the caller injects what Receive() shall return
// and takes away what Send() collected. For pure tests, simulations and
// examples:packets_in_memory.
//
// Deterministic: frames come out in the order they went in; no clock, no
// thread, no descriptor. Offload metadata passes unchanged both ways.
// Bounded: a full receive queue drops and counts, a full outbox makes Send()
// take fewer. A wire between two:
//
//   for (MemoryFrame& frame : a.TakeSent()) b.Inject(std::move(frame));
#ifndef IO_MEMORY_PACKET_IO_H_
#define IO_MEMORY_PACKET_IO_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "io/base/frame.h"
#include "io/packet_io.h"
#include "io/packet_io_buffers.h"

namespace ballast {

// A frame that owns its bytes.
struct MemoryFrame {
  uint16_t port = 0;
  std::vector<uint8_t> bytes;
  Offload offload;
};

class MemoryPacketIo : public PacketIo {
 public:
  struct Options {
    uint16_t port_count = 2;      // Frame::port is below it.
    uint32_t buffer_count = 256;  // What the caller of PacketIo can keep.
    uint32_t frame_bytes = 2048;  // The longest frame; 65,550 for GSO.
    size_t receive_queue = 1024;  // Frames injected and not yet received.
    size_t send_queue = 1 << 20;  // Frames sent and not yet taken away.
  };
  explicit MemoryPacketIo(const Options& options);
  MemoryPacketIo() : MemoryPacketIo(Options()) {}

  // The wire's side. False when the queue is full (counted receive_dropped);
  // a port that does not exist is the caller's bug: CHECK.
  bool Inject(MemoryFrame frame);
  // What was sent since the last call, in order.
  std::vector<MemoryFrame> TakeSent();

  size_t Receive(std::span<Frame> frames) override;
  size_t Send(std::span<const Frame> frames) override;
  void Release(std::span<const Frame> frames) override;
  size_t Allocate(std::span<Frame> frames) override;
  PacketIoStats stats() const override { return stats_; }

 private:
  const Options options_;
  FrameBuffers buffers_;
  std::deque<MemoryFrame> receive_queue_;
  std::vector<MemoryFrame> sent_;
  PacketIoStats stats_;
};

}  // namespace ballast

#endif  // IO_MEMORY_PACKET_IO_H_
