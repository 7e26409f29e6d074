#include "lb/run/packet_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/memory_packet_io.h"
#include "lb/l4/director_world.h"

namespace ballast::run {
namespace {

using l4::DirectorWorld;
using l4::kVip;
using ::testing::SizeIs;

class PacketRunnerTest : public ::testing::Test {
 protected:
  void Inject(const char* client, const char* flags) {
    l4::Bytes bytes = l4::Framed(DirectorWorld::Tcp(client, kVip, flags));
    std::copy(l4::kOurMac.bytes.begin(), l4::kOurMac.bytes.end(),
              bytes.begin());
    ASSERT_TRUE(io_.Inject({.port = 0, .bytes = bytes}));
  }

  MemoryPacketIo io_{{.port_count = 2, .buffer_count = 512, .send_queue = 64}};
  DirectorWorld world_{{.services = {l4::Service(kVip, {"10.0.0.1:8080"})}}};
  PacketRunner runner_{io_, *world_.director};
};

TEST_F(PacketRunnerTest, SendsWhatTheDirectorForwardsAndReleasesTheRest) {
  Inject("192.0.2.7:1", "S");
  Inject("192.0.2.7:2", "A");  // No such flow: dropped.
  EXPECT_EQ(runner_.RunOnce(world_.now), 2u);
  const auto sent = io_.TakeSent();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].port, 1);
  // Every buffer is free again.
  std::vector<Frame> all(512);
  size_t got = 0;
  while (io_.Allocate({&all[got], 1}) == 1) ++got;
  EXPECT_EQ(got, 512u);
  io_.Release(all);
}

TEST_F(PacketRunnerTest, AFullOutputHoldsFramesAndThenReceiving) {
  for (int i = 0; i < 400; ++i) {
    Inject(absl::StrCat("192.0.2.7:", 1000 + i).c_str(), "S");
  }
  size_t received = 0;
  for (int i = 0; i < 20; ++i) received += runner_.RunOnce(world_.now);
  // 64 in the output's queue, and an outbox of 256 that leaves no room for
  // another batch.
  EXPECT_EQ(received, 320u);
  EXPECT_GT(runner_.outbox(), 192u);
  size_t sent = 0;
  for (int i = 0; i < 20; ++i) {
    sent += io_.TakeSent().size();
    received += runner_.RunOnce(world_.now);
  }
  EXPECT_EQ(received, 400u);
  EXPECT_EQ(sent, 400u);
  EXPECT_EQ(runner_.outbox(), 0u);
}

TEST_F(PacketRunnerTest, SendsTheDirectorsOwnFrames) {
  world_.Advance(absl::Seconds(2));
  runner_.RunOnce(world_.now);
  const auto sent = io_.TakeSent();
  ASSERT_THAT(sent, SizeIs(1));  // The VIP's second announcement.
  EXPECT_EQ(sent[0].port, 0);
}

// ---- The lease -------------------------------------------------------------

class LeaseTest : public PacketRunnerTest {
 protected:
  uint64_t late() const { return world_.drops(l4::DropReason::kLeaseExpired); }
  // The clock as the runner reads it: `stops_after` looks from now the process
  // is stopped for a second.
  Instant Clock() {
    if (stops_after_ >= 0 && stops_after_-- == 0) {
      world_.Advance(absl::Seconds(1));
    }
    return world_.now;
  }

  std::atomic<int64_t> lease_ns_{(world_.now + absl::Milliseconds(60)).nanos()};
  int stops_after_ = -1;
  PacketRunner leased_{
      io_, *world_.director, {.lease_ns = &lease_ns_, .clock = [this] {
                                return Clock();
                              }}};
};

TEST_F(LeaseTest, ForwardsWhileItHolds) {
  Inject("192.0.2.7:1", "S");
  leased_.RunOnce(world_.now);
  EXPECT_THAT(io_.TakeSent(), SizeIs(1));
  EXPECT_EQ(late(), 0u);
}

TEST_F(LeaseTest, WhatCameInWhileTheProcessWasStoppedIsNotForwarded) {
  const Instant before = world_.now;
  Inject("192.0.2.7:1", "S");
  stops_after_ = 0;  // Between the owner's look at the clock and ours.
  EXPECT_EQ(leased_.RunOnce(before), 1u);
  EXPECT_THAT(io_.TakeSent(), SizeIs(0));
  EXPECT_EQ(late(), 1u);
  EXPECT_EQ(world_.director->flow_count(), 0u);
  // Renewed by a control thread that still is, or again is, the active one.
  lease_ns_ = (world_.now + absl::Milliseconds(60)).nanos();
  Inject("192.0.2.7:1", "S");
  leased_.RunOnce(world_.now);
  EXPECT_THAT(io_.TakeSent(), SizeIs(1));
}

TEST_F(LeaseTest, WhatWasForwardedBeforeAStopIsNotSentAfterIt) {
  Inject("192.0.2.7:1", "S");
  stops_after_ = 1;  // After Process().
  EXPECT_EQ(leased_.RunOnce(world_.now), 1u);
  EXPECT_THAT(io_.TakeSent(), SizeIs(0));
  EXPECT_EQ(late(), 1u);
  EXPECT_EQ(leased_.outbox(), 0u);
  const l4::DirectorCounters& counters = world_.director->counters().director;
  EXPECT_EQ(counters.received.value() + counters.made.value(),
            counters.sent.value() + late());
  // Its buffer is free again.
  std::vector<Frame> all(512);
  size_t got = 0;
  while (io_.Allocate({&all[got], 1}) == 1) ++got;
  EXPECT_EQ(got, 512u);
  io_.Release(all);
}

TEST_F(LeaseTest, AStandbyNeedsNone) {
  world_.director->SetActive(world_.now, false);
  world_.Advance(absl::Seconds(1));
  Inject("192.0.2.7:1", "S");
  leased_.RunOnce(world_.now);
  EXPECT_EQ(late(), 0u);
  EXPECT_EQ(world_.drops(l4::DropReason::kStandby), 1u);
}

}  // namespace
}  // namespace ballast::run
