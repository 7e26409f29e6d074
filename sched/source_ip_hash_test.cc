#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "io/base/instant.h"
#include "io/base/status_matchers.h"
#include "sched/scheduler.h"
#include "sched/scheduler_testing.h"
#include "sched/source_hash_table.h"

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

// Whose slot of 4096 is whose, by id.
std::vector<uint64_t> Owners(Scheduler& scheduler,
                             const std::vector<ServerState>& servers) {
  std::vector<uint64_t> owners;
  for (uint32_t hash = 0; hash < 4096; ++hash) {
    owners.push_back(servers[scheduler.Pick(kStart, hash).value()].id);
  }
  return owners;
}

TEST(SourceIpHashTest, ANewConfigurationMovesAnEvenTableAsLittleAsCanBe) {
  const Options options = {.method = Method::kSourceIpHash,
                           .fill = Fill::kEven};
  const auto five = Servers({10, 10, 10, 10, 10});
  auto before = MakeScheduler(options, five);
  const auto owners = Owners(*before, five);
  // The first goes.
  const std::vector<ServerState> four(five.begin() + 1, five.end());
  auto after = MakeScheduler(options, four);
  after->CarryOver(kStart, *before);
  const auto owners_now = Owners(*after, four);
  for (uint32_t slot = 0; slot < 4096; ++slot) {
    if (owners[slot] != five[0].id) {
      ASSERT_EQ(owners_now[slot], owners[slot]) << slot;
    }
  }
  // A table from the control plane stays what it is.
  std::vector<SourceHashTable::Server> wanted;
  for (const ServerState& server : four) {
    wanted.push_back({server.id, server.weight});
  }
  Options given = options;
  given.table = std::make_shared<const SourceHashTable>(
      SourceHashTable::Build(Fill::kEven, wanted).value());
  auto told = MakeScheduler(given, four);
  const auto owners_told = Owners(*told, four);
  ASSERT_NE(owners_told, owners_now);
  told->CarryOver(kStart, *before);
  EXPECT_EQ(Owners(*told, four), owners_told);
}

TEST(SourceIpHashTest, ATableForOtherServersIsRefused) {
  const auto table = std::make_shared<const SourceHashTable>(
      SourceHashTable::Build(
          Fill::kLoadMaster,
          std::vector<SourceHashTable::Server>{{1, 10}, {2, 11}})
          .value());
  const Options options = {.method = Method::kSourceIpHash, .table = table};
  EXPECT_THAT(Scheduler::Create(options, Servers({10, 11})), IsOk());
  EXPECT_THAT(Scheduler::Create(options, Servers({10, 12})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("other servers or weights")));
}

}  // namespace
}  // namespace ballast::sched
