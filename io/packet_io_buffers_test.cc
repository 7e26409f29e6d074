#include "io/packet_io_buffers.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <vector>

#include "io/packet_io.h"

namespace ballast {
namespace {

TEST(FrameBuffersTest, EveryBufferHoldsAWholeFrameOfItsOwn) {
  FrameBuffers buffers(50, 1000);
  std::vector<Frame> frames(50);
  for (size_t i = 0; i < frames.size(); ++i) {
    ASSERT_TRUE(buffers.Take(frames[i]));
    EXPECT_EQ(frames[i].length, 0u);
    EXPECT_GE(frames[i].headroom, PacketIo::kHeadroomMin);
    EXPECT_GE(frames[i].tailroom, 1000u);
    std::memset(frames[i].data - frames[i].headroom, static_cast<int>(i),
                frames[i].headroom + frames[i].tailroom);
  }
  Frame none;
  EXPECT_FALSE(buffers.Take(none));
  for (size_t i = 0; i < frames.size(); ++i) {
    const Frame& frame = frames[i];
    EXPECT_EQ(*(frame.data - frame.headroom), i);
    EXPECT_EQ(frame.data[frame.tailroom - 1], i);
  }
}

TEST(FrameBuffersTest, TakesInTheOrderPeekedLastGivenFirst) {
  FrameBuffers buffers(4, 100);
  Frame frames[4];
  for (size_t i = 0; i < 4; ++i) {
    uint8_t* expected = buffers.Peek(0);
    uint8_t* after = i < 3 ? buffers.Peek(1) : nullptr;
    ASSERT_TRUE(buffers.Take(frames[i]));
    EXPECT_EQ(frames[i].data, expected);
    if (after != nullptr) {
      EXPECT_EQ(buffers.Peek(0), after);
    }
  }
  buffers.Give(frames[2]);
  buffers.Give(frames[1]);
  EXPECT_EQ(buffers.Peek(0), frames[1].data);
  EXPECT_EQ(buffers.Peek(1), frames[2].data);
}

TEST(FrameBuffersTest, HeadersAreAlignedAndSpreadOverCacheSets) {
  FrameBuffers buffers(64, 65554);
  std::set<uintptr_t> sets;
  for (int i = 0; i < 64; ++i) {
    Frame frame;
    ASSERT_TRUE(buffers.Take(frame));
    const auto at = reinterpret_cast<uintptr_t>(frame.data);
    EXPECT_EQ((at + 14) % 16, 0u);
    sets.insert(at / 64 % 64);  // A first-level cache of 64 sets.
  }
  EXPECT_EQ(sets.size(), 64u);
}

TEST(FrameBuffersTest, UntouchedBuffersTakeNoMemory) {
  constexpr uint32_t kCount = 512;
  constexpr uint32_t kBytes = 65554;
  FrameBuffers buffers(kCount, kBytes);
  std::vector<Frame> frames(kCount);
  for (Frame& frame : frames) {
    ASSERT_TRUE(buffers.Take(frame));
    std::memset(frame.data, 1, 60);
  }
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  uint8_t* base = frames[0].data - frames[0].headroom;
  const size_t pages = size_t{kCount} * kBytes / page;
  std::vector<unsigned char> resident(pages);
  ASSERT_EQ(mincore(base, pages * page, resident.data()), 0);
  size_t touched = 0;
  for (const unsigned char flag : resident) touched += flag & 1;
  EXPECT_LE(touched, 2u * kCount);
  EXPECT_GE(touched, kCount - 1u);
}

TEST(FrameBuffersDeathTest, AFrameOutsideItsBufferIsABug) {
  FrameBuffers buffers(2, 100);
  Frame frame;
  ASSERT_TRUE(buffers.Take(frame));
  frame.data += 1000;
  EXPECT_DEATH(buffers.Give(frame), "check failed");
}

}  // namespace
}  // namespace ballast
