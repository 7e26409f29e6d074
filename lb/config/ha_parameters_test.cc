// Every parameter of the pair: its default, its edges, and one beyond each.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lb/config/ha_test_texts.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

struct Parameter {
  std::string name;   // Of the field.
  bool plain;         // In ha.plain.
  std::string extra;  // Of ha, where the parameter needs it.
  int64_t (*get)(const HighAvailability&);
  int64_t unset;
  std::vector<std::pair<int64_t, int64_t>> good;  // Value and what it becomes.
  std::vector<int64_t> bad;
  std::string limits;  // "must be " this.
};

class ParameterTest : public ::testing::TestWithParam<Parameter> {
 protected:
  static std::string With(const std::string& value) {
    const Parameter& parameter = GetParam();
    const std::string field =
        value.empty() ? "" : absl::StrCat(parameter.name, ": ", value);
    return parameter.plain ? Plain(field)
                           : Pair(absl::StrCat(parameter.extra, " ", field));
  }
};

TEST_P(ParameterTest, HasItsDefaultWhenUnset) {
  EXPECT_EQ(GetParam().get(Good(With(""))), GetParam().unset);
}

TEST_P(ParameterTest, TakesWhatIsInItsRange) {
  for (const auto& [value, meaning] : GetParam().good) {
    const Validated validated = Check(With(absl::StrCat(value)));
    ASSERT_NE(validated.model, nullptr) << Report(validated);
    EXPECT_EQ(GetParam().get(validated.model->ha), meaning) << value;
  }
}

TEST_P(ParameterTest, RefusesWhatIsBeyondAndSaysSo) {
  for (const int64_t value : GetParam().bad) {
    EXPECT_EQ(Errors(With(absl::StrCat(value))),
              absl::StrCat("error: ha.", GetParam().plain ? "plain." : "",
                           GetParam().name, ": ", value, ", must be ",
                           GetParam().limits, "\n"));
  }
}

using Ha = const HighAvailability&;
int64_t Ms(absl::Duration time) { return absl::ToInt64Milliseconds(time); }

constexpr int64_t kHuge = 4294967295;

INSTANTIATE_TEST_SUITE_P(
    , ParameterTest,
    ::testing::Values(
        Parameter{"timeout_s",
                  false,
                  "",
                  [](Ha ha) { return Ms(ha.timeout()); },
                  9000,
                  {{0, 9000},
                   {3, 3000},
                   {6, 6000},
                   {9, 9000},
                   {12, 12000},
                   {15, 15000}},
                  {1, 2, 4, 8, 10, 14, 16, 18, kHuge},
                  "3, 6, 9, 12 or 15"},
        // Three of them are the takeover time: 60 ms to 15 s.
        Parameter{"advert_interval_ms",
                  false,
                  "",
                  [](Ha ha) { return Ms(ha.timeout()); },
                  9000,
                  {{0, 9000}, {20, 60}, {5000, 15000}},
                  {1, 19, 5001, kHuge},
                  "0 or 20 to 5000"},
        Parameter{"initial_wait_s",
                  false,
                  "",
                  [](Ha ha) { return Ms(ha.initial_wait); },
                  0,
                  {{0, 0}, {1, 1000}, {200, 200000}},
                  {201, kHuge},
                  "0 to 200"},
        Parameter{"virtual_id",
                  false,
                  "",
                  [](Ha ha) { return int64_t{ha.virtual_id}; },
                  7,
                  {{0, 7}, {1, 1}, {255, 255}},
                  {256, 257, kHuge},
                  "0 or 1 to 255"},
        // The vendor's table with the default period of 50, ...
        Parameter{"l4_sync_threshold",
                  false,
                  "",
                  [](Ha ha) { return int64_t{ha.l4_sync.threshold}; },
                  3,
                  {{0, 0}, {3, 3}, {49, 49}},
                  {50, 51, 254},
                  "0 to 49, below l4_sync_period"},
        // ... with the greatest one, ...
        Parameter{"l4_sync_threshold",
                  false,
                  "l4_sync_period: 255",
                  [](Ha ha) { return int64_t{ha.l4_sync.threshold}; },
                  3,
                  {{0, 0}, {254, 254}},
                  {255, 256, kHuge},
                  "0 to 254"},
        // ... and with 0.
        Parameter{"l4_sync_threshold",
                  false,
                  "l4_sync_period: 0",
                  [](Ha ha) { return int64_t{ha.l4_sync.threshold}; },
                  3,
                  {{0, 0}, {254, 254}},
                  {255, kHuge},
                  "0 to 254"},
        Parameter{"l4_sync_period",
                  false,
                  "",
                  [](Ha ha) { return int64_t{ha.l4_sync.period}; },
                  50,
                  {{0, 0}, {4, 4}, {255, 255}},
                  {256, kHuge},
                  "0 or 4 to 255"},
        Parameter{"l4_sync_period",
                  false,
                  "",
                  [](Ha ha) { return int64_t{ha.l4_sync.period}; },
                  50,
                  {{4, 4}},
                  {1, 2, 3},
                  "0 or 4 to 255, above l4_sync_threshold"},
        Parameter{"l4_sync_period",
                  false,
                  "l4_sync_threshold: 0",
                  [](Ha ha) { return int64_t{ha.l4_sync.period}; },
                  50,
                  {{0, 0}, {1, 1}},
                  {256},
                  "0 or 1 to 255"},
        Parameter{"l4_sync_refresh_period_s",
                  false,
                  "",
                  [](Ha ha) { return int64_t{ha.l4_sync.refresh_s}; },
                  0,
                  {{0, 0}, {1, 1}, {10, 10}},
                  {11, kHuge},
                  "0 to 10"},
        Parameter{"sync_id",
                  false,
                  "",
                  [](Ha ha) { return int64_t{ha.sync_id}; },
                  0,
                  {{0, 0}, {255, 255}},
                  {256, kHuge},
                  "0 to 255"},
        Parameter{"port",
                  false,
                  "",
                  [](Ha ha) { return int64_t{ha.port}; },
                  6973,
                  {{0, 6973}, {1, 1}, {65535, 65535}},
                  {65536, kHuge},
                  "0 or 1 to 65535"},
        Parameter{"style",
                  false,
                  "",
                  [](Ha) { return int64_t{1}; },
                  1,
                  {{1, 1}},
                  {0, 2, kHuge},
                  "1"},
        Parameter{"pacify_starts",
                  false,
                  "",
                  [](Ha ha) { return int64_t{ha.pacify_starts}; },
                  4,
                  {{0, 0}, {2, 2}, {100, 100}},
                  {1, 101, kHuge},
                  "0 or 2 to 100"},
        Parameter{"pacify_window_s",
                  false,
                  "",
                  [](Ha ha) { return Ms(ha.pacify_window); },
                  300000,
                  {{0, 300000}, {1, 1000}, {86400, 86400000}},
                  {86401, kHuge},
                  "0 or 1 to 86400"},
        Parameter{"realtime_priority",
                  false,
                  "",
                  [](Ha ha) { return int64_t{ha.realtime_priority}; },
                  1,
                  {{0, 0}, {1, 1}, {50, 50}},
                  {51, kHuge},
                  "0 to 50"},
        Parameter{"switchover_patience_s",
                  false,
                  "",
                  [](Ha ha) { return Ms(ha.switchover_patience); },
                  10000,
                  {{0, 0}, {600, 600000}},
                  {601, kHuge},
                  "0 to 600"},
        Parameter{"advbase",
                  true,
                  "",
                  [](Ha ha) { return int64_t{ha.plain->advbase}; },
                  3,
                  {{1, 1}, {255, 255}},
                  {256, kHuge},
                  "0 to 255"},
        Parameter{"advskew",
                  true,
                  "",
                  [](Ha ha) { return int64_t{ha.plain->advskew}; },
                  0,
                  {{0, 0}, {254, 254}},
                  {255, kHuge},
                  "0 to 254"},
        Parameter{"peer_advbase",
                  true,
                  "",
                  [](Ha ha) { return int64_t{ha.plain->peer_advbase}; },
                  3,
                  {{1, 1}, {255, 255}},
                  {256, kHuge},
                  "0 to 255"},
        Parameter{"peer_advskew",
                  true,
                  "",
                  [](Ha ha) { return int64_t{ha.plain->peer_advskew}; },
                  0,
                  {{0, 0}, {254, 254}},
                  {255, kHuge},
                  "0 to 254"},
        Parameter{"dead_ratio",
                  true,
                  "",
                  [](Ha ha) { return int64_t{ha.plain->dead_ratio}; },
                  3,
                  {{0, 3}, {1, 1}, {255, 255}},
                  {256, kHuge},
                  "0 or 1 to 255"},
        Parameter{"ipvs_version",
                  true,
                  "",
                  [](Ha ha) { return int64_t{ha.plain->ipvs_version}; },
                  1,
                  {{0, 0}, {1, 1}},
                  {2, kHuge},
                  "0 to 1"}),
    [](const auto& info) {
      return absl::StrCat(info.index, "_", info.param.name);
    });

struct Switch {
  std::string name;
  std::string with;  // What else turning it on needs.
  bool (*get)(const HighAvailability&);
  bool plain = false;
};
class SwitchTest : public ::testing::TestWithParam<Switch> {};

TEST_P(SwitchTest, IsOffUnlessTurnedOn) {
  const auto with = [](const std::string& more) {
    return GetParam().plain ? Plain(more) : Pair(more);
  };
  EXPECT_FALSE(GetParam().get(Good(with(GetParam().with))));
  EXPECT_TRUE(GetParam().get(
      Good(with(absl::StrCat(GetParam().with, GetParam().name, ": true")))));
}

INSTANTIATE_TEST_SUITE_P(
    , SwitchTest,
    ::testing::Values(
        Switch{"broadcast", "", [](Ha ha) { return ha.broadcast; }},
        Switch{"hard_reboot_on_link_failure", "reboot_command: '/r' ",
               [](Ha ha) { return ha.reboot_on_link_failure; }},
        Switch{"l7_updates", "", [](Ha ha) { return ha.l7_updates; }},
        Switch{"virtual_mac", "",
               [](Ha ha) { return ha.virtual_mac.has_value(); }},
        Switch{"initial_checks", "", [](Ha ha) { return ha.initial_checks; }},
        Switch{"preempt", "", [](Ha ha) { return ha.plain->preempt; }, true},
        Switch{"allow_bow_out", "",
               [](Ha ha) { return ha.plain->allow_bow_out; }, true}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ballast::config
