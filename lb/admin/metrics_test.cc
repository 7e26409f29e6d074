#include "lb/admin/metrics.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lb/admin/exposition.h"
#include "lb/admin/statistics_example.h"

namespace ballast::admin {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The lines that begin with `prefix`.
std::vector<std::string> Lines(const Statistics& statistics,
                               const std::string& prefix) {
  std::vector<std::string> lines;
  for (const absl::string_view line :
       absl::StrSplit(MetricsText(statistics), '\n')) {
    if (absl::StartsWith(line, prefix)) lines.emplace_back(line);
  }
  return lines;
}

// The format's document: "Label_value can be any sequence of UTF-8 characters,
// but the backslash (\), double-quote ("), and line feed (\n) characters have
// to be escaped as \\, \", and \n, respectively."
TEST(ExpositionTest, EscapesLabelsAsTheFormatSays) {
  MetricFamily family("files_total", MetricFamily::Type::kCounter, "Files.");
  family.Add({{"path", "C:\\DIR\\FILE.TXT"}, {"error", "No\n\"FILE\""}}, 3);
  std::string page;
  family.AppendTo(&page);
  EXPECT_EQ(page,
            "# HELP files_total Files.\n"
            "# TYPE files_total counter\n"
            "files_total{path=\"C:\\\\DIR\\\\FILE.TXT\","
            "error=\"No\\n\\\"FILE\\\"\"} 3\n");
}

TEST(ExpositionTest, SamplesWithTheSameLabelsAreOne) {
  MetricFamily family("x", MetricFamily::Type::kGauge, "X.");
  family.Add({{"a", "1"}}, 2);
  family.Add({{"a", ""}}, 5);
  family.Add({{"a", "1"}}, 40);
  std::string page;
  family.AppendTo(&page);
  EXPECT_EQ(page, "# HELP x X.\n# TYPE x gauge\nx{a=\"1\"} 42\nx 5\n");
}

TEST(ExpositionTest, AFamilyWithoutSamplesIsNotThere) {
  std::string page;
  MetricFamily("x", MetricFamily::Type::kGauge, "X.").AppendTo(&page);
  EXPECT_EQ(page, "");
}

TEST(MetricsTest, AServerIsNamedByServiceEndpointAndKind) {
  EXPECT_THAT(
      Lines(ExampleStatistics(), "ballast_server_connections_total"),
      ElementsAre(
          "ballast_server_connections_total{service=\"192.0.2.10:80/tcp\","
          "service_name=\"shop\",server=\"192.0.2.21:80\",server_name=\"anna\","
          "kind=\"real\"} 100",
          "ballast_server_connections_total{service=\"192.0.2.10:80/tcp\","
          "service_name=\"shop\",server=\"192.0.2.22:80\",kind=\"real\"} 200",
          "ballast_server_connections_total{service=\"192.0.2.10:80/tcp\","
          "service_name=\"shop\",server=\"192.0.2.23:80\",kind=\"sorry\"} 0",
          "ballast_server_connections_total{service=\"192.0.2.10:80/tcp\","
          "service_name=\"shop\",server=\"192.0.2.23:80\",kind=\"removed\"} 1",
          "ballast_server_connections_total{service=\"[2001:db8::1]:443/tcp\","
          "sub_service=\"images\",server=\"[2001:db8::21]:80\",kind=\"real\"} "
          "5",
          "ballast_server_connections_total{service=\"[2001:db8::1]:443/tcp\","
          "sub_service=\"rest\",server=\"[2001:db8::21]:80\",kind=\"real\"} "
          "6"));
}

// The sum of what servers count falls when a removed one is forgotten.
TEST(MetricsTest, OnlyAProxyCountsForTheService) {
  EXPECT_THAT(Lines(ExampleStatistics(), "ballast_service_connections_total"),
              ElementsAre("ballast_service_connections_total{service=\"["
                          "2001:db8::1]:443/tcp\"} 17"));
  EXPECT_THAT(Lines(ExampleStatistics(), "ballast_service_requests_total"),
              ElementsAre("ballast_service_requests_total{service=\"[2001:db8::"
                          "1]:443/tcp\"} 1234567890123456789"));
}

TEST(MetricsTest, AStateIsOneOfAll) {
  const std::string labels =
      "{service=\"192.0.2.10:80/tcp\",service_name=\"shop\",server=\"192.0.2."
      "22:80\",kind=\"real\",state=";
  const auto lines =
      Lines(ExampleStatistics(), "ballast_server_state" + labels);
  EXPECT_THAT(lines,
              ElementsAre("ballast_server_state" + labels + "\"enabled\"} 0",
                          "ballast_server_state" + labels + "\"disabled\"} 0",
                          "ballast_server_state" + labels + "\"draining\"} 1"));
  EXPECT_THAT(
      Lines(ExampleStatistics(), "ballast_pair_icon{unit=\"partner\""),
      ElementsAre("ballast_pair_icon{unit=\"partner\",icon=\"green_a\"} 0",
                  "ballast_pair_icon{unit=\"partner\",icon=\"green\"} 0",
                  "ballast_pair_icon{unit=\"partner\",icon=\"red\"} 1",
                  "ballast_pair_icon{unit=\"partner\",icon=\"blue\"} 0",
                  "ballast_pair_icon{unit=\"partner\",icon=\"grey\"} 0"));
}

TEST(MetricsTest, EveryDropReasonIsThereBeforeItOccurs) {
  const auto lines =
      Lines(ExampleStatistics(), "ballast_dropped_frames_total{");
  EXPECT_THAT(
      lines,
      Contains("ballast_dropped_frames_total{reason=\"no_service\"} 11"));
  EXPECT_THAT(lines,
              Contains("ballast_dropped_frames_total{reason=\"not_syn\"} 0"));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("\"none\""))));
}

TEST(MetricsTest, WithoutAPairOnlyThatIsTold) {
  EXPECT_THAT(Lines(Statistics(), "ballast_pair"),
              ElementsAre("ballast_pair_configured 0"));
}

TEST(MetricsTest, OfAPlainPartnerNoLagIsTold) {
  Statistics statistics = ExampleStatistics();
  EXPECT_THAT(Lines(statistics, "ballast_pair_lag_datagrams"),
              ElementsAre("ballast_pair_lag_datagrams 16"));
  statistics.pair.plain = true;
  EXPECT_THAT(Lines(statistics, "ballast_pair_lag_datagrams"), IsEmpty());
}

}  // namespace
}  // namespace ballast::admin
