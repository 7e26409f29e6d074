#include "examples/daemon_log.h"

#include <gtest/gtest.h>

#include <string>

namespace ballast {
namespace {

TEST(LossReportTest, TellsWhatIsNew) {
  LossReport report;
  Statistics statistics;
  EXPECT_TRUE(report.Step(statistics).empty());
  statistics.drops = {{"no_service", 5}, {"ttl", 1}};
  auto records = report.Step(statistics);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].event, "frames_dropped");
  EXPECT_EQ(records[0].message, "6 frames dropped: no_service=5 ttl=1");
  EXPECT_TRUE(report.Step(statistics).empty());

  statistics.drops = {{"lease_expired", 2}, {"no_service", 5}, {"ttl", 4}};
  statistics.pair.refused_by_reason = {{"seal", 7}};
  records = report.Step(statistics);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].message, "5 frames dropped: lease_expired=2 ttl=3");
  EXPECT_EQ(records[1].message, "7 messages of the partner refused: seal=7");
}

TEST(DaemonLogTest, FormatsByName) {
  EXPECT_EQ(*DaemonLog::FormatOf("text"), DaemonLog::Format::kText);
  EXPECT_EQ(*DaemonLog::FormatOf("json"), DaemonLog::Format::kJson);
  EXPECT_EQ(DaemonLog::FormatOf("xml").status().message(),
            "--log=xml: must be auto, text or json");
}

}  // namespace
}  // namespace ballast
