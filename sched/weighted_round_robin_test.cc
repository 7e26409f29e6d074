#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "io/base/instant.h"
#include "sched/scheduler.h"
#include "sched/scheduler_testing.h"

namespace ballast::sched {
namespace {

using ::testing::ElementsAre;

std::unique_ptr<Scheduler> Make(const std::vector<uint32_t>& weights) {
  return MakeScheduler({.method = Method::kWeightedRoundRobin},
                       Servers(weights));
}

std::vector<uint32_t> Count(Scheduler& scheduler, uint64_t picks) {
  std::vector<uint32_t> counts(scheduler.server_count());
  for (uint64_t i = 0; i < picks; ++i) {
    ++counts.at(scheduler.Pick(kStart, 0).value());
  }
  return counts;
}

uint32_t Gcd(const std::vector<uint32_t>& weights) {
  return std::accumulate(weights.begin(), weights.end(), 0u,
                         [](uint32_t a, uint32_t b) { return std::gcd(a, b); });
}

// "Over one full cycle (sum of weights / gcd) the split is exact": checked for
// two cycles in a row, begun anywhere.
void ExpectExactCycles(Scheduler& scheduler,
                       const std::vector<uint32_t>& weights) {
  const uint32_t gcd = Gcd(weights);
  const uint64_t cycle =
      std::accumulate(weights.begin(), weights.end(), uint64_t{0}) / gcd;
  std::vector<uint32_t> expected = weights;
  for (uint32_t& count : expected) count /= gcd;
  EXPECT_EQ(Count(scheduler, cycle), expected);
  EXPECT_EQ(Count(scheduler, cycle), expected);
}

TEST(WeightedRoundRobinTest, IsExactOverOneCycleWhereverItBegins) {
  for (const std::vector<uint32_t>& weights :
       std::vector<std::vector<uint32_t>>{{1},
                                          {1000, 1000, 1000},
                                          {5, 1, 1},
                                          {100, 200, 300},
                                          {65535, 1},
                                          {65535, 65534, 65533, 1},
                                          {0, 3, 0, 7},
                                          {4, 6, 10, 2}}) {
    for (const int offset : {0, 1, 17, 1000}) {
      auto scheduler = Make(weights);
      Count(*scheduler, offset);
      ExpectExactCycles(*scheduler, weights);
    }
  }
}

TEST(WeightedRoundRobinTest, IsExactForRandomWeightsAndAfterRandomChanges) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 prng(seed);
    std::vector<uint32_t> weights(1 + prng() % 40);
    for (uint32_t& weight : weights) weight = 1 + prng() % 100;
    auto scheduler = Make(weights);
    for (int change = 0; change < 5; ++change) {
      const auto server = static_cast<uint16_t>(prng() % weights.size());
      switch (prng() % 3) {
        case 0:
          weights[server] = prng() % 100;
          scheduler->SetEffectiveWeight(server, weights[server]);
          break;
        case 1:
          scheduler->SetUp(kStart, server, false);
          break;
        default:
          scheduler->SetFull(server, prng() % 2 == 0);
      }
      std::vector<uint32_t> available = weights;
      for (uint16_t i = 0; i < weights.size(); ++i) {
        if (!scheduler->available(i)) available[i] = 0;
      }
      if (Gcd(available) == 0) break;  // Nobody is left.
      Count(*scheduler, prng() % 50);
      ExpectExactCycles(*scheduler, available);
    }
  }
}

TEST(WeightedRoundRobinTest, ServersOfOneWeightTakeTurnsInAFixedOrder) {
  auto scheduler = Make(std::vector<uint32_t>(5, 1000));
  const auto first = PickAndOpen(*scheduler, 5);
  EXPECT_THAT(first, ::testing::UnorderedElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(PickAndOpen(*scheduler, 5), first);
}

TEST(WeightedRoundRobinTest, AHeavyServerIsInterleavedNotServedInARun) {
  EXPECT_THAT(PickAndOpen(*Make({5, 1, 1}), 7),
              ElementsAre(0, 1, 0, 0, 0, 2, 0));
  // Half of everything goes to the first: no long runs either way.
  std::vector<uint32_t> weights(1001, 1);
  weights[0] = 1000;
  auto scheduler = Make(weights);
  int run = 0;
  bool heavy = false;
  for (int i = 0; i < 4000; ++i) {
    const bool now_heavy = scheduler->Pick(kStart, 0) == 0;
    run = now_heavy == heavy ? run + 1 : 1;
    heavy = now_heavy;
    ASSERT_LE(run, 3) << i;
  }
}

// How far a server's picks ever were from its share, in picks.
double WorstLag(const std::vector<uint32_t>& weights) {
  auto scheduler = Make(weights);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> picked(weights.size());
  double worst = 0;
  for (int t = 1; t <= total; ++t) {
    ++picked[scheduler->Pick(kStart, 0).value()];
    for (size_t i = 0; i < weights.size(); ++i) {
      worst = std::max(worst, std::abs(picked[i] - t * weights[i] / total));
    }
  }
  return worst;
}

// A plain deficit list (all of one server's turns in a run) would be off by up
// to a whole weight.
TEST(WeightedRoundRobinTest, NoServerIsEverMoreThanAFewPicksOffItsShare) {
  double worst = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937 prng(seed);
    std::vector<uint32_t> weights(2 + prng() % 60);
    for (uint32_t& weight : weights) {
      weight = prng() % 4 == 0 ? 1 + prng() % 500 : 1 + prng() % 5;
    }
    worst = std::max(worst, WorstLag(weights));
  }
  EXPECT_LT(worst, 3);
}

TEST(WeightedRoundRobinTest, ReturningServersMakeNothingUp) {
  auto scheduler = Make({10, 10, 10});
  scheduler->SetUp(kStart, 1, false);
  Count(*scheduler, 1000);
  scheduler->SetUp(kStart, 1, true);
  EXPECT_THAT(Count(*scheduler, 3), ElementsAre(1, 1, 1));
  EXPECT_THAT(Count(*scheduler, 30), ElementsAre(10, 10, 10));
}

TEST(WeightedRoundRobinTest, NobodyAvailableIsNobody) {
  EXPECT_FALSE(Make({})->Pick(kStart, 0).has_value());
  EXPECT_FALSE(Make({0, 0})->Pick(kStart, 0).has_value());
  auto scheduler = Make({3});
  scheduler->SetFull(0, true);
  EXPECT_FALSE(scheduler->Pick(kStart, 0).has_value());
  scheduler->SetFull(0, false);
  EXPECT_EQ(scheduler->Pick(kStart, 0), 0);
}

// With a new configuration every 3 picks, servers late in the cycle would
// starve if each configuration began the cycle anew.
TEST(WeightedRoundRobinTest, ManyNewConfigurationsKeepTheShares) {
  const std::vector<uint32_t> weights = {1, 2, 3, 4, 5, 6, 7, 8};  // Sum 36.
  auto scheduler = Make(weights);
  std::vector<uint32_t> counts(weights.size());
  for (int i = 0; i < 120; ++i) {
    for (int pick = 0; pick < 3; ++pick) {
      ++counts[scheduler->Pick(kStart, 0).value()];
    }
    auto next = Make(weights);
    next->CarryOver(kStart, *scheduler);
    scheduler = std::move(next);
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    EXPECT_NEAR(counts[i], weights[i] * 10.0, 2) << i;
  }
}

// A round is counted in 16 bits: over 200,000 of them, each is still exact.
TEST(WeightedRoundRobinTest, RoundsDoNotRunOut) {
  auto scheduler = Make({1, 2, 0, 1});
  for (int round = 0; round < 200'000; ++round) {
    ASSERT_THAT(Count(*scheduler, 4), ElementsAre(1, 2, 0, 1)) << round;
  }
}

}  // namespace
}  // namespace ballast::sched
