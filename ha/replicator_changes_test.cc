// Changes by datagram: packing, pace, order, repair, sums (R1, R3, R4, R5).
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/fake_state_table.h"
#include "ha/replication_pair.h"
#include "ha/replicator.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kSoon = absl::Milliseconds(40);

SyncRecord Connection(uint32_t n) { return FakeStateTable::Connection(n); }

class ReplicatorChangesTest : public ::testing::Test {
 protected:
  void Make(const Replicator::Options& options, size_t changes_max = 100000) {
    pair_ = std::make_unique<ReplicationPair>(options, 1, changes_max);
  }
  void SetUp() override { Make({}); }

  ReplicationPair::Unit& a() { return pair_->a(); }
  ReplicationPair::Unit& b() { return pair_->b(); }
  const ReplicatorStats& told() { return b().replicator.stats(); }
  const ReplicatorStats& telling() { return a().replicator.stats(); }
  void Run(absl::Duration duration) { pair_->Run(duration); }
  // Loses the next `count` datagrams to b.
  void Lose(int count) {
    lose_ = count;
    pair_->filter = [this](int to, std::span<const uint8_t>) {
      return to != 1 || lose_-- <= 0;
    };
  }
  // A change, alone in a datagram.
  void Change(uint32_t n) {
    a().table.Put(Connection(n));
    Run(absl::Milliseconds(20));
  }

  std::unique_ptr<ReplicationPair> pair_;
  int lose_ = 0;
};

// -- Telling ----------------------------------------------------------------

TEST_F(ReplicatorChangesTest, ALeaderWithoutFollowerTellsNothing) {
  a().replicator.Lead(pair_->now());
  pair_->StreamUp();
  a().table.Put(Connection(1));
  Run(absl::Seconds(5));
  EXPECT_FALSE(a().table.telling());
  EXPECT_THAT(a().datagrams, IsEmpty());
  EXPECT_EQ(pair_->ticks(), 0u);
}

TEST_F(ReplicatorChangesTest, AChangeArrivesSoonAfterItsFirstRecordIsFlushOld) {
  pair_->Join();
  const size_t before = a().datagrams.size();
  a().table.Put(Connection(1));
  Run(absl::Milliseconds(4));
  EXPECT_EQ(a().datagrams.size(), before);
  // Taken within 5 ms, then kept for 10.
  Run(absl::Milliseconds(12));
  EXPECT_EQ(a().datagrams.size(), before + 1);
  EXPECT_TRUE(b().table.Has(Connection(1)));
}

TEST_F(ReplicatorChangesTest, ATableThatIsNotReadyIsAskedLater) {
  pair_->Join();
  a().table.set_ready(false);
  a().table.Put(Connection(1));
  const uint64_t before = pair_->ticks();
  Run(absl::Seconds(3));  // Sums are due, too.
  EXPECT_FALSE(b().table.Has(Connection(1)));
  EXPECT_EQ(a().table.asked_not_ready(), 0u);
  EXPECT_GT(telling().table_not_ready, 0u);
  // Every 5 ms at the most.
  EXPECT_LE(pair_->ticks() - before, 700u);
  a().table.set_ready(true);
  Run(absl::Milliseconds(20));
  EXPECT_TRUE(b().table.Has(Connection(1)));
  Run(absl::Seconds(2));
  EXPECT_TRUE(b().replicator.complete());
}

TEST_F(ReplicatorChangesTest, WhoHandsOverAsksATableThatIsNotReady) {
  pair_->Join();
  a().table.set_ready(false);
  a().table.Put(Connection(1));
  a().replicator.Finish(pair_->now());
  EXPECT_GT(a().table.asked_not_ready(), 0u);
  Run(absl::Milliseconds(20));
  EXPECT_TRUE(b().table.Has(Connection(1)));
}

TEST_F(ReplicatorChangesTest, ALeaderThatIsToldOfChangesSleepsUntilThen) {
  Make({.told_of_changes = true});
  pair_->Join();
  Run(absl::Milliseconds(500));
  const uint64_t before = pair_->ticks();
  Run(absl::Seconds(10));
  EXPECT_LE(pair_->ticks() - before, 25u);  // Ten sums, and their flushes.
  for (uint32_t n = 1; n <= 3; ++n) {
    a().table.Put(Connection(n));
    a().replicator.OnTableChanged(pair_->now());
    Run(absl::Milliseconds(16));
    EXPECT_TRUE(b().table.Has(Connection(n)));
    Run(absl::Milliseconds(300));
  }
}

TEST_F(ReplicatorChangesTest, AFullDatagramGoesAtOnce) {
  pair_->Join();
  const size_t before = a().datagrams.size();
  // 1400 bytes hold position, section and message headers, 38 entries of 36.
  for (uint32_t n = 0; n < 39; ++n) a().table.Put(Connection(n));
  a().replicator.Tick(pair_->now());
  ASSERT_EQ(a().datagrams.size(), before + 1);
  EXPECT_EQ(a().datagrams.back().size(), 8u + 4 + 8 + 38 * 36);
}

TEST_F(ReplicatorChangesTest, AMillisecondHasAtMostBurstMaxDatagrams) {
  Make({.burst_max = 5});
  pair_->Join();
  for (uint32_t n = 0; n < 38 * 40; ++n) a().table.Put(Connection(n));
  size_t sent = a().datagrams.size();
  int milliseconds = 0;
  while (a().table.changes() > 0 && milliseconds < 100) {
    Run(absl::Milliseconds(1));
    // What was taken at once from the table may overdraw by one.
    EXPECT_LE(a().datagrams.size() - sent, 6u);
    sent = a().datagrams.size();
    ++milliseconds;
  }
  EXPECT_GE(milliseconds, 7);
  EXPECT_LE(milliseconds, 14);
  Run(kSoon);
  EXPECT_EQ(b().table.connection_count(), 38u * 40);
}

TEST_F(ReplicatorChangesTest, AConnectionItsEndAndItsReturnKeepTheirOrder) {
  pair_->Join();
  for (int i = 0; i < 3; ++i) {
    a().table.Put(Connection(1));
    a().table.Remove(Connection(1));
  }
  Run(kSoon);
  EXPECT_FALSE(b().table.Has(Connection(1)));
  a().table.Put(Connection(1));
  a().table.Remove(Connection(1));
  a().table.Put(Connection(1));
  Run(kSoon);
  EXPECT_TRUE(b().table.Has(Connection(1)));
  EXPECT_EQ(told().applied.removed, 4u);
}

TEST_F(ReplicatorChangesTest, AFollowerThatIsGoneForALongTimeIsNotTold) {
  Make({.alone_after = absl::Seconds(10)});
  pair_->Join();
  pair_->StreamDown();
  const uint64_t position = a().replicator.position();
  Run(absl::Seconds(9));
  EXPECT_TRUE(a().table.telling());
  EXPECT_TRUE(b().replicator.complete());
  Run(absl::Seconds(2));
  EXPECT_FALSE(a().table.telling());
  // Its adverts say so.
  EXPECT_GT(a().replicator.position() >> 44, position >> 44);
  EXPECT_FALSE(b().replicator.complete());
  pair_->StreamUp();
  Run(kSoon);
  EXPECT_TRUE(b().replicator.complete());
}

// -- R1: order and repair ---------------------------------------------------

TEST_F(ReplicatorChangesTest, ALostDatagramIsAskedForWhenItIsRepairAfterLate) {
  pair_->Join();
  pair_->set_adverts(false);
  Lose(1);
  Change(1);
  EXPECT_TRUE(b().replicator.complete());  // Nobody knows yet.
  a().table.Put(Connection(2));
  while (b().replicator.lag() == 0) Run(absl::Microseconds(100));
  EXPECT_FALSE(b().replicator.complete());
  EXPECT_EQ(b().replicator.lag(), 2u);
  Run(absl::Milliseconds(4));
  EXPECT_EQ(told().gaps, 0u);
  EXPECT_FALSE(b().table.Has(Connection(2)));  // Not out of order.
  Run(absl::Milliseconds(2));
  EXPECT_EQ(told().gaps, 1u);
  EXPECT_EQ(told().repaired, 1u);
  EXPECT_EQ(telling().resent, 1u);
  EXPECT_TRUE(b().table.Has(Connection(1)));
  EXPECT_TRUE(b().table.Has(Connection(2)));
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(b().replicator.position(), a().replicator.position());
}

TEST_F(ReplicatorChangesTest, ReorderedDatagramsAreNotAskedFor) {
  pair_->Join();
  pair_->link().jitter = absl::Milliseconds(4);
  for (uint32_t n = 0; n < 5000; ++n) {
    a().table.Put(Connection(n));
    if (n % 50 == 0) Run(absl::Milliseconds(1));
  }
  Run(kSoon);
  EXPECT_EQ(b().table.connection_count(), 5000u);
  EXPECT_EQ(told().gaps, 0u);
}

// R4.
TEST_F(ReplicatorChangesTest, TheLossOfTheLastDatagramIsKnownByThePosition) {
  pair_->Join();
  pair_->set_adverts(false);
  Lose(1);
  Change(1);
  EXPECT_EQ(b().replicator.lag(), 0u);
  b().replicator.OnLeaderPosition(pair_->now(), a().replicator.position());
  EXPECT_EQ(b().replicator.lag(), 1u);
  // An advert may overtake a datagram.
  EXPECT_TRUE(b().replicator.complete());
  lose_ = 1;
  Run(absl::Milliseconds(6));
  EXPECT_FALSE(b().replicator.complete());
  Run(absl::Milliseconds(20));
  EXPECT_TRUE(b().table.Has(Connection(1)));
  EXPECT_TRUE(b().replicator.complete());
}

TEST_F(ReplicatorChangesTest, RepairIsAskedForWithGrowingPauses) {
  pair_->Join();
  int asked = 0;
  pair_->filter = [&](int to, std::span<const uint8_t>) {
    if (to == 0) ++asked;
    return to != 1;  // Nothing gets through to b but adverts.
  };
  Change(1);
  Run(absl::Milliseconds(980));
  // 5 ms, then 10, 20, 40 ... 640: at 5, 15, 35, 75, 155, 315, 635.
  EXPECT_EQ(asked, 7);
  Run(absl::Seconds(10));
  // From then on one a second.
  EXPECT_GE(asked, 16);
  EXPECT_LE(asked, 18);
  // Each datagram is a gap once, however often it is asked for.
  EXPECT_LE(told().gaps, a().replicator.position() & 0xffff);
}

TEST_F(ReplicatorChangesTest, ASilentLeaderIsNotAsked) {
  pair_->Join();
  pair_->set_adverts(false);
  Lose(1);
  Change(1);
  b().replicator.OnLeaderPosition(pair_->now(), a().replicator.position());
  int asked = 0;
  pair_->filter = [&](int to, std::span<const uint8_t>) {
    asked += to == 0;
    return false;
  };
  Run(absl::Seconds(4));
  const int before = asked;
  EXPECT_GT(before, 0);
  Run(absl::Seconds(20));
  EXPECT_EQ(asked, before);
  pair_->set_adverts(true);
  Run(absl::Seconds(2));
  EXPECT_GT(asked, before);
}

TEST_F(ReplicatorChangesTest, WhatTheLeaderHasForgottenBringsTheWholeTable) {
  Make({.queue_max = 4});
  pair_->Join();
  pair_->filter = [](int to, std::span<const uint8_t>) { return to != 1; };
  for (uint32_t n = 1; n <= 8; ++n) Change(n);
  EXPECT_FALSE(b().replicator.complete());
  pair_->filter = nullptr;
  Run(absl::Seconds(3));
  EXPECT_EQ(told().repair_failed, 1u);
  EXPECT_EQ(told().transfers_complete, 2u);
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(b().table.connection_count(), 8u);
}

TEST_F(ReplicatorChangesTest, DuplicatesAreCountedAndNotApplied) {
  pair_->Join();
  Change(1);
  const auto first = a().datagrams.back();
  a().table.Remove(Connection(1));
  Run(kSoon);
  ASSERT_FALSE(b().table.Has(Connection(1)));
  b().replicator.OnSync(pair_->now(), first);
  EXPECT_FALSE(b().table.Has(Connection(1)));
  EXPECT_EQ(told().duplicates, 1u);
}

TEST_F(ReplicatorChangesTest, OfAMalformedDatagramNothingIsApplied) {
  pair_->Join();
  pair_->filter = [](int, std::span<const uint8_t>) { return false; };
  a().table.Put(Connection(1));
  a().table.Put(Connection(2));
  Run(absl::Milliseconds(20));
  const auto good = a().datagrams.back();
  auto bad = good;
  bad[8 + 4 + 8 + 36 + 1] = 99;  // The second connection's protocol.
  b().replicator.OnSync(pair_->now(), bad);
  EXPECT_EQ(b().table.connection_count(), 0u);
  EXPECT_EQ(told().malformed, 1u);
  b().replicator.OnSync(pair_->now(), good);
  EXPECT_EQ(b().table.connection_count(), 2u);
}

TEST_F(ReplicatorChangesTest, AMalformedOneThatWasKeptIsAskedForAgain) {
  pair_->Join();
  pair_->set_adverts(false);
  Lose(2);
  Change(1);
  Change(2);
  auto bad = a().datagrams.back();
  bad[8 + 4 + 8 + 1] = 99;
  b().replicator.OnSync(pair_->now(), bad);
  Run(absl::Milliseconds(100));
  EXPECT_EQ(told().malformed, 1u);
  EXPECT_TRUE(b().table.Has(Connection(2)));
}

// -- R3: sums ---------------------------------------------------------------

TEST_F(ReplicatorChangesTest, SumsAreComparedEverySumPeriod) {
  pair_->Join();
  const uint64_t before = told().sums_compared;  // At the transfer's end.
  EXPECT_EQ(before, 1u);
  for (uint32_t n = 0; n < 4000; ++n) {
    a().table.Put(Connection(n % 900));
    a().table.Remove(Connection((n * 7) % 900));
    Run(absl::Milliseconds(1));
  }
  Run(absl::Seconds(1) + kSoon);
  EXPECT_EQ(told().sums_compared - before, 5u);
  EXPECT_EQ(told().sums_differed, 0u);
}

TEST_F(ReplicatorChangesTest, ASumThatDiffersIsIncompleteUntilANewTransfer) {
  pair_->Join();
  for (uint32_t n = 0; n < 10; ++n) a().table.Put(Connection(n));
  Run(absl::Seconds(1));
  ASSERT_TRUE(b().replicator.complete());
  b().table.Forget(Connection(3));
  while (told().sums_differed == 0) Run(absl::Microseconds(50));
  EXPECT_FALSE(b().replicator.complete());
  Run(kSoon);
  EXPECT_TRUE(b().table.Has(Connection(3)));
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(told().transfers_complete, 2u);
}

TEST_F(ReplicatorChangesTest,
       ATableThatStaysDifferentIsAskedForEverMoreRarely) {
  b().table.set_connections_max(5);
  for (uint32_t n = 0; n < 10; ++n) a().table.Put(Connection(n));
  pair_->Join();
  uint64_t requests = told().requests;
  EXPECT_EQ(requests, 1u);
  std::vector<int64_t> at;
  for (int second = 0; second < 400; ++second) {
    Run(absl::Seconds(1));
    EXPECT_FALSE(b().replicator.complete());
    if (told().requests != requests) at.push_back(second);
    requests = told().requests;
  }
  // After 1, 2, 4 .. 32 s, then every minute.
  EXPECT_THAT(at, ElementsAre(0, 2, 6, 14, 30, 62, 122, 182, 242, 302, 362));
  b().table.set_connections_max(100);
  Run(absl::Seconds(61));
  EXPECT_TRUE(b().replicator.complete());
}

// -- R7: hand-over ----------------------------------------------------------

TEST_F(ReplicatorChangesTest, AHandOverTellsWhatWasNotWorthTelling) {
  pair_->Join();
  a().table.Put(Connection(1));
  a().table.PutUntold(Connection(2));
  Run(absl::Seconds(2));
  EXPECT_FALSE(b().table.Has(Connection(2)));
  a().replicator.Finish(pair_->now());
  const uint64_t final = a().replicator.position();
  Run(kSoon);
  EXPECT_TRUE(b().table.Has(Connection(2)));
  EXPECT_EQ(b().replicator.position(), final);
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(told().sums_differed, 0u);
  EXPECT_EQ(telling().left_untold, 0u);
}

TEST_F(ReplicatorChangesTest, ManyAreToldAtTheUsualPaceWhileTheLeaderServes) {
  Make({.burst_max = 5});
  pair_->Join();
  for (uint32_t n = 0; n < 2000; ++n) a().table.PutUntold(Connection(n));
  size_t sent = a().datagrams.size();
  a().replicator.TellAll(pair_->now());
  int milliseconds = 0;
  for (; a().replicator.telling_all() && milliseconds < 100; ++milliseconds) {
    EXPECT_LE(a().datagrams.size() - sent, 8u);  // A piece may overdraw.
    sent = a().datagrams.size();
    Run(absl::Milliseconds(1));
  }
  EXPECT_GE(milliseconds, 10);
  EXPECT_LT(milliseconds, 40);
  // What begins meanwhile is told at the end, and nothing twice.
  a().table.PutUntold(Connection(5000));
  const size_t before = a().table.given().size();
  a().replicator.Finish(pair_->now());
  EXPECT_EQ(a().table.given().size() - before, 1u);
  Run(kSoon);
  EXPECT_EQ(b().table.connection_count(), 2001u);
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(told().sums_differed, 0u);
}

TEST_F(ReplicatorChangesTest, MoreThanCanBeSentAgainIsLeftAndCounted) {
  Make({.queue_max = 10});
  pair_->Join();
  for (uint32_t n = 0; n < 2000; ++n) a().table.PutUntold(Connection(n));
  const size_t before = a().datagrams.size();
  a().replicator.Finish(pair_->now());
  EXPECT_LE(a().datagrams.size() - before, 14u);
  EXPECT_EQ(telling().left_untold, 1u);
  Run(kSoon);
  // What was sent is whole.
  EXPECT_GT(b().table.connection_count(), 150u);
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(told().sums_differed, 0u);
}

// R5.
TEST_F(ReplicatorChangesTest, LostChangesAreCountedAndTheTableIsAskedFor) {
  Make({}, /*changes_max=*/20);
  pair_->Join();
  Run(absl::Seconds(2));
  for (uint32_t n = 0; n < 50; ++n) a().table.Put(Connection(n));
  bool incomplete = false;
  pair_->after_step = [&] { incomplete |= !b().replicator.complete(); };
  Run(kSoon);
  EXPECT_EQ(telling().overflow, 30u);
  EXPECT_TRUE(incomplete);
  EXPECT_EQ(told().transfers_complete, 2u);
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(b().table.connection_count(), 50u);
}

}  // namespace
}  // namespace ballast::ha
