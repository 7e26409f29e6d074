// The whole table by stream, roles, merges, and what passes through (R2, R6).
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/fake_l7_table.h"
#include "ha/fake_state_table.h"
#include "ha/replication_pair.h"
#include "ha/replicator.h"
#include "ha/transfer_wire.h"
#include "io/base/address.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kSoon = absl::Milliseconds(40);

SyncRecord Connection(uint32_t n) { return FakeStateTable::Connection(n); }

class ReplicatorTransferTest : public ::testing::Test {
 protected:
  void Make(const Replicator::Options& options, size_t changes_max = 100000,
            bool l7 = false) {
    pair_ = std::make_unique<ReplicationPair>(options, 1, changes_max, l7);
  }
  void SetUp() override { Make({}); }

  ReplicationPair::Unit& a() { return pair_->a(); }
  ReplicationPair::Unit& b() { return pair_->b(); }
  Instant now() { return pair_->now(); }
  void Run(absl::Duration duration) { pair_->Run(duration); }
  static void Fill(ReplicationPair::Unit& unit, uint32_t from, uint32_t to) {
    for (uint32_t n = from; n < to; ++n) unit.table.Put(Connection(n));
  }

  std::unique_ptr<ReplicationPair> pair_;
};

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

// -- R6: merging ------------------------------------------------------------

class MergeTest : public ReplicatorTransferTest {
 protected:
  // Both lead; a's table goes to b.
  void Split() {
    Fill(a(), 0, 100);
    Fill(b(), 50, 150);
    // b knows better.
    SyncRecord other = Connection(60);
    other.state = 4;
    b().table.Put(other);
    b().table.set_active(true);
    a().replicator.Lead(now());
    b().replicator.Lead(now());
  }
  void Give() {
    a().replicator.GiveTable(
        now(), [this](bool complete) { given_.push_back(complete); });
  }

  std::vector<bool> given_;
};

TEST_F(MergeTest, AddsAndIgnoresAndRemovesNothing) {
  Split();
  pair_->StreamUp();
  Give();
  EXPECT_THAT(given_, IsEmpty());
  Run(kSoon);
  EXPECT_THAT(given_, ElementsAre(true));
  EXPECT_EQ(b().table.connection_count(), 150u);
  EXPECT_EQ(b().table.Find(Connection(60))->state, 4);
  EXPECT_EQ(b().replicator.stats().applied.created, 50u);
  EXPECT_EQ(b().replicator.stats().applied.stale, 50u);
  EXPECT_FALSE(a().table.telling());
  Run(absl::Seconds(5));
  EXPECT_THAT(given_, ElementsAre(true));
}

TEST_F(MergeTest, EndsMeanwhileRemoveNothingOfTheOther) {
  Split();
  b().table.set_active(false);  // The rule is the replicator's, too.
  Fill(a(), 100, 20000);
  pair_->set_stream_room(1);
  pair_->StreamUp();
  Give();
  Run(absl::Milliseconds(1));
  for (uint32_t n = 50; n < 100; ++n) a().table.Remove(Connection(n));
  pair_->set_stream_room(100);
  Run(absl::Milliseconds(200));
  EXPECT_THAT(given_, ElementsAre(true));
  EXPECT_EQ(b().replicator.stats().applied.removed, 0u);
  EXPECT_TRUE(b().table.Has(Connection(70)));
}

TEST_F(MergeTest, WaitsForAStreamAndBeginsAgainWithTheNext) {
  Split();
  Fill(a(), 1000, 20000);
  Give();
  Run(absl::Seconds(1));
  EXPECT_THAT(given_, IsEmpty());
  pair_->set_stream_room(1);
  pair_->StreamUp();
  Run(absl::Milliseconds(5));
  pair_->StreamDown();
  EXPECT_THAT(given_, IsEmpty());
  pair_->set_stream_room(100);
  pair_->StreamUp();
  Run(absl::Milliseconds(100));
  EXPECT_THAT(given_, ElementsAre(true));
  EXPECT_EQ(b().table.connection_count(), 150u + 19000);
}

TEST_F(MergeTest, TheNextRoleEndsIt) {
  Split();
  Give();
  a().replicator.Follow(now());
  EXPECT_THAT(given_, ElementsAre(false));
}

TEST_F(MergeTest, AFollowerTakesNone) {
  pair_->Join();
  b().replicator.OnStream(now(), Encode(TransferBegin{.id = 1, .merge = true}));
  EXPECT_EQ(b().replicator.stats().outdated, 1u);
  EXPECT_TRUE(b().replicator.complete());
}

// -- What passes ------------------------------------------------------------

L7Record Entry(uint64_t service, uint8_t port = 80) {
  return FakeL7Table::Entry(service, port);
}

TEST_F(ReplicatorTransferTest, L7EntriesPassOnlyWithL7) {
  for (const bool l7 : {false, true}) {
    Make({}, 100000, l7);
    a().l7.Put(Entry(1));  // Nobody follows yet.
    pair_->Join();
    EXPECT_TRUE(b().replicator.complete());
    EXPECT_EQ(b().l7.entries().size(), l7 ? 1 : 0);
    a().l7.Put(Entry(2));
    Run(kSoon);
    EXPECT_EQ(b().l7.entries().size(), l7 ? 2 : 0);
    a().l7.Erase(1);
    a().l7.Put(Entry(2, 90));
    Run(kSoon);
    EXPECT_EQ(b().l7.entries() == a().l7.entries(), l7);
    EXPECT_EQ(a().l7.telling(), l7);
    a().replicator.Idle(now());
    EXPECT_FALSE(a().l7.telling());
  }
}

TEST_F(ReplicatorTransferTest, AFollowerWithoutL7TakesNoEntries) {
  Make({}, 100000, true);
  pair_->Join();
  a().l7.Put(Entry(2));
  Run(kSoon);
  const auto datagram = a().datagrams.back();
  Make({});
  pair_->Join();
  b().replicator.OnSync(now(), datagram);
  EXPECT_EQ(b().replicator.stats().records_received, 1u);
  EXPECT_THAT(b().l7.entries(), IsEmpty());
}

// Of a transfer of both tables, long enough that either changes meanwhile.
TEST_F(ReplicatorTransferTest, L7EntriesThatChangeMeanwhileComeInTheirPlace) {
  Make({}, 100000, true);
  pair_->set_stream_room(1);
  Fill(a(), 0, 5000);
  for (uint64_t n = 0; n < 5000; ++n) a().l7.Put(Entry(n));
  a().replicator.Lead(now());
  pair_->StreamUp();
  b().replicator.Follow(now());
  uint64_t n = 0;
  while (!b().replicator.complete() && n < 5000) {
    a().l7.Put(Entry(5000 - n, 90));
    a().l7.Erase(n);
    a().table.Put(Connection(5000 + static_cast<uint32_t>(n)));
    ++n;
    Run(absl::Microseconds(500));
  }
  EXPECT_GT(n, 20u);
  ASSERT_TRUE(b().replicator.complete());
  Run(kSoon);
  EXPECT_EQ(b().l7.entries(), a().l7.entries());
  EXPECT_EQ(b().replicator.stats().sums_differed, 0u);
  EXPECT_EQ(b().replicator.stats().transfer_records,
            a().replicator.stats().transfer_records);
}

// With connections or without.
TEST_F(ReplicatorTransferTest, LostL7ChangesHaveEverythingGivenAnew) {
  for (const bool l4 : {true, false}) {
    Make({.l4 = l4}, 100000, true);
    pair_->Join();
    for (uint64_t n = 0; n < 1500; ++n) a().l7.Put(Entry(n));  // 1000 fit.
    EXPECT_GT(a().l7.changes_lost(), 0u);
    Run(absl::Seconds(5));
    EXPECT_GT(a().replicator.stats().overflow, 0u);
    EXPECT_EQ(b().replicator.stats().requests, 2u);
    EXPECT_TRUE(b().replicator.complete());
    EXPECT_EQ(b().l7.entries(), a().l7.entries());
  }
}

TEST_F(ReplicatorTransferTest, L7EntriesAreToldAtTheEnd) {
  Make({}, 100000, true);
  pair_->Join();
  a().l7.Put(Entry(1));
  a().replicator.Finish(now());
  EXPECT_FALSE(a().l7.telling());
  Run(kSoon);
  EXPECT_EQ(b().l7.entries(), a().l7.entries());
  EXPECT_EQ(b().replicator.position(), a().replicator.position());
  EXPECT_EQ(a().replicator.stats().left_untold, 0u);
}

TEST_F(ReplicatorTransferTest, L7EntriesToldAtTheEndAreBounded) {
  Make({.queue_max = 4}, 100000, true);
  pair_->Join();
  for (uint64_t n = 0; n < 1000; ++n) a().l7.Put(Entry(n));
  const uint64_t before = a().replicator.stats().datagrams_sent;
  a().replicator.Finish(now());
  EXPECT_LT(a().replicator.stats().datagrams_sent - before, 12u);
  EXPECT_EQ(a().replicator.stats().left_untold, 1u);
}

TEST_F(ReplicatorTransferTest, AMergeRemovesNoL7Entries) {
  Make({}, 100000, true);
  a().replicator.Lead(now());
  b().replicator.Lead(now());
  pair_->set_stream_room(1);
  Fill(a(), 0, 20000);
  a().l7.Put(Entry(1));
  a().l7.Put(Entry(2));
  b().l7.Put(Entry(3));
  a().replicator.GiveTable(now(), [](bool) {});
  pair_->StreamUp();
  Run(absl::Milliseconds(1));
  a().l7.Erase(2);
  pair_->set_stream_room(100);
  Run(absl::Milliseconds(100));
  EXPECT_EQ(b().l7.entries().size(), 3u);
  EXPECT_EQ(b().table.connection_count(), 20000u);
}

// With connections or without.
TEST_F(ReplicatorTransferTest, L7EntriesThatWentWhileAwayGoWithAWholeTable) {
  for (const bool l4 : {true, false}) {
    Make({.l4 = l4}, 100000, true);
    for (uint64_t n = 0; n < 10; ++n) a().l7.Put(Entry(n));
    pair_->Join();
    ASSERT_EQ(b().l7.entries().size(), 10u);
    pair_->StreamDown();
    b().replicator.Idle(now());
    a().replicator.Idle(now());
    a().replicator.Lead(now());
    a().l7.Erase(3);
    a().l7.Put(Entry(4, 90));
    pair_->StreamUp();
    b().replicator.Follow(now());
    Run(kSoon);
    EXPECT_TRUE(b().replicator.complete());
    EXPECT_EQ(b().l7.entries().size(), 9u);
    EXPECT_EQ(b().l7.entries(), a().l7.entries());
    a().l7.Put(Entry(11));  // Later changes stay.
    Run(kSoon);
    EXPECT_EQ(b().l7.entries(), a().l7.entries());
  }
}

TEST_F(ReplicatorTransferTest, L7EntriesStayUntilTheTableIsWhole) {
  Make({}, 100000, true);
  for (uint64_t n = 0; n < 5000; ++n) a().l7.Put(Entry(n));
  Fill(a(), 0, 5000);
  b().l7.Put(Entry(9000));  // The leader has never heard of it.
  a().replicator.Lead(now());
  pair_->set_stream_room(1);
  pair_->StreamUp();
  b().replicator.Follow(now());
  while (b().l7.entries().size() < 2000) Run(absl::Microseconds(100));
  pair_->StreamDown();
  Run(kSoon);
  EXPECT_FALSE(b().replicator.complete());
  EXPECT_EQ(b().l7.entries().count({9000, Entry(9000).key}), 1u);
  pair_->set_stream_room(100);
  pair_->StreamUp();
  Run(absl::Seconds(2));
  EXPECT_TRUE(b().replicator.complete());
  EXPECT_EQ(b().l7.entries(), a().l7.entries());
}

TEST_F(ReplicatorTransferTest, ConnectionsPassOnlyWithL4) {
  Make({.l4 = false}, 100000, true);
  Fill(a(), 0, 10);
  pair_->Join();
  EXPECT_TRUE(b().replicator.complete());
  Fill(a(), 10, 20);
  a().l7.Put(Entry(1));
  Run(absl::Seconds(3));
  EXPECT_FALSE(a().table.telling());
  EXPECT_EQ(b().table.connection_count(), 0u);
  EXPECT_EQ(b().l7.entries().size(), 1u);
  EXPECT_TRUE(b().replicator.complete());
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
