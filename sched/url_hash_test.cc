// LoadMaster behaviour §4.9, rule by rule.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "sched/scheduler.h"
#include "sched/scheduler_testing.h"

namespace ballast::sched {
namespace {

using ::testing::ElementsAre;

std::unique_ptr<Scheduler> Make(std::initializer_list<uint32_t> weights) {
  return MakeScheduler({.method = Method::kUrlHash}, Servers(weights));
}

// Where the first hashes go; -1: nowhere.
std::vector<int> Targets(Scheduler& scheduler, uint32_t count) {
  std::vector<int> targets;
  for (uint32_t hash = 0; hash < count; ++hash) {
    const auto server = scheduler.Pick(kStart, hash);
    targets.push_back(server.has_value() ? *server : -1);
  }
  return targets;
}

TEST(UrlHashTest, TheTargetIsTheHashModuloTheConfiguredServers) {
  EXPECT_THAT(Targets(*Make({1, 500, 3}), 7), ElementsAre(0, 1, 2, 0, 1, 2, 0));
  // Uniform hashes reach servers of the higher bits too.
  EXPECT_EQ(Make({1, 1, 1})->Pick(kStart, 0xffffffff), 0xffffffff % 3);
}

TEST(UrlHashTest, OnlyTheRequestsOfAnUnavailableServerGoElsewhereAndComeBack) {
  auto scheduler = Make({1, 1, 1, 1});
  scheduler->SetUp(kStart, 1, false);
  EXPECT_THAT(Targets(*scheduler, 4), ElementsAre(0, 2, 2, 3));
  scheduler->SetFull(2, true);
  EXPECT_THAT(Targets(*scheduler, 4), ElementsAre(0, 3, 3, 3));
  // Round to the beginning of the list.
  scheduler->SetEffectiveWeight(3, 0);
  EXPECT_THAT(Targets(*scheduler, 4), ElementsAre(0, 0, 0, 0));
  scheduler->SetUp(kStart, 1, true);
  scheduler->SetFull(2, false);
  scheduler->SetEffectiveWeight(3, 1);
  EXPECT_THAT(Targets(*scheduler, 4), ElementsAre(0, 1, 2, 3));
}

TEST(UrlHashTest, NobodyAvailableIsNobody) {
  EXPECT_THAT(Targets(*Make({}), 1), ElementsAre(-1));
  EXPECT_THAT(Targets(*Make({0, 0}), 2), ElementsAre(-1, -1));
}

}  // namespace
}  // namespace ballast::sched
