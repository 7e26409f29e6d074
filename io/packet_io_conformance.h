// What every PacketIo must do, as one suite: a backend's test includes this,
// derives a PacketIoWire and instantiates PacketIoConformance with it.
#ifndef IO_PACKET_IO_CONFORMANCE_H_
#define IO_PACKET_IO_CONFORMANCE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "io/base/frame.h"
#include "io/memory_packet_io.h"
#include "io/packet_io.h"

namespace ballast {

// A backend with two ports, and the other ends of their wires.
class PacketIoWire {
 public:
  struct Limits {
    uint32_t buffer_count = 128;
    uint32_t frame_bytes = 66000;
    // Few frames: the queue before us overflows soon.
    bool small_receive_queue = false;
  };

  virtual ~PacketIoWire() = default;
  // Why it cannot run here, or empty. Called first.
  virtual std::string Open(const Limits& limits) = 0;
  virtual PacketIo& io() = 0;
  virtual void Inject(const MemoryFrame& frame) = 0;
  // The next frame that io() sent, on any port; none within a second: empty
  // bytes.
  virtual MemoryFrame NextSent() = 0;
};

struct PacketIoBackend {
  std::string name;
  std::function<std::unique_ptr<PacketIoWire>()> make;
};
// The last argument of INSTANTIATE_TEST_SUITE_P.
inline std::string BackendName(
    const ::testing::TestParamInfo<PacketIoBackend>& info) {
  return info.param.name;
}
inline void PrintTo(const PacketIoBackend& backend, std::ostream* out) {
  *out << backend.name;
}

class PacketIoConformance : public ::testing::TestWithParam<PacketIoBackend> {
 protected:
  // Skips the test when the backend cannot run here.
  void Open(const PacketIoWire::Limits& limits);
  // Waits up to a second for at least one frame.
  size_t ReceiveSome(std::span<Frame> frames);
  PacketIo& io() { return wire_->io(); }

  std::unique_ptr<PacketIoWire> wire_;
};

// An Ethernet + IPv4 + UDP frame of `length` bytes; `tag` tells it from others
// (TagOf). Its checksums are finished.
std::vector<uint8_t> TaggedFrame(uint32_t tag, size_t length);
uint32_t TagOf(std::span<const uint8_t> bytes);

}  // namespace ballast

#endif  // IO_PACKET_IO_CONFORMANCE_H_
