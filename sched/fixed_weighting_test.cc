#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "io/base/instant.h"
#include "sched/scheduler.h"
#include "sched/scheduler_testing.h"

namespace ballast::sched {
namespace {

using ::testing::ElementsAre;

std::unique_ptr<Scheduler> Make(std::initializer_list<uint32_t> weights) {
  return MakeScheduler({.method = Method::kFixedWeighting}, Servers(weights));
}

TEST(FixedWeightingTest, TheHighestAvailableWeightTakesEverythingNew) {
  auto scheduler = Make({10, 30, 20});
  EXPECT_THAT(PickAndOpen(*scheduler, 3), ElementsAre(1, 1, 1));
  scheduler->SetUp(kStart, 1, false);
  EXPECT_THAT(PickAndOpen(*scheduler, 2), ElementsAre(2, 2));
  scheduler->SetFull(2, true);
  EXPECT_THAT(PickAndOpen(*scheduler, 2), ElementsAre(0, 0));
  scheduler->SetUp(kStart, 0, false);
  EXPECT_THAT(PickAndOpen(*scheduler, 1), ElementsAre(-1));
  scheduler->SetUp(kStart, 1, true);
  EXPECT_THAT(PickAndOpen(*scheduler, 1), ElementsAre(1));
}

TEST(FixedWeightingTest, OfEqualWeightsTheFirstInListOrder) {
  auto scheduler = Make({5, 7, 7});
  EXPECT_THAT(PickAndOpen(*scheduler, 2), ElementsAre(1, 1));
  scheduler->SetEffectiveWeight(0, 7);
  EXPECT_THAT(PickAndOpen(*scheduler, 2), ElementsAre(0, 0));
}

TEST(FixedWeightingTest, WeightZeroIsNeverPicked) {
  EXPECT_THAT(PickAndOpen(*Make({0, 0}), 1), ElementsAre(-1));
  EXPECT_THAT(PickAndOpen(*Make({}), 1), ElementsAre(-1));
}

}  // namespace
}  // namespace ballast::sched
