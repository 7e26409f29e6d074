#include "io/memory_packet_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <utility>

#include "io/packet_io_conformance.h"

namespace ballast {
namespace {

class MemoryWire : public PacketIoWire {
 public:
  std::string Open(const Limits& limits) override {
    MemoryPacketIo::Options options;
    options.buffer_count = limits.buffer_count;
    options.frame_bytes = limits.frame_bytes;
    if (limits.small_receive_queue) options.receive_queue = 100;
    io_ = std::make_unique<MemoryPacketIo>(options);
    return "";
  }
  PacketIo& io() override { return *io_; }
  void Inject(const MemoryFrame& frame) override { io_->Inject(frame); }
  MemoryFrame NextSent() override {
    for (MemoryFrame& frame : io_->TakeSent()) {
      sent_.push_back(std::move(frame));
    }
    if (sent_.empty()) return {};
    MemoryFrame first = std::move(sent_.front());
    sent_.pop_front();
    return first;
  }

 private:
  std::unique_ptr<MemoryPacketIo> io_;
  std::deque<MemoryFrame> sent_;
};

INSTANTIATE_TEST_SUITE_P(, PacketIoConformance,
                         ::testing::Values(PacketIoBackend{
                             "Memory",
                             [] { return std::make_unique<MemoryWire>(); }}),
                         BackendName);

TEST(MemoryPacketIoTest, FullOutboxLeavesTheRestWithTheCaller) {
  MemoryPacketIo::Options options;
  options.send_queue = 3;
  MemoryPacketIo io(options);
  std::array<Frame, 5> frames;
  ASSERT_EQ(io.Allocate(frames), 5u);
  for (Frame& frame : frames) frame.length = 60;
  EXPECT_EQ(io.Send(frames), 3u);
  EXPECT_EQ(io.stats().send_full, 1u);
  EXPECT_EQ(io.TakeSent().size(), 3u);
  EXPECT_EQ(io.Send(std::span<Frame>(frames).subspan(3)), 2u);
  EXPECT_EQ(io.TakeSent().size(), 2u);
}

TEST(MemoryPacketIoDeathTest, ABufferGivenBackTwiceIsABug) {
  MemoryPacketIo io;
  std::array<Frame, 1> frames;
  ASSERT_EQ(io.Allocate(frames), 1u);
  io.Release(frames);
  EXPECT_DEATH(io.Release(frames), "check failed");
}

}  // namespace
}  // namespace ballast
