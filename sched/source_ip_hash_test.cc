#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "io/base/instant.h"
#include "sched/scheduler.h"
#include "sched/scheduler_testing.h"

namespace ballast::sched {
namespace {

std::unique_ptr<Scheduler> Make(std::initializer_list<uint32_t> weights) {
  return MakeScheduler({.method = Method::kSourceIpHash}, Servers(weights));
}

// How many of the 4096 slots lead to each server; a pick of nobody dies.
std::vector<int> Shares(Scheduler& scheduler) {
  std::vector<int> shares(scheduler.server_count());
  for (uint32_t hash = 0; hash < 4096; ++hash) {
    ++shares.at(scheduler.Pick(kStart, hash).value());
  }
  return shares;
}

// LoadMaster's worked examples again, through health changes this time.
TEST(SourceIpHashTest, AServerDownHasItsSlotsDealtAgain) {
  auto scheduler = Make({1000, 1000, 1000, 1000});
  EXPECT_EQ(Shares(*scheduler), std::vector<int>({1096, 1000, 1000, 1000}));
  scheduler->SetUp(kStart, 1, false);
  EXPECT_EQ(Shares(*scheduler), std::vector<int>({2000, 0, 1096, 1000}));
  scheduler->SetUp(kStart, 1, true);
  EXPECT_EQ(Shares(*scheduler), std::vector<int>({1096, 1000, 1000, 1000}));
}

TEST(SourceIpHashTest, AFullServersClientsGoToTheNextAvailableInListOrder) {
  auto scheduler = Make({1024, 1024, 1024, 1024});
  scheduler->SetFull(3, true);
  EXPECT_EQ(Shares(*scheduler), std::vector<int>({2048, 1024, 1024, 0}));
  scheduler->SetFull(0, true);
  EXPECT_EQ(Shares(*scheduler), std::vector<int>({0, 3072, 1024, 0}));
  scheduler->SetFull(1, true);
  scheduler->SetFull(2, true);
  EXPECT_FALSE(scheduler->Pick(kStart, 17).has_value());
}

TEST(SourceIpHashTest, NobodyEligibleIsNobody) {
  auto scheduler = Make({1, 1});
  scheduler->SetUp(kStart, 0, false);
  scheduler->SetEffectiveWeight(1, 0);
  EXPECT_FALSE(scheduler->Pick(kStart, 17).has_value());
  EXPECT_FALSE(Make({})->Pick(kStart, 17).has_value());
}

TEST(SourceIpHashTest, ALoadReportMovesNobody) {
  auto scheduler = Make({1000, 1000, 1000, 1000});
  scheduler->SetEffectiveWeight(2, 7);
  EXPECT_EQ(Shares(*scheduler), std::vector<int>({1096, 1000, 1000, 1000}));
}

}  // namespace
}  // namespace ballast::sched
