// The yielding unit of a healed split gives its table to the other (R6).
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/fake_state_table.h"
#include "ha/replicator.h"
#include "ha/replicator_testing.h"
#include "ha/transfer_wire.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kSoon = absl::Milliseconds(40);

SyncRecord Connection(uint32_t n) { return FakeStateTable::Connection(n); }

class MergeTest : public ReplicatorTest {
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

}  // namespace
}  // namespace ballast::ha
