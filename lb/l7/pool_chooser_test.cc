#include "lb/l7/pool_chooser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"

namespace ballast::l7 {
namespace {

using ::testing::ElementsAre;

constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

Endpoint Server(uint32_t number) {
  return {Address::V4(0x0a000000 + number), 80};
}

class PoolChooserTest : public ::testing::Test {
 protected:
  PoolChooserTest() {
    for (uint32_t i = 1; i <= 3; ++i) {
      pool_.servers.emplace_back().endpoint = Server(i);
      ids_.push_back(i);
    }
    chooser_.Apply(kNow, pool_, ids_);
  }

  // -1: nobody; 0: the sorry server.
  std::vector<int> Picks(int count, Instant now = kNow, uint32_t hash = 0) {
    std::vector<int> picks;
    for (int i = 0; i < count; ++i) {
      const auto picked = chooser_.Pick(now, hash);
      picks.push_back(picked ? static_cast<int>(picked->id) : -1);
    }
    return picks;
  }

  config::ServerPool pool_;
  std::vector<uint32_t> ids_;
  PoolChooser chooser_;
};

TEST_F(PoolChooserTest, GoesRoundThoseThatAreAvailable) {
  EXPECT_THAT(Picks(4), ElementsAre(1, 2, 3, 1));
  chooser_.SetHealthy(kNow, 3, false);
  EXPECT_THAT(Picks(3), ElementsAre(2, 1, 2));
  EXPECT_EQ(chooser_.Pick(kNow, 0)->endpoint, Server(1));
}

TEST_F(PoolChooserTest, AFullServerIsPassedOverUntilOneEnds) {
  pool_.servers[0].connection_limit = 1;
  chooser_.Apply(kNow, pool_, ids_);
  chooser_.OnOpen(1);
  EXPECT_THAT(Picks(3), ElementsAre(2, 3, 2));
  chooser_.OnClose(1);
  EXPECT_THAT(Picks(3), ElementsAre(3, 1, 2));
}

TEST_F(PoolChooserTest, DownItHasItsSorryServerOrNobody) {
  for (const uint32_t id : {1, 2, 3}) chooser_.SetHealthy(kNow, id, false);
  EXPECT_FALSE(chooser_.up());
  EXPECT_THAT(Picks(1), ElementsAre(-1));
  pool_.sorry_server = {.endpoint = Server(9)};
  chooser_.Apply(kNow, pool_, ids_);
  EXPECT_EQ(chooser_.Pick(kNow, 0)->endpoint, Server(9));
}

TEST_F(PoolChooserTest, IsDownWithTooFewServersOrWithoutACriticalOne) {
  pool_.servers_min = 3;
  chooser_.Apply(kNow, pool_, ids_);
  EXPECT_TRUE(chooser_.up());
  chooser_.SetHealthy(kNow, 1, false);
  EXPECT_FALSE(chooser_.up());
  pool_.servers_min = 1;
  chooser_.Apply(kNow, pool_, ids_);
  EXPECT_TRUE(chooser_.up());
  pool_.servers[0].critical = true;
  chooser_.Apply(kNow, pool_, ids_);
  EXPECT_FALSE(chooser_.up());
}

TEST_F(PoolChooserTest, AWeightThatMovesSharesOutWhatIsNew) {
  pool_.schedule = config::Schedule::kAdaptive;
  chooser_.Apply(kNow, pool_, ids_);
  chooser_.SetWeight(1, 500);
  chooser_.SetWeight(3, 0);
  std::vector<int> picks = Picks(30);
  EXPECT_EQ(std::count(picks.begin(), picks.end(), 1), 10);
  EXPECT_EQ(std::count(picks.begin(), picks.end(), 2), 20);
  EXPECT_TRUE(chooser_.Standing(3).up);  // Entries still lead there.
  chooser_.Apply(kNow, pool_, ids_);     // The same configured weights.
  picks = Picks(30);
  EXPECT_EQ(std::count(picks.begin(), picks.end(), 3), 0);
  for (const uint32_t id : {1, 2}) chooser_.SetWeight(id, 0);
  EXPECT_FALSE(chooser_.up());
  chooser_.SetWeight(3, 1);
  EXPECT_TRUE(chooser_.up());
  chooser_.SetWeight(9, 1);  // Nobody.
  pool_.schedule = config::Schedule::kWeightedRoundRobin;
  chooser_.Apply(kNow, pool_, ids_);
  for (const uint32_t id : {1, 2, 3}) chooser_.SetWeight(id, id == 1 ? 1 : 9);
  picks = Picks(30);
  EXPECT_EQ(std::count(picks.begin(), picks.end(), 1), 10);  // As configured.
}

TEST_F(PoolChooserTest, AnUnreachableServerIsAvoidedForAWhile) {
  chooser_.OnUnreachable(kNow, 2);
  EXPECT_THAT(Picks(3), ElementsAre(1, 3, 1));
  EXPECT_FALSE(chooser_.Standing(2).up);
  const Instant later = kNow + PoolChooser::kAvoid;
  EXPECT_THAT(Picks(3, later), ElementsAre(2, 3, 1));
  EXPECT_TRUE(chooser_.Standing(2).up);
}

TEST_F(PoolChooserTest, AnotherThanThoseTried) {
  const std::vector<uint32_t> tried = {1, 3, 99};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(chooser_.PickOther(kNow, 0, tried)->id, 2u);
  }
  EXPECT_EQ(chooser_.PickOther(kNow, 0, ids_), std::nullopt);
  EXPECT_THAT(Picks(3), testing::UnorderedElementsAre(1, 2, 3));
  pool_.sorry_server.emplace().endpoint = Server(9);
  chooser_.Apply(kNow, pool_, ids_);
  EXPECT_EQ(chooser_.PickOther(kNow, 0, ids_), std::nullopt);
}

TEST_F(PoolChooserTest, TheLastOneIsNotAvoided) {
  chooser_.SetHealthy(kNow, 1, false);
  chooser_.SetHealthy(kNow, 3, false);
  chooser_.OnUnreachable(kNow, 2);
  EXPECT_THAT(Picks(2), ElementsAre(2, 2));
}

TEST_F(PoolChooserTest, ADrainBeginsOnceAndEndsWhenEnabled) {
  pool_.servers[1].state = config::AdminState::kDraining;
  pool_.servers[1].drain_time = absl::Seconds(60);
  chooser_.Apply(kNow, pool_, ids_);
  EXPECT_THAT(Picks(3), ElementsAre(1, 3, 1));
  EXPECT_EQ(chooser_.Standing(2).drain_end, kNow + absl::Seconds(60));
  chooser_.Apply(kNow + absl::Seconds(10), pool_, ids_);
  EXPECT_EQ(chooser_.Standing(2).drain_end, kNow + absl::Seconds(60));
  pool_.servers[1].drain_time = absl::Seconds(90);
  chooser_.Apply(kNow + absl::Seconds(15), pool_, ids_);
  EXPECT_EQ(chooser_.Standing(2).drain_end, kNow + absl::Seconds(90));
  pool_.servers[1].state = config::AdminState::kEnabled;
  chooser_.Apply(kNow + absl::Seconds(20), pool_, ids_);
  EXPECT_TRUE(chooser_.Standing(2).enabled);
}

TEST_F(PoolChooserTest, WhatIsOpenAndHealthStayOverConfigurations) {
  pool_.schedule = config::Schedule::kLeastConnection;
  chooser_.Apply(kNow, pool_, ids_);
  chooser_.OnOpen(1);
  chooser_.OnOpen(1);
  chooser_.OnOpen(2);
  chooser_.SetHealthy(kNow, 3, false);
  // In another order, one gone, one new.
  pool_.servers = {pool_.servers[2], pool_.servers[0]};
  pool_.servers.emplace_back().endpoint = Server(4);
  chooser_.Apply(kNow, pool_, std::vector<uint32_t>{3, 1, 4});
  EXPECT_EQ(chooser_.counters(1)->of(0).open.value(), 2u);
  EXPECT_FALSE(chooser_.Standing(3).up);
  EXPECT_THAT(Picks(2), ElementsAre(4, 4));
  // Of one that is gone: nothing.
  chooser_.OnClose(2);
  EXPECT_FALSE(chooser_.Has(2));
  EXPECT_FALSE(chooser_.Standing(2).up);
}

// Two threads' choosers, with counters in common.
class PoolChooserThreadsTest : public PoolChooserTest {
 protected:
  void Apply() {
    if (counters_.empty()) {
      for (size_t i = 0; i < 3; ++i) {
        counters_.push_back(std::make_shared<ServerCounters>(2));
      }
    }
    chooser_.Apply(kNow, pool_, ids_, counters_);
    other_.Apply(kNow, pool_, ids_, counters_);
  }

  PoolChooser::Counters counters_;
  PoolChooser other_{1};
};

TEST_F(PoolChooserThreadsTest, LeastConnectionSeesTheOthersAMillisecondLater) {
  pool_.schedule = config::Schedule::kLeastConnection;
  Apply();
  EXPECT_THAT(Picks(1), ElementsAre(1));
  for (int i = 0; i < 5; ++i) other_.OnOpen(1);
  other_.OnOpen(2);
  EXPECT_THAT(Picks(1), ElementsAre(1));
  const Instant later = kNow + absl::Milliseconds(1);
  EXPECT_THAT(Picks(1, later), ElementsAre(3));
  chooser_.OnOpen(3);
  chooser_.OnOpen(3);
  EXPECT_THAT(Picks(1, later), ElementsAre(2));
  for (int i = 0; i < 5; ++i) other_.OnClose(1);
  EXPECT_THAT(Picks(1, later + absl::Milliseconds(1)), ElementsAre(1));
}

TEST_F(PoolChooserThreadsTest, AConnectionLimitIsTheWholeUnits) {
  for (auto& server : pool_.servers) server.connection_limit = 2;
  pool_.schedule = config::Schedule::kFixed;
  Apply();
  other_.OnOpen(1);
  EXPECT_THAT(Picks(1), ElementsAre(1));
  chooser_.OnOpen(1);
  // At once, for both.
  EXPECT_THAT(Picks(1), ElementsAre(2));
  EXPECT_EQ(other_.Pick(kNow, 0)->id, 2u);
  EXPECT_TRUE(other_.Standing(1).full);
  for (int i = 0; i < 2; ++i) chooser_.OnOpen(2);
  for (int i = 0; i < 2; ++i) chooser_.OnOpen(3);
  EXPECT_FALSE(other_.Pick(kNow, 0).has_value());
  // Room on one thread is room on the other.
  chooser_.OnClose(1);
  EXPECT_FALSE(other_.Standing(1).full);
  EXPECT_EQ(other_.Pick(kNow + absl::Milliseconds(1), 0)->id, 1u);
}

// Requests that begin and end on two threads, in truth.
TEST_F(PoolChooserThreadsTest, CountsOfTwoThreadsAddUp) {
  pool_.schedule = config::Schedule::kLeastConnection;
  Apply();
  const auto run = [&](PoolChooser& chooser, int count) {
    for (int i = 0; i < count; ++i) {
      const auto picked = chooser.Pick(kNow + absl::Microseconds(i), 0);
      chooser.OnOpen(picked->id);
      if (i % 2 == 0) chooser.OnClose(picked->id);
    }
  };
  std::thread thread([&] { run(other_, 20'000); });
  run(chooser_, 20'000);
  thread.join();
  uint64_t open = 0, requests = 0;
  for (const auto& counters : counters_) {
    open += counters->Sum(&ServerCounters::OfThread::open);
    requests += counters->Sum(&ServerCounters::OfThread::requests);
    EXPECT_NEAR(counters->Sum(&ServerCounters::OfThread::open), 20'000 / 3,
                20'000 / 30);
  }
  EXPECT_EQ(open, 20'000u);
  EXPECT_EQ(requests, 40'000u);
}

}  // namespace
}  // namespace ballast::l7
