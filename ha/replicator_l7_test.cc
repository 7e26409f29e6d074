// What passes of layer 7 and of layer 4, where one of them or both do (R8).
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/fake_l7_table.h"
#include "ha/fake_state_table.h"
#include "ha/l7_record.h"
#include "ha/replicator.h"
#include "ha/replicator_testing.h"

namespace ballast::ha {
namespace {

using ::testing::IsEmpty;

using ReplicatorL7Test = ReplicatorTest;

constexpr auto kSoon = absl::Milliseconds(40);

L7Record Entry(uint64_t service, uint8_t port = 80) {
  return FakeL7Table::Entry(service, port);
}

TEST_F(ReplicatorL7Test, L7EntriesPassOnlyWithL7) {
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

TEST_F(ReplicatorL7Test, AFollowerWithoutL7TakesNoEntries) {
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
TEST_F(ReplicatorL7Test, L7EntriesThatChangeMeanwhileComeInTheirPlace) {
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
    a().table.Put(FakeStateTable::Connection(5000 + static_cast<uint32_t>(n)));
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
TEST_F(ReplicatorL7Test, LostL7ChangesHaveEverythingGivenAnew) {
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

TEST_F(ReplicatorL7Test, L7EntriesAreToldAtTheEnd) {
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

TEST_F(ReplicatorL7Test, L7EntriesToldAtTheEndAreBounded) {
  Make({.queue_max = 4}, 100000, true);
  pair_->Join();
  for (uint64_t n = 0; n < 1000; ++n) a().l7.Put(Entry(n));
  const uint64_t before = a().replicator.stats().datagrams_sent;
  a().replicator.Finish(now());
  EXPECT_LT(a().replicator.stats().datagrams_sent - before, 12u);
  EXPECT_EQ(a().replicator.stats().left_untold, 1u);
}

TEST_F(ReplicatorL7Test, AMergeRemovesNoL7Entries) {
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
TEST_F(ReplicatorL7Test, L7EntriesThatWentWhileAwayGoWithAWholeTable) {
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

TEST_F(ReplicatorL7Test, L7EntriesStayUntilTheTableIsWhole) {
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

TEST_F(ReplicatorL7Test, ConnectionsPassOnlyWithL4) {
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

}  // namespace
}  // namespace ballast::ha
