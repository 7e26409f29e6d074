#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "io/base/instant.h"
#include "sched/scheduler.h"
#include "sched/scheduler_testing.h"

namespace ballast::sched {
namespace {

using ::testing::ElementsAre;

std::unique_ptr<Scheduler> Make(std::initializer_list<uint32_t> weights) {
  return MakeScheduler({.method = Method::kRoundRobin}, Servers(weights));
}

TEST(RoundRobinTest, GoesRoundInListOrderWhateverTheWeights) {
  auto scheduler = Make({1000, 1, 65535});
  EXPECT_THAT(PickAndOpen(*scheduler, 7), ElementsAre(0, 1, 2, 0, 1, 2, 0));
}

TEST(RoundRobinTest, SkipsDownFullAndWeightless) {
  auto scheduler = Make({1, 1, 0, 1, 1});
  scheduler->SetUp(kStart, 1, false);
  scheduler->SetFull(4, true);
  EXPECT_THAT(PickAndOpen(*scheduler, 4), ElementsAre(0, 3, 0, 3));
  scheduler->SetUp(kStart, 1, true);
  scheduler->SetFull(4, false);
  scheduler->SetEffectiveWeight(2, 5);
  EXPECT_THAT(PickAndOpen(*scheduler, 5), ElementsAre(4, 0, 1, 2, 3));
}

TEST(RoundRobinTest, NobodyAvailableIsNobody) {
  EXPECT_THAT(PickAndOpen(*Make({}), 1), ElementsAre(-1));
  auto scheduler = Make({1});
  scheduler->SetUp(kStart, 0, false);
  EXPECT_THAT(PickAndOpen(*scheduler, 2), ElementsAre(-1, -1));
}

TEST(RoundRobinTest, ANewConfigurationGoesOnWhereTheLastOneStopped) {
  auto before = Make({1, 1, 1});
  EXPECT_THAT(PickAndOpen(*before, 2), ElementsAre(0, 1));
  // A server is put in front, so that positions shift by one.
  const std::vector<ServerState> servers = {
      {.id = 9}, {.id = 1}, {.id = 2}, {.id = 3}};
  auto after = MakeScheduler({.method = Method::kRoundRobin}, servers);
  after->CarryOver(kStart, *before);
  EXPECT_THAT(PickAndOpen(*after, 3), ElementsAre(3, 0, 1));
}

}  // namespace
}  // namespace ballast::sched
