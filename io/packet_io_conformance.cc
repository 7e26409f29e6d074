#include "io/packet_io_conformance.h"

#include <gmock/gmock.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>

#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/checksum.h"
#include "io/base/flow_key.h"

namespace ballast {
namespace {

using ::testing::ElementsAreArray;
using ::testing::Ge;
using ::testing::IsEmpty;

constexpr size_t kEthernet = 14;
constexpr size_t kUdpHeaders = kEthernet + 20 + 8;
constexpr size_t kTcpHeaders = kEthernet + 20 + 20;
constexpr auto kWait = std::chrono::seconds(1);

const Address kSource = Address::V4(0x0A000001);
const Address kDestination = Address::V4(0x0A000002);

void WriteEthernetAndIp(ByteWriter& writer, Protocol protocol, size_t length) {
  for (const uint8_t last : {2, 1}) {
    writer.Bytes(std::array<uint8_t, 6>{0x02, 0xba, 0, 0, 0, last});
  }
  writer.U16(0x0800);
  const size_t ip = writer.size();
  writer.U16(0x4500);
  writer.U16(static_cast<uint16_t>(length - kEthernet));
  writer.U32(0);
  writer.U8(64);
  writer.U8(static_cast<uint8_t>(protocol));
  writer.U16(0);
  writer.Bytes(kSource.wire());
  writer.Bytes(kDestination.wire());
  const auto header = writer.written().subspan(ip);
  StoreBig16(&header[10], Checksum(header));
}

// A TCP super-frame as a stack hands it to a device that segments: the
// checksum field holds the pseudo-header's sum.
MemoryFrame TcpFrame(uint16_t port, size_t length, uint16_t segment_size) {
  MemoryFrame frame;
  frame.port = port;
  frame.bytes.resize(length);
  ByteWriter writer(frame.bytes);
  WriteEthernetAndIp(writer, Protocol::kTcp, length);
  writer.U16(4000);
  writer.U16(80);
  writer.U32(1);       // Sequence.
  writer.U32(1);       // Acknowledged.
  writer.U16(0x5010);  // Five words, ACK.
  writer.U16(500);     // Window.
  const uint32_t tcp_length = static_cast<uint32_t>(length - kEthernet - 20);
  writer.U16(ChecksumFold(
      PseudoHeaderSum(kSource, kDestination, Protocol::kTcp, tcp_length)));
  writer.U16(0);
  for (size_t i = kTcpHeaders; i < length; ++i) {
    frame.bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
  }
  frame.offload.partial_checksum = true;
  frame.offload.checksum_start = kEthernet + 20;
  frame.offload.checksum_offset = 16;
  if (segment_size != 0) {
    frame.offload.segmentation = Offload::Segmentation::kTcpV4;
    frame.offload.segment_size = segment_size;
    frame.offload.header_length = kTcpHeaders;
  }
  return frame;
}

void ExpectSameOffload(const Offload& actual, const Offload& expected) {
  EXPECT_EQ(actual.segmentation, expected.segmentation);
  EXPECT_EQ(actual.segment_size, expected.segment_size);
  EXPECT_EQ(actual.partial_checksum, expected.partial_checksum);
  EXPECT_EQ(actual.checksum_start, expected.checksum_start);
  EXPECT_EQ(actual.checksum_offset, expected.checksum_offset);
}

}  // namespace

std::vector<uint8_t> TaggedFrame(uint32_t tag, size_t length) {
  std::vector<uint8_t> bytes(std::max(length, kUdpHeaders + 4));
  ByteWriter writer(bytes);
  WriteEthernetAndIp(writer, Protocol::kUdp, bytes.size());
  writer.U16(4000);
  writer.U16(9);
  writer.U16(static_cast<uint16_t>(bytes.size() - kEthernet - 20));
  writer.U16(0);
  writer.U32(tag);
  return bytes;
}

uint32_t TagOf(std::span<const uint8_t> bytes) {
  return bytes.size() < kUdpHeaders + 4 ? 0 : LoadBig32(&bytes[kUdpHeaders]);
}

void PacketIoConformance::Open(const PacketIoWire::Limits& limits) {
  wire_ = GetParam().make();
  if (const std::string reason = wire_->Open(limits); !reason.empty()) {
    wire_ = nullptr;
    GTEST_SKIP() << "SKIPPED, cannot run here: " << reason;
  }
}

size_t PacketIoConformance::ReceiveSome(std::span<Frame> frames) {
  const auto until = std::chrono::steady_clock::now() + kWait;
  do {
    if (const size_t count = io().Receive(frames); count > 0) return count;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  } while (std::chrono::steady_clock::now() < until);
  return 0;
}

#define OPEN_OR_SKIP(...)                  \
  Open(PacketIoWire::Limits{__VA_ARGS__}); \
  if (wire_ == nullptr) return

TEST_P(PacketIoConformance, GivesFramesInOrderOnTheirPortWithHeadroom) {
  OPEN_OR_SKIP();
  for (uint32_t i = 0; i < 20; ++i) {
    const uint16_t port = i % 2;
    wire_->Inject({port, TaggedFrame(i + 1, 60 + 70 * i), {}});
  }
  uint32_t expected[2] = {1, 2};
  std::array<Frame, PacketIo::kBatchMax> frames;
  for (size_t total = 0; total < 20;) {
    const size_t count = ReceiveSome(frames);
    ASSERT_GT(count, 0u);
    for (size_t i = 0; i < count; ++i) {
      const Frame& frame = frames[i];
      ASSERT_LT(frame.port, 2);
      const uint32_t tag =
          std::exchange(expected[frame.port], expected[frame.port] + 2);
      EXPECT_THAT(frame.bytes(),
                  ElementsAreArray(TaggedFrame(tag, 60 + 70 * (tag - 1))));
      EXPECT_THAT(frame.headroom, Ge(PacketIo::kHeadroomMin));
      EXPECT_EQ(frame.offload.segmentation, Offload::Segmentation::kNone);
      EXPECT_FALSE(frame.offload.partial_checksum);
    }
    io().Release({frames.data(), count});
    total += count;
  }
  EXPECT_EQ(io().Receive(frames), 0u);
  EXPECT_EQ(io().stats().received, 20u);
  EXPECT_EQ(io().stats().receive_dropped, 0u);
}

TEST_P(PacketIoConformance, FillsNoMoreThanItIsGiven) {
  OPEN_OR_SKIP();
  for (uint32_t i = 1; i <= 30; ++i) wire_->Inject({0, TaggedFrame(i, 60), {}});
  std::array<Frame, 8> frames;
  frames[7].port = 777;
  EXPECT_EQ(io().Receive({}), 0u);
  uint32_t next = 1;
  while (next <= 30) {
    const size_t count = ReceiveSome(std::span<Frame>(frames).first(7));
    ASSERT_GT(count, 0u);
    ASSERT_LE(count, 7u);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(TagOf(frames[i].bytes()), next++);
    }
    io().Release({frames.data(), count});
  }
  EXPECT_EQ(frames[7].port, 777);
}

TEST_P(PacketIoConformance, FdIsReadableExactlyWhenFramesWait) {
  OPEN_OR_SKIP();
  if (io().fd() == -1) return;  // Nothing to poll, by design.
  pollfd poller = {io().fd(), POLLIN, 0};
  std::array<Frame, PacketIo::kBatchMax> frames;
  EXPECT_EQ(poll(&poller, 1, /*timeout=*/20), 0);
  wire_->Inject({1, TaggedFrame(1, 60), {}});
  EXPECT_EQ(poll(&poller, 1, /*timeout=*/1000), 1);
  const size_t count = ReceiveSome(frames);
  ASSERT_EQ(count, 1u);
  io().Release({frames.data(), count});
  EXPECT_EQ(poll(&poller, 1, /*timeout=*/20), 0);
}

TEST_P(PacketIoConformance, KeptFramesAreSentBatchesLaterInAnyOrder) {
  OPEN_OR_SKIP();
  std::vector<Frame> kept;
  std::array<Frame, 4> frames;
  for (uint32_t i = 1; i <= 12; ++i) {
    wire_->Inject({0, TaggedFrame(i, 200 + i), {}});
    while (kept.size() < i) {
      const size_t count = ReceiveSome(frames);
      ASSERT_GT(count, 0u);
      kept.insert(kept.end(), frames.begin(), frames.begin() + count);
    }
  }
  std::reverse(kept.begin(), kept.end());
  for (Frame& frame : kept) frame.port = 1;
  ASSERT_EQ(io().Send(kept), kept.size());
  for (uint32_t i = 12; i >= 1; --i) {
    const MemoryFrame sent = wire_->NextSent();
    EXPECT_EQ(sent.port, 1);
    EXPECT_THAT(sent.bytes, ElementsAreArray(TaggedFrame(i, 200 + i)));
  }
  EXPECT_EQ(io().stats().sent, 12u);
}

TEST_P(PacketIoConformance, OneSendReachesSeveralPorts) {
  OPEN_OR_SKIP();
  std::array<Frame, 10> frames;
  ASSERT_EQ(io().Allocate(frames), frames.size());
  for (uint32_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].length, 0u);
    EXPECT_THAT(frames[i].headroom, Ge(PacketIo::kHeadroomMin));
    const auto bytes = TaggedFrame(i + 1, 100);
    ASSERT_GE(frames[i].tailroom, bytes.size());
    std::copy(bytes.begin(), bytes.end(), frames[i].data);
    frames[i].length = static_cast<uint32_t>(bytes.size());
    frames[i].port = i % 2;
  }
  ASSERT_EQ(io().Send(frames), frames.size());
  std::vector<uint32_t> tags[2];
  for (size_t i = 0; i < frames.size(); ++i) {
    const MemoryFrame sent = wire_->NextSent();
    ASSERT_LT(sent.port, 2);
    tags[sent.port].push_back(TagOf(sent.bytes));
  }
  EXPECT_THAT(tags[0], ElementsAreArray({1, 3, 5, 7, 9}));
  EXPECT_THAT(tags[1], ElementsAreArray({2, 4, 6, 8, 10}));
}

TEST_P(PacketIoConformance, HeadroomTakesNewBytesInFront) {
  OPEN_OR_SKIP();
  const auto inner = TaggedFrame(5, 300);
  wire_->Inject({0, inner, {}});
  std::array<Frame, 1> frames;
  ASSERT_EQ(ReceiveSome(frames), 1u);
  Frame& frame = frames[0];
  // All of what is promised, with a copy of the Ethernet header in front.
  frame.data -= PacketIo::kHeadroomMin;
  frame.headroom -= PacketIo::kHeadroomMin;
  frame.length += PacketIo::kHeadroomMin;
  std::fill(frame.data, frame.data + PacketIo::kHeadroomMin, 0xEE);
  std::copy(inner.begin(), inner.begin() + kEthernet, frame.data);
  frame.port = 1;
  ASSERT_EQ(io().Send(frames), 1u);
  const MemoryFrame sent = wire_->NextSent();
  ASSERT_EQ(sent.bytes.size(), inner.size() + PacketIo::kHeadroomMin);
  EXPECT_THAT(std::span(sent.bytes).subspan(PacketIo::kHeadroomMin),
              ElementsAreArray(inner));
  EXPECT_EQ(sent.bytes[PacketIo::kHeadroomMin - 1], 0xEE);
}

TEST_P(PacketIoConformance, SentAndReleasedBuffersComeBack) {
  OPEN_OR_SKIP(.buffer_count = 8);
  std::array<Frame, 3> frames;
  for (uint32_t i = 1; i <= 40; ++i) {
    wire_->Inject({0, TaggedFrame(i, 60), {}});
    const size_t count = ReceiveSome(frames);
    ASSERT_EQ(count, 1u) << "frame " << i;
    if (i % 2 == 0) {
      io().Release({frames.data(), count});
    } else {
      ASSERT_EQ(io().Send({frames.data(), count}), count);
      EXPECT_EQ(TagOf(wire_->NextSent().bytes), i);
    }
  }
  std::array<Frame, 8> all;
  EXPECT_EQ(io().Allocate(all), 8u);
  io().Release(all);
}

TEST_P(PacketIoConformance, NoFreeBufferIsCountedAndLosesNothing) {
  OPEN_OR_SKIP(.buffer_count = 8);
  std::array<Frame, 9> frames;
  EXPECT_EQ(io().Allocate(frames), 8u);
  EXPECT_EQ(io().stats().no_buffer, 1u);
  wire_->Inject({0, TaggedFrame(1, 60), {}});
  std::array<Frame, 4> received;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(io().Receive(received), 0u);
  EXPECT_EQ(io().stats().no_buffer, 2u);
  io().Release(std::span<Frame>(frames).first(1));
  ASSERT_EQ(ReceiveSome(received), 1u);
  EXPECT_EQ(TagOf(received[0].bytes()), 1u);
  io().Release(std::span<Frame>(received).first(1));
  io().Release(std::span<Frame>(frames).subspan(1, 7));
}

TEST_P(PacketIoConformance, SuperFrameAndPartialChecksumPassUnharmed) {
  OPEN_OR_SKIP();
  for (const auto& [length, segment] :
       {std::pair<size_t, uint16_t>{64014, 1448},
        {kTcpHeaders + 3000, 1448},
        {kTcpHeaders + 100, 0}}) {
    SCOPED_TRACE(length);
    const MemoryFrame injected = TcpFrame(0, length, segment);
    wire_->Inject(injected);
    std::array<Frame, 4> frames;
    ASSERT_EQ(ReceiveSome(frames), 1u);
    EXPECT_THAT(frames[0].bytes(), ElementsAreArray(injected.bytes));
    ExpectSameOffload(frames[0].offload, injected.offload);
    frames[0].port = 1;
    ASSERT_EQ(io().Send(std::span<Frame>(frames).first(1)), 1u);
    const MemoryFrame sent = wire_->NextSent();
    EXPECT_THAT(sent.bytes, ElementsAreArray(injected.bytes));
    ExpectSameOffload(sent.offload, injected.offload);
  }
}

TEST_P(PacketIoConformance, FrameLongerThanABufferIsDroppedAndCounted) {
  OPEN_OR_SKIP(.frame_bytes = 2000);
  wire_->Inject(TcpFrame(0, 9014, 1448));
  wire_->Inject({0, TaggedFrame(2, 60), {}});
  std::array<Frame, 4> frames;
  ASSERT_EQ(ReceiveSome(frames), 1u);
  EXPECT_EQ(TagOf(frames[0].bytes()), 2u);
  io().Release(std::span<Frame>(frames).first(1));
  EXPECT_EQ(io().stats().receive_truncated, 1u);
  EXPECT_EQ(io().stats().received, 1u);
}

TEST_P(PacketIoConformance, EveryFrameIsReceivedOrCountedDropped) {
  OPEN_OR_SKIP(.small_receive_queue = true);
  constexpr size_t kInjected = 5000;
  for (uint32_t i = 1; i <= kInjected; ++i) {
    wire_->Inject({0, TaggedFrame(i, 1000), {}});
  }
  std::array<Frame, PacketIo::kBatchMax> frames;
  size_t received = 0;
  uint32_t last = 0;
  while (const size_t count = ReceiveSome(frames)) {
    for (size_t i = 0; i < count; ++i) {
      EXPECT_GT(TagOf(frames[i].bytes()), last);
      last = TagOf(frames[i].bytes());
    }
    received += count;
    io().Release({frames.data(), count});
  }
  const PacketIoStats stats = io().stats();
  EXPECT_EQ(stats.received, received);
  EXPECT_GT(stats.receive_dropped, 0u);
  EXPECT_EQ(stats.received + stats.receive_dropped, kInjected);
  // Reading the counters does not reset them.
  EXPECT_EQ(io().stats().receive_dropped, stats.receive_dropped);
}

TEST_P(PacketIoConformance, WhatCannotBeSentIsTakenAndCounted) {
  OPEN_OR_SKIP(.buffer_count = 8);
  std::array<Frame, 4> frames;
  ASSERT_EQ(io().Allocate(frames), 4u);
  const auto bytes = TaggedFrame(7, 60);
  for (Frame& frame : frames) {
    std::copy(bytes.begin(), bytes.end(), frame.data);
    frame.length = static_cast<uint32_t>(bytes.size());
  }
  frames[0].port = 99;   // No such port.
  frames[1].length = 0;  // No frame.
  frames[2].length = 5;  // Not even an Ethernet header.
  ASSERT_EQ(io().Send(frames), 4u);
  EXPECT_EQ(TagOf(wire_->NextSent().bytes), 7u);
  EXPECT_EQ(io().stats().send_refused, 3u);
  EXPECT_EQ(io().stats().sent, 1u);
  std::array<Frame, 8> all;
  EXPECT_EQ(io().Allocate(all), 8u);
  io().Release(all);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PacketIoConformance);

}  // namespace ballast
