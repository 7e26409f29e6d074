#include "lb/health/controller_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ballast::health {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

Address At(const char* text) { return Address::Parse(text).value(); }

TEST(ControllerReportTest, ReadsWhatItKnowsAndIgnoresTheRest) {
  const auto loads = ParseControllerReport(R"({
    "time": 17, "servers": [
      {"address": "10.0.0.1", "load": 37.5, "port": "eth1"},
      {"address": "2001:db8::1", "load": 0},
      {"address": "10.0.0.2"},
      {"address": "10.0.0.3", "load": -1},
      {"address": "10.0.0.4", "load": "NaN"}]})");
  ASSERT_TRUE(loads.ok()) << loads.status();
  EXPECT_THAT(*loads, UnorderedElementsAre(Pair(At("10.0.0.1"), 37.5),
                                           Pair(At("2001:db8::1"), 0.0)));
  EXPECT_TRUE(ParseControllerReport("{}")->empty());
}

TEST(ControllerReportTest, RefusesWhatIsNone) {
  for (const char* text :
       {"", "50", "[]", "{", R"({"servers": 5})",
        R"({"servers": [{"address": "a", "load": 1}]})",
        R"({"servers": [{"address": "10.0.0.1", "load": "much"}]})"}) {
    EXPECT_FALSE(ParseControllerReport(text).ok()) << text;
  }
}

}  // namespace
}  // namespace ballast::health
