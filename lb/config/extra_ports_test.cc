#include "lb/config/extra_ports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"

namespace ballast::config {
namespace {

using ::testing::HasSubstr;

struct Accepted {
  std::string name;
  std::string text;
  uint16_t base_port;
  std::string canonical;
  size_t count;
};

class AcceptedTest : public ::testing::TestWithParam<Accepted> {};

TEST_P(AcceptedTest, IsReadAndWrittenBack) {
  const auto ports = ParseExtraPorts(GetParam().text, GetParam().base_port);
  ASSERT_THAT(ports, IsOk());
  EXPECT_EQ(FormatExtraPorts(*ports), GetParam().canonical);
  EXPECT_EQ(CountPorts(*ports), GetParam().count);
}

INSTANTIATE_TEST_SUITE_P(
    , AcceptedTest,
    ::testing::Values(
        // The vendor's example: its set of ports and their number.
        Accepted{"VendorExample", "8000-8080, 9002, 80, 8050, 9000", 8443,
                 "80,8000-8080,9000,9002", 84},
        Accepted{"EmptyIsNone", "", 80, "", 0},
        Accepted{"SeparatorsAloneAreNone", " ,\t, ", 80, "", 0},
        Accepted{"RunsOfSeparators", ",, 81 ,\t,83", 80, "81,83", 2},
        Accepted{"NeighboursMerge", "82,81", 80, "81-82", 2},
        Accepted{"BasePortDropped", "80,443", 443, "80", 1},
        Accepted{"BasePortSplitsItsRange", "8000-8004", 8002,
                 "8000-8001,8003-8004", 4},
        Accepted{"Extremes", "3,65530", 80, "3,65530", 2},
        Accepted{"RangeOfOne", "90-90", 80, "90", 1},
        Accepted{"TheLimit", "1001-1510", 80, "1001-1510", 510},
        // 511 listed, but the base port does not count.
        Accepted{"TheLimitBesidesTheBasePort", "1000-1510", 1000, "1001-1510",
                 510}),
    [](const auto& info) { return info.param.name; });

struct Refused {
  std::string name;
  std::string text;
  std::string why;
};

class RefusedTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedTest, NamesTheElement) {
  EXPECT_THAT(
      ParseExtraPorts(GetParam().text, 80),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().why)));
}

INSTANTIATE_TEST_SUITE_P(
    , RefusedTest,
    ::testing::Values(Refused{"BelowThree", "81,2", "\"2\""},
                      Refused{"Above65530", "65531", "\"65531\""},
                      Refused{"RangeEndAbove65530", "9-65531", "\"9-65531\""},
                      Refused{"Backwards", "90-89", "\"90-89\""},
                      Refused{"BlankAroundHyphen", "90 - 92", "\"-\""},
                      Refused{"OpenRange", "90-", "\"90-\""},
                      Refused{"TwoHyphens", "90-92-94", "\"90-92-94\""},
                      Refused{"Sign", "+90", "\"+90\""},
                      Refused{"Word", "http", "\"http\""},
                      Refused{"Overflow", "4294967377", "\"4294967377\""},
                      Refused{"OtherSeparator", "90;91", "\"90;91\""},
                      Refused{"OneTooMany", "1001-1511", "511 ports"},
                      Refused{"TooManyInPieces", "1001-1500, 2000-2020",
                              "521 ports"}),
    [](const auto& info) { return info.param.name; });

// Against a set of numbers: every accepted text yields that set without the
// base port, in order, with no two ranges touching.
TEST(ExtraPortsTest, AgreesWithASetOfNumbers) {
  std::mt19937 prng(7);
  for (int round = 0; round < 500; ++round) {
    const uint16_t base_port = static_cast<uint16_t>(1000 + prng() % 40);
    std::set<uint32_t> expected;
    std::string text;
    for (uint32_t i = prng() % 12; i > 0; --i) {
      const uint32_t first = 1000 + prng() % 40;
      const uint32_t last = first + prng() % 5;
      absl::StrAppend(&text, first, "-", last, prng() % 2 ? "," : " ");
      for (uint32_t port = first; port <= last; ++port) expected.insert(port);
    }
    expected.erase(base_port);
    SCOPED_TRACE(absl::StrCat(text, " base ", base_port));
    const auto ports = ParseExtraPorts(text, base_port);
    ASSERT_THAT(ports, IsOk());
    std::set<uint32_t> got;
    uint32_t end = 0;
    for (const PortRange& range : *ports) {
      ASSERT_GT(range.first, end + 1);
      ASSERT_LE(range.first, range.last);
      end = range.last;
      for (uint32_t p = range.first; p <= range.last; ++p) got.insert(p);
    }
    EXPECT_EQ(got, expected);
    EXPECT_THAT(ParseExtraPorts(FormatExtraPorts(*ports), base_port),
                IsOkAndHolds(*ports));
  }
}

}  // namespace
}  // namespace ballast::config
