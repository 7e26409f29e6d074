// The whole table by stream, and roles (R2).
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/fake_state_table.h"
#include "ha/replicator.h"
#include "ha/replicator_testing.h"
#include "ha/transfer_wire.h"
#include "io/base/address.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kSoon = absl::Milliseconds(40);

SyncRecord Connection(uint32_t n) { return FakeStateTable::Connection(n); }

using ReplicatorTransferTest = ReplicatorTest;

TEST_F(ReplicatorTransferTest, AFollowerGetsTheWholeTable) {
  Fill(a(), 0, 10000);
  EXPECT_FALSE(b().replicator.complete());
  EXPECT_EQ(b().replicator.position(), 0u);
  pair_->Join();
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(b().table.connection_count(), 10000u);
  EXPECT_EQ(b().table.ToldNow(), a().table.ToldNow());
  EXPECT_EQ(b().replicator.position(), a().replicator.position());
  for (auto* unit : {&a(), &b()}) {
    const ReplicatorStats& stats = unit->replicator.stats();
    EXPECT_EQ(stats.transfers_begun, 1u);
    EXPECT_EQ(stats.transfers_complete, 1u);
    EXPECT_EQ(stats.transfer_records, 10000u);
    EXPECT_EQ(stats.transfer_total, 10000u);
  }
  EXPECT_TRUE(b().table.Find(Connection(1))->has_detail);
}

TEST_F(ReplicatorTransferTest, ATableThatIsNotReadyIsGivenLater) {
  Fill(a(), 0, 1000);
  a().table.set_ready(false);
  pair_->Join();
  Run(absl::Seconds(1));
  EXPECT_FALSE(b().replicator.complete());
  EXPECT_EQ(a().table.asked_not_ready(), 0u);
  a().table.set_ready(true);
  Run(absl::Seconds(1));
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(b().table.connection_count(), 1000u);
}

TEST_F(ReplicatorTransferTest, AnEmptyTableIsCompleteToo) {
  pair_->Join();
  EXPECT_TRUE(b().replicator.complete());
}

TEST_F(ReplicatorTransferTest, WhatIsNotToldAgainIsRemoved) {
  Fill(b(), 100, 200);
  Fill(a(), 0, 150);
  pair_->Join();
  EXPECT_EQ(b().table.connection_count(), 150u);
  EXPECT_FALSE(b().table.Has(Connection(199)));
}

// R2.
TEST_F(ReplicatorTransferTest, ChangesMeanwhileComeInTheirPlace) {
  pair_->set_stream_room(1);
  Fill(a(), 0, 20000);
  a().replicator.Lead(now());
  pair_->StreamUp();
  b().replicator.Follow(now());
  uint32_t n = 0;
  while (!b().replicator.complete() && n < 20000) {
    // Of those already given, those to come, and new ones.
    a().table.Remove(Connection(n));
    a().table.Put(Connection(20000 + n));
    a().table.Remove(Connection(19999 - n));
    a().table.Put(Connection(n / 2));
    n += 7;
    Run(absl::Microseconds(300));
  }
  EXPECT_GT(n, 500u);
  EXPECT_EQ(b().replicator.stats().sums_differed, 0u);
  Run(kSoon);
  EXPECT_EQ(b().table.ToldNow(), a().table.ToldNow());
  EXPECT_TRUE(b().replicator.complete());
}

TEST_F(ReplicatorTransferTest, AStreamWithoutRoomIsTriedAgainNotSpunOn) {
  Fill(a(), 0, 1000);
  pair_->set_stream_room(0);
  pair_->Join();
  const uint64_t before = pair_->ticks();
  Run(absl::Seconds(10));
  EXPECT_LE(pair_->ticks() - before, 1100u);  // The request, every 10 ms.
  pair_->set_stream_room(1);
  Run(absl::Milliseconds(100));
  EXPECT_TRUE(b().replicator.complete());
}

TEST_F(ReplicatorTransferTest, AStreamThatBreaksMidwayKeepsTheOldTable) {
  Fill(b(), 50000, 50100);
  Fill(a(), 0, 20000);
  pair_->set_stream_room(1);
  pair_->Join();
  ASSERT_FALSE(b().replicator.complete());
  ASSERT_GT(b().replicator.stats().transfer_records, 0u);
  ASSERT_LT(b().replicator.stats().transfer_records, 20000u);
  pair_->StreamDown();
  EXPECT_FALSE(b().table.replacing());
  EXPECT_TRUE(b().table.Has(Connection(50001)));
  Run(absl::Seconds(5));
  EXPECT_FALSE(a().table.telling());
  EXPECT_FALSE(b().replicator.complete());
  pair_->set_stream_room(100);
  pair_->StreamUp();
  Run(absl::Milliseconds(100));
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(b().table.connection_count(), 20000u);
}

TEST_F(ReplicatorTransferTest, ChangesLostMidwayStartItOver) {
  // Whatever is on its way just then.
  for (int step = 0; step < 40; ++step) {
    Make({});
    Fill(a(), 0, 20000);
    pair_->set_stream_room(1);
    a().replicator.Lead(now());
    pair_->StreamUp();
    b().replicator.Follow(now());
    Run(absl::Milliseconds(1));
    for (int i = 0; i < step; ++i) {
      a().table.Put(Connection(30000));
      Run(absl::Microseconds(170));
    }
    ASSERT_TRUE(b().table.replacing());
    a().table.Put(Connection(30000));
    a().table.LoseChanges();
    Run(absl::Milliseconds(10));
    EXPECT_FALSE(b().table.replacing());
    pair_->set_stream_room(100);
    Run(absl::Seconds(2));
    EXPECT_GT(a().replicator.stats().overflow, 0u);
    EXPECT_EQ(b().replicator.stats().malformed, 0u);
    EXPECT_EQ(b().replicator.stats().transfers_begun, 2u);
    EXPECT_TRUE(b().replicator.complete());
    EXPECT_EQ(b().table.connection_count(), 20001u);
  }
}

TEST_F(ReplicatorTransferTest, ATransferThatStallsIsAskedForAgain) {
  Fill(a(), 0, 20000);
  pair_->set_stream_room(1);
  pair_->set_adverts(false);
  pair_->Join();
  a().replicator.Idle(now());
  Run(absl::Seconds(2));
  EXPECT_TRUE(b().table.replacing());
  pair_->set_stream_room(100);
  a().replicator.Lead(now());
  Run(absl::Seconds(2));
  EXPECT_TRUE(b().replicator.complete());
}

TEST_F(ReplicatorTransferTest, ATransferNobodyAskedForIsIgnored) {
  pair_->Join();
  Fill(a(), 0, 10);
  Run(kSoon);
  b().replicator.OnStream(now(), Encode(TransferBegin{.id = 7}));
  EXPECT_FALSE(b().table.replacing());
  EXPECT_EQ(b().replicator.stats().outdated, 1u);
  EXPECT_TRUE(b().replicator.complete());
  b().replicator.OnStream(now(), Encode(TransferEnd{.id = 7}));
  EXPECT_EQ(b().table.connection_count(), 10u);
  EXPECT_TRUE(b().replicator.complete());
}

TEST_F(ReplicatorTransferTest, ResyncGivesEverythingAnew) {
  Fill(a(), 0, 10);
  pair_->Join();
  Run(absl::Seconds(2));
  b().table.Forget(Connection(3));
  a().replicator.Resync(now());
  Run(kSoon);
  EXPECT_TRUE(b().table.Has(Connection(3)));
  EXPECT_EQ(b().replicator.stats().transfers_complete, 2u);
  EXPECT_TRUE(b().replicator.complete());
}

// -- Roles ------------------------------------------------------------------

TEST_F(ReplicatorTransferTest, FinishTellsAllAtOnceWithASum) {
  Make({.burst_max = 1});
  pair_->Join();
  Run(absl::Milliseconds(100));
  Fill(a(), 0, 5000);
  const uint64_t compared = b().replicator.stats().sums_compared;
  a().replicator.Finish(now());
  const uint64_t position = a().replicator.position();
  Run(absl::Milliseconds(1));
  EXPECT_EQ(b().replicator.position(), position);
  EXPECT_EQ(b().replicator.stats().sums_compared, compared + 1);
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(b().table.connection_count(), 5000u);
  EXPECT_FALSE(a().table.telling());
  Run(absl::Seconds(5));
  EXPECT_EQ(a().replicator.position(), position);
}

TEST_F(ReplicatorTransferTest, AFinishedLeaderStillSendsAgain) {
  pair_->Join();
  Fill(a(), 0, 500);
  pair_->filter = [](int to, std::span<const uint8_t>) { return to != 1; };
  a().replicator.Finish(now());
  pair_->filter = nullptr;
  Run(absl::Milliseconds(100));  // Its position is in its adverts.
  EXPECT_EQ(b().replicator.position(), a().replicator.position());
  EXPECT_EQ(b().table.connection_count(), 500u);
  EXPECT_TRUE(b().replicator.complete());
}

TEST_F(ReplicatorTransferTest, AnIdleUnitKeepsWhatItHasAndTakesNothing) {
  Fill(a(), 0, 10);
  pair_->Join();
  b().replicator.Idle(now());
  EXPECT_FALSE(b().replicator.complete());
  EXPECT_EQ(b().table.connection_count(), 10u);
  Fill(a(), 10, 20);
  Run(kSoon);
  EXPECT_EQ(b().table.connection_count(), 10u);
  EXPECT_GT(b().replicator.stats().outdated, 0u);
}

TEST_F(ReplicatorTransferTest, AnEarlierLeadershipIsNotTakenForThisOne) {
  pair_->Join();
  Fill(a(), 0, 5);
  Run(kSoon);
  const auto old_datagrams = a().datagrams;
  ASSERT_THAT(old_datagrams, ElementsAre(testing::_));
  const uint64_t old_position = a().replicator.position();
  a().replicator.Idle(now());
  for (uint32_t n = 0; n < 5; ++n) a().table.Remove(Connection(n));
  a().replicator.Lead(now());
  b().replicator.Follow(now());
  Run(kSoon);
  ASSERT_TRUE(b().replicator.complete());
  ASSERT_EQ(b().table.connection_count(), 0u);
  EXPECT_GT(b().replicator.position(), old_position);
  b().replicator.OnSync(now(), old_datagrams[0]);
  b().replicator.OnLeaderPosition(now(), old_position + 100);
  EXPECT_EQ(b().table.connection_count(), 0u);
  EXPECT_EQ(b().replicator.lag(), 0u);
  EXPECT_EQ(b().replicator.stats().outdated, 1u);
}

TEST_F(ReplicatorTransferTest, AFollowerThatMissedThePauseAsksAnew) {
  Fill(a(), 0, 5);
  pair_->Join();
  Run(absl::Seconds(2));
  a().replicator.Idle(now());
  a().table.Remove(Connection(0));
  a().replicator.Lead(now());
  // Nobody tells b: the next advert does.
  Run(kSoon);
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(b().table.connection_count(), 4u);
  EXPECT_EQ(b().replicator.stats().transfers_complete, 2u);
}

TEST_F(ReplicatorTransferTest, TemplatesPassAndAreInNoSum) {
  pair_->Join();
  SyncRecord persistence = Connection(1);
  persistence.kind = SyncRecord::Kind::kTemplate;
  persistence.flags = kTemplate;
  persistence.client.port = 0;
  a().table.TellTemplate(persistence);
  Run(absl::Seconds(2));
  EXPECT_THAT(b().table.templates(), ElementsAre(persistence));
  EXPECT_EQ(b().replicator.stats().sums_differed, 0u);
}

}  // namespace
}  // namespace ballast::ha
