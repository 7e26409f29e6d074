// With a peer that has no roles (SyncOptions::shared): what it told stays its
// own until a packet of it comes here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ha/sync_record.h"
#include "lb/l4/director_pair.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;
using ha::SyncRecord;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DirectorSharedTest : public ::testing::Test {
 protected:
  DirectorSharedTest() : world_(Several()) {
    // As a unit beside a conntrackd has it.
    world_.director->SetSync(
        {.settings = {.threshold = 0, .period = 0, .refresh_s = 3600},
         .shared = true});
    world_.director->StartTelling(world_.now);
  }

  World world_;
};

TEST_F(DirectorSharedTest, WhatThePeerToldIsNotToldBack) {
  EXPECT_EQ(Apply(world_, Record()).created, 1u);
  EXPECT_EQ(Apply(world_, Record()).updated, 1u);
  EXPECT_EQ(
      Apply(world_, Record(kClient6, kVip6, "[2001:db8:5::1]:8080")).created,
      1u);
  EXPECT_EQ(Apply(world_, Record(kClient, kVip, "10.0.0.99:1")).created, 0u);
  EXPECT_THAT(TakeChanges(world_), IsEmpty());
  EXPECT_THAT(ExportAll(world_), IsEmpty());
  // Nor its end by its timeout.
  world_.Advance(absl::Seconds(1000));
  world_.Emit();
  EXPECT_FALSE(Flow(world_).has_value());
  EXPECT_THAT(TakeChanges(world_), IsEmpty());
}

TEST_F(DirectorSharedTest, ThePeersWordChangesAndEndsItThoughWeAreActive) {
  Apply(world_, Record());
  SyncRecord record = Record();
  record.state = 4;
  record.flags = ha::kInactive;
  EXPECT_EQ(Apply(world_, record).updated, 1u);
  EXPECT_EQ(Flow(world_)->state, TcpState::kFinWait);
  EXPECT_EQ(Apply(world_, Gone(record)).removed, 1u);
  EXPECT_FALSE(Flow(world_).has_value());
}

TEST_F(DirectorSharedTest, WithItsFirstPacketHereItIsOurs) {
  Apply(world_, Record());
  EXPECT_EQ(world_.FromClient(World::Tcp(kClient, kVip, "A")).destination(),
            E(kServer));
  EXPECT_THAT(TakeChanges(world_), SizeIs(1));
  EXPECT_THAT(ExportAll(world_), SizeIs(1));
  EXPECT_EQ(Apply(world_, Record()).stale, 1u);
  EXPECT_EQ(Apply(world_, Gone(Record())).stale, 1u);
  EXPECT_TRUE(Flow(world_).has_value());
}

TEST_F(DirectorSharedTest, OursIsToldOnceItIsEstablishedAndWhenItEnds) {
  world_.FromClient(World::Tcp(kClient, kVip, "S"));
  EXPECT_THAT(TakeChanges(world_), IsEmpty());
  const auto server = Flow(world_)->server;
  world_.FromServer(World::Tcp(server.ToString().c_str(), kClient, "SA"));
  world_.FromClient(World::Tcp(kClient, kVip, "A"));
  auto told = TakeChanges(world_);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].state, 1);
  EXPECT_EQ(told[0].server, server);
  // Not with every packet.
  for (int i = 0; i < 100; ++i) {
    world_.FromClient(World::Tcp(kClient, kVip, "A"));
  }
  EXPECT_THAT(TakeChanges(world_), IsEmpty());
  world_.FromClient(World::Tcp(kClient, kVip, "FA"));
  told = TakeChanges(world_);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_NE(told[0].state, 1);
  world_.Advance(absl::Seconds(1000));
  world_.Emit();
  told = TakeChanges(world_);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].kind, SyncRecord::Kind::kGone);
}

}  // namespace
}  // namespace ballast::l4
