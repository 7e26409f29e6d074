#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "io/base/status_matchers.h"
#include "sched/server_set.h"
#include "sched/source_hash_table.h"

namespace ballast::sched {
namespace {

std::vector<SourceHashTable::Server> WithWeights(
    const std::vector<uint32_t>& weights) {
  std::vector<SourceHashTable::Server> servers;
  for (const uint32_t weight : weights) servers.push_back({0, weight});
  return servers;
}

struct Deal {
  std::string name;
  std::vector<uint32_t> weights;
  std::vector<uint16_t> down;
  std::vector<int> slots;
};
void PrintTo(const Deal& deal, std::ostream* out) { *out << deal.name; }

class LoadMasterDealTest : public ::testing::TestWithParam<Deal> {};

TEST_P(LoadMasterDealTest, GivesTheWorkedSlots) {
  const Deal& deal = GetParam();
  const auto table =
      SourceHashTable::Build(Fill::kLoadMaster, WithWeights(deal.weights));
  ASSERT_THAT(table, IsOk());
  ServerSet down;
  for (const uint16_t server : deal.down) down.Set(server, true);
  std::vector<int> slots(deal.weights.size());
  for (const uint16_t server : table->Without(down)) ++slots.at(server);
  EXPECT_EQ(slots, deal.slots);
}

INSTANTIATE_TEST_SUITE_P(
    , LoadMasterDealTest,
    ::testing::Values(
        // {name, weights, servers down, slots expected for each server}
        // The vendor page's two worked examples, number for number.
        Deal{"FourDefaultsLeave96ToTheFirst",
             {1000, 1000, 1000, 1000},
             {},
             {1096, 1000, 1000, 1000}},
        Deal{"FiveDefaultsStarveTheLast",
             {1000, 1000, 1000, 1000, 1000},
             {},
             {1000, 1000, 1000, 1000, 96}},
        // The same rule worked by hand.
        Deal{"OneTakesAll", {1000}, {}, {4096}},
        Deal{"TwoDefaults", {1000, 1000}, {}, {2096, 2000}},
        Deal{"ThreeDefaults", {1000, 1000, 1000}, {}, {2000, 1096, 1000}},
        Deal{"SixDefaultsLeaveNoneToTheLast",
             {1000, 1000, 1000, 1000, 1000, 1000},
             {},
             {1000, 1000, 1000, 1000, 96, 0}},
        Deal{"ADivisorOf4096IsEven",
             {1024, 1024, 1024, 1024},
             {},
             {1024, 1024, 1024, 1024}},
        Deal{"OnesAlternate", {1, 1}, {}, {2048, 2048}},
        Deal{"Unequal", {100, 200, 300}, {}, {700, 1400, 1996}},
        Deal{"TheFirstMayTakeAll", {5000, 1000}, {}, {4096, 0}},
        Deal{"SecondOfFourDown",
             {1000, 1000, 1000, 1000},
             {1},
             {2000, 0, 1096, 1000}},
        Deal{"FirstOfFiveDown",
             {1000, 1000, 1000, 1000, 1000},
             {0},
             {0, 1096, 1000, 1000, 1000}},
        // The edges.
        Deal{"WeightZeroTakesNone", {0, 1, 1}, {}, {0, 2048, 2048}},
        Deal{"TheGreatestWeightDoesNotOverrun", {65535, 1}, {}, {4096, 0}}),
    [](const auto& info) { return info.param.name; });

TEST(LoadMasterFillTest, RunsAreConsecutiveAndRoundAgain) {
  const auto table =
      SourceHashTable::Build(Fill::kLoadMaster, WithWeights({3, 0, 2}));
  ASSERT_THAT(table, IsOk());
  const Slots& slots = table->slots();
  for (size_t i = 0; i < kSlotCount; ++i) {
    ASSERT_EQ(slots[i], i % 5 < 3 ? 0 : 2) << i;
  }
}

TEST(LoadMasterFillTest, NobodyEligibleLeavesEverySlotEmpty) {
  for (const auto& weights : {std::vector<uint32_t>{}, {0, 0}}) {
    const auto table =
        SourceHashTable::Build(Fill::kLoadMaster, WithWeights(weights));
    ASSERT_THAT(table, IsOk());
    for (const uint16_t server : table->slots()) ASSERT_EQ(server, kNoServer);
  }
}

}  // namespace
}  // namespace ballast::sched
