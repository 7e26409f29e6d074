// What holds for every fill: arguments, and restoring a table.
#include "sched/source_hash_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/status/status.h"
#include "io/base/status_matchers.h"

namespace ballast::sched {
namespace {

using Server = SourceHashTable::Server;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(SourceHashTableTest, RefusesWhatItCannotDeal) {
  for (const Fill fill : {Fill::kLoadMaster, Fill::kEven, Fill::kMaglev}) {
    EXPECT_THAT(SourceHashTable::Build(fill, std::vector<Server>(4097)),
                StatusIs(kInvalid, HasSubstr("servers: 4097, at most 4096")));
    EXPECT_THAT(
        SourceHashTable::Build(fill, std::vector<Server>{{1, 1}, {2, 65536}}),
        StatusIs(kInvalid, HasSubstr("servers[1].weight: 65536")));
  }
  const std::vector<Server> twins = {{7, 1}, {8, 1}, {7, 1}};
  EXPECT_THAT(SourceHashTable::Build(Fill::kLoadMaster, twins), IsOk());
  for (const Fill fill : {Fill::kEven, Fill::kMaglev}) {
    EXPECT_THAT(SourceHashTable::Build(fill, twins),
                StatusIs(kInvalid, AllOf(HasSubstr("servers[2].id: 7"),
                                         HasSubstr("servers[0]"))));
  }
}

TEST(SourceHashTableTest, FillNamesGoBothWays) {
  for (const Fill fill : {Fill::kLoadMaster, Fill::kEven, Fill::kMaglev}) {
    EXPECT_THAT(ParseFill(FillName(fill)), IsOkAndHolds(fill));
  }
  EXPECT_THAT(ParseFill("Even"), StatusIs(kInvalid, HasSubstr("\"Even\"")));
}

TEST(SourceHashTableTest, AnEvenTableWithAPastIsRestoredAsItWas) {
  const std::vector<Server> three = {{1, 5}, {2, 5}, {3, 5}};
  const std::vector<Server> two = {{2, 5}, {3, 5}};
  const auto past = SourceHashTable::Build(Fill::kEven, three).value();
  const auto table = SourceHashTable::Build(Fill::kEven, two, &past).value();
  ASSERT_NE(table.slots(),
            SourceHashTable::Build(Fill::kEven, two).value().slots());
  EXPECT_THAT(SourceHashTable::Restore(Fill::kEven, two, table.slots()),
              IsOkAndHolds(table));
}

TEST(SourceHashTableTest, RestoringRefusesSlotsThatCannotBe) {
  const std::vector<Server> servers = {{1, 5}, {2, 0}};
  const auto table = SourceHashTable::Build(Fill::kEven, servers).value();
  for (const uint16_t wrong : {uint16_t{1}, uint16_t{2}, kNoServer}) {
    Slots slots = table.slots();
    slots[9] = wrong;
    EXPECT_THAT(SourceHashTable::Restore(Fill::kEven, servers, slots),
                StatusIs(kInvalid, HasSubstr("slots[9]")));
    EXPECT_THAT(SourceHashTable::Restore(Fill::kMaglev, servers, slots),
                StatusIs(kInvalid, HasSubstr("fill maglev")));
  }
  EXPECT_THAT(SourceHashTable::Restore(Fill::kEven, {}, table.slots()),
              StatusIs(kInvalid, HasSubstr("slots[0]")));
}

}  // namespace
}  // namespace ballast::sched
