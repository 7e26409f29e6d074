#include "sched/fairness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "sched/source_hash_table.h"

namespace ballast::sched {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SourceHashTable Table(Fill fill, const std::vector<uint32_t>& weights) {
  std::vector<SourceHashTable::Server> servers;
  for (const uint32_t weight : weights) {
    servers.push_back({servers.size(), weight});
  }
  return SourceHashTable::Build(fill, servers).value();
}

// The vendor page's example: five defaults, the last gets 96 slots.
TEST(FairnessTest, WarnsWithNumbersAndTheRemedy) {
  const auto table = Table(Fill::kLoadMaster, std::vector<uint32_t>(5, 1000));
  const auto warnings = FairnessWarnings(table);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].server, 4);
  EXPECT_THAT(warnings[0].message,
              AllOf(HasSubstr("weight 1000 gets 96 of 4096"),
                    HasSubstr("(2.3%)"), HasSubstr("20.0%"),
                    HasSubstr("use fill even"), HasSubstr("divisor of 4096")));
  const auto shares = Shares(table);
  EXPECT_EQ(shares[4].slots, 96u);
  EXPECT_DOUBLE_EQ(shares[4].share, 96.0 / 4096);
  EXPECT_DOUBLE_EQ(shares[4].fair_share, 0.2);
}

TEST(FairnessTest, HalfTheShareIsEnoughAndWeightZeroAsksForNone) {
  // 3000, 1096: the second gets 27 % and asks for 50 %: over half.
  EXPECT_THAT(FairnessWarnings(Table(Fill::kLoadMaster, {3000, 3000})),
              IsEmpty());
  // 3073, 1023: under half of 2048; with 3072, 1024 exactly half.
  EXPECT_EQ(FairnessWarnings(Table(Fill::kLoadMaster, {3073, 3073})).size(),
            1u);
  EXPECT_THAT(FairnessWarnings(Table(Fill::kLoadMaster, {3072, 3072})),
              IsEmpty());
  EXPECT_THAT(FairnessWarnings(Table(Fill::kLoadMaster, {0, 7})), IsEmpty());
  EXPECT_THAT(FairnessWarnings(Table(Fill::kLoadMaster, {0, 0})), IsEmpty());
  EXPECT_THAT(FairnessWarnings(Table(Fill::kLoadMaster, {})), IsEmpty());
}

TEST(FairnessTest, TheRemedyHelps) {
  for (const Fill fill : {Fill::kEven, Fill::kMaglev}) {
    EXPECT_THAT(FairnessWarnings(Table(fill, std::vector<uint32_t>(5, 1000))),
                IsEmpty());
  }
  EXPECT_THAT(
      FairnessWarnings(Table(Fill::kLoadMaster, {512, 1024, 512, 1024, 1024})),
      IsEmpty());
}

TEST(FairnessTest, AWeightTooSmallForAnySlotIsNamedAsThat) {
  const auto warnings = FairnessWarnings(Table(Fill::kEven, {65535, 1}));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0].message, HasSubstr("raise its weight"));
}

}  // namespace
}  // namespace ballast::sched
