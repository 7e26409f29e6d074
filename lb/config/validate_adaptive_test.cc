#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lb/config/load.h"
#include "lb/config/model.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

using ::testing::HasSubstr;

Validated Check(const std::string& service, const std::string& global = "") {
  const auto config = ParseConfig(
      absl::StrCat(global,
                   " interfaces { name: 'eth0' } virtual_services { address: "
                   "'192.0.2.1' port: 80 real_servers { address: '10.0.0.1' } ",
                   service, " }"),
      Format::kTextproto);
  if (!config.ok()) {
    ADD_FAILURE() << config.status();
    return {};
  }
  return Validate(*config, 1);
}
Adaptive Valid(const std::string& service, const std::string& global = "") {
  const Validated validated = Check(service, global);
  EXPECT_EQ(Report(validated), "");
  return validated.model ? validated.model->services[0].adaptive : Adaptive();
}

// LoadMaster behaviour §4.10: /load, port 80, 10 s, 5 %.
TEST(ValidateAdaptiveTest, Defaults) {
  const Adaptive adaptive = Valid("schedule: ADAPTIVE");
  EXPECT_EQ(adaptive.url, "/load");
  EXPECT_EQ(adaptive.port, 80);
  EXPECT_EQ(adaptive.interval, absl::Seconds(10));
  EXPECT_EQ(adaptive.idle_percent, 5);
  EXPECT_EQ(adaptive.least_percent, 0);
  EXPECT_EQ(Valid("schedule: WRR"), Adaptive());
}

TEST(ValidateAdaptiveTest, AServicesOwnGoBeforeTheGlobalOnes) {
  const std::string global =
      "adaptive { url: '/g' port: 81 interval_s: 20 idle_percent: 1 "
      "least_percent: 2 controller: '10.9.9.9' }";
  const Adaptive as_global = Valid("schedule: SDN_ADAPTIVE", global);
  EXPECT_EQ(as_global.url, "/g");
  EXPECT_EQ(as_global.controller, *Address::Parse("10.9.9.9"));
  const Adaptive own = Valid(
      "schedule: ADAPTIVE adaptive { url: '/own' port: 82 interval_s: 30 "
      "idle_percent: 0 least_percent: 9 }",
      global);
  EXPECT_EQ(own.url, "/own");
  EXPECT_EQ(own.port, 82);
  EXPECT_EQ(own.interval, absl::Seconds(30));
  EXPECT_EQ(own.idle_percent, 0);
  EXPECT_EQ(own.least_percent, 9);
}

// X12: not below the interval of health checks.
TEST(ValidateAdaptiveTest, IntervalIsNotBelowThatOfChecks) {
  const std::string slow = "health_check { interval_s: 30 } ";
  EXPECT_EQ(Valid(slow + "schedule: ADAPTIVE").interval, absl::Seconds(30));
  const Validated refused =
      Check(slow + "schedule: ADAPTIVE adaptive { interval_s: 29 }");
  ASSERT_EQ(refused.errors.size(), 1u);
  EXPECT_EQ(refused.errors[0].path, "virtual_services[0].adaptive.interval_s");
  EXPECT_THAT(refused.errors[0].message, HasSubstr("29, must be at least 30"));
  EXPECT_EQ(Valid("health_check { type: NONE } schedule: ADAPTIVE "
                  "adaptive { interval_s: 1 }")
                .interval,
            absl::Seconds(1));
}

TEST(ValidateAdaptiveTest, RefusesWhatIsOutOfRange) {
  const auto error = [](const std::string& field) {
    const Validated validated =
        Check("schedule: ADAPTIVE adaptive { " + field + " }");
    EXPECT_EQ(validated.errors.size(), 1u) << field;
    return validated.errors.empty() ? "" : validated.errors[0].ToString();
  };
  EXPECT_THAT(error("url: 'load'"), HasSubstr("must begin with a /"));
  EXPECT_THAT(error("url: '/a b'"), HasSubstr(".adaptive.url"));
  EXPECT_THAT(error("port: 65531"), HasSubstr("0 or 3 to 65530"));
  EXPECT_THAT(error("interval_s: 61"), HasSubstr("0 or 1 to 60"));
  EXPECT_THAT(error("idle_percent: 101"), HasSubstr("0 to 100"));
  EXPECT_THAT(error("least_percent: 101"), HasSubstr("0 to 100"));
  EXPECT_THAT(error("controller: 'x'"), HasSubstr(".adaptive.controller"));
}

TEST(ValidateAdaptiveTest, WarnsWhereNothingMoves) {
  EXPECT_THAT(Report(Check("schedule: SDN_ADAPTIVE")),
              HasSubstr("adaptive.controller: empty"));
  EXPECT_THAT(
      Report(Check("schedule: RESPONSE_TIME health_check { type: NONE }")),
      HasSubstr("no health check measures"));
  EXPECT_THAT(
      Report(Check("schedule: ADAPTIVE l7 { sub_services { name: 'a' } }")),
      HasSubstr("weights of sub services stay"));
}

}  // namespace
}  // namespace ballast::config
