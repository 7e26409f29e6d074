// H9..H11 of the LoadMaster behaviour document §2.3: limit 4, window 300 s.
#include "ha/start_counter.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ballast::ha {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kCalendar = 1'700'000'000 * kSecond;

// In kernel boot `boot`, which began `boot` days after kCalendar.
StartStamp Stamp(double seconds, uint8_t boot = 0) {
  StartStamp stamp;
  stamp.kernel_boot.fill(boot);
  stamp.since_boot_ns = static_cast<int64_t>(seconds * 1e9);
  stamp.calendar_ns = kCalendar + boot * 86'400 * kSecond + stamp.since_boot_ns;
  return stamp;
}

// Starts at these seconds, one after the other; the verdict of the last.
StartVerdict StartsAt(std::initializer_list<double> seconds,
                      const StartLimits& limits = {}) {
  StartVerdict verdict;
  for (const double at : seconds) {
    verdict = CountStart(verdict.history, Stamp(at), limits);
  }
  return verdict;
}

TEST(StartCounterTest, H9_ThreeStartsIn300SecondsAreFree) {
  EXPECT_FALSE(StartsAt({1000, 1010, 1020}).pacified);
}

TEST(StartCounterTest, H9_TheFourthStartWithin300SecondsPacifies) {
  const StartVerdict verdict = StartsAt({1000, 1010, 1020, 1030});
  EXPECT_TRUE(verdict.pacified);
  EXPECT_EQ(verdict.count, 4u);
  EXPECT_TRUE(verdict.history.pacified);
}

TEST(StartCounterTest, H9_AStartOf299Point9SecondsAgoStillCounts) {
  EXPECT_TRUE(StartsAt({1000, 1100, 1200, 1299.9}).pacified);
}

TEST(StartCounterTest, H9_AStartOf300SecondsAgoCountsNoMore) {
  const StartVerdict verdict = StartsAt({1000, 1100, 1200, 1300});
  EXPECT_FALSE(verdict.pacified);
  EXPECT_EQ(verdict.count, 3u);
}

TEST(StartCounterTest, H9_TheWindowSlides) {
  // Never more than three in any 300 s.
  EXPECT_FALSE(
      StartsAt({0, 101, 202, 303, 404, 505, 606, 707, 808, 909}).pacified);
  EXPECT_TRUE(StartsAt({0, 101, 202, 303, 400}).pacified);
}

TEST(StartCounterTest, H10_APacifiedUnitUpFor299Point9SecondsStaysPacified) {
  StartHistory history = StartsAt({0, 1, 2, 3}).history;
  EXPECT_FALSE(RecordUptime(history, absl::Seconds(299.9), {}));
  const StartVerdict verdict = CountStart(history, Stamp(303), {});
  EXPECT_TRUE(verdict.pacified);
  // The window alone would have let it go.
  EXPECT_EQ(verdict.count, 1u);
}

TEST(StartCounterTest, H10_EachRestartBeginsTheStabilityClockAnew) {
  StartHistory history = StartsAt({0, 1, 2, 3}).history;
  for (double at = 203; at < 2000; at += 200) {
    EXPECT_FALSE(RecordUptime(history, absl::Seconds(200), {}));
    const StartVerdict verdict = CountStart(history, Stamp(at), {});
    EXPECT_TRUE(verdict.pacified);
    history = verdict.history;
  }
}

TEST(StartCounterTest, H11_APacifiedUnitUpFor300SecondsIsFreeAfterARestart) {
  StartHistory history = StartsAt({0, 1, 2, 3}).history;
  EXPECT_TRUE(RecordUptime(history, absl::Seconds(300), {}));
  EXPECT_TRUE(history.pacified);  // Waiting alone does not clear it.
  EXPECT_FALSE(RecordUptime(history, absl::Seconds(301), {}));  // Known.
  const StartVerdict verdict = CountStart(history, Stamp(303), {});
  EXPECT_FALSE(verdict.pacified);
  EXPECT_EQ(verdict.history.starts.size(), 1u);
  EXPECT_FALSE(verdict.history.stable);
}

TEST(StartCounterTest, H11_BeingOffIsNotBeingUp) {
  const StartHistory history = StartsAt({0, 1, 2, 3}).history;
  EXPECT_TRUE(CountStart(history, Stamp(1'000'000), {}).pacified);
}

TEST(StartCounterTest, LimitZeroPacifiesNobody) {
  const StartLimits off{.limit = 0};
  EXPECT_FALSE(StartsAt({0, 1, 2, 3, 4, 5, 6, 7}, off).pacified);
  // Nor anybody who was.
  EXPECT_FALSE(
      CountStart(StartsAt({0, 1, 2, 3}).history, Stamp(4), off).pacified);
}

TEST(StartCounterTest, LimitAndWindowAreSettings) {
  EXPECT_TRUE(
      StartsAt({0, 9}, {.limit = 2, .window = absl::Seconds(10)}).pacified);
  EXPECT_FALSE(
      StartsAt({0, 10}, {.limit = 2, .window = absl::Seconds(10)}).pacified);
}

TEST(StartCounterTest, RebootsOfTheMachineCountByCalendarTime) {
  StartVerdict verdict;
  for (uint8_t boot = 0; boot < 4; ++boot) {
    StartStamp stamp = Stamp(20, boot);  // Always 20 s after the kernel.
    stamp.calendar_ns = kCalendar + boot * 60 * kSecond;
    verdict = CountStart(verdict.history, stamp, {});
  }
  EXPECT_TRUE(verdict.pacified);

  verdict = {};
  for (uint8_t boot = 0; boot < 4; ++boot) {  // A day apart.
    verdict = CountStart(verdict.history, Stamp(20, boot), {});
  }
  EXPECT_FALSE(verdict.pacified);
}

TEST(StartCounterTest, ASteppedCalendarDoesNotMatterWithinOneBoot) {
  StartVerdict verdict;
  for (int i = 0; i < 4; ++i) {
    StartStamp stamp = Stamp(100 + i);
    stamp.calendar_ns += i * 100'000 * kSecond;
    verdict = CountStart(verdict.history, stamp, {});
  }
  EXPECT_TRUE(verdict.pacified);
}

TEST(StartCounterTest, ACalendarSetBackHidesNoReboot) {
  StartVerdict verdict;
  for (uint8_t boot = 0; boot < 4; ++boot) {
    StartStamp stamp = Stamp(20, boot);
    stamp.calendar_ns = kCalendar - boot * 86'400 * kSecond;
    verdict = CountStart(verdict.history, stamp, {});
  }
  EXPECT_TRUE(verdict.pacified);
}

TEST(StartCounterTest, WithoutABatteryClockStableRunsKeepAMachineFree) {
  StartVerdict verdict;
  for (uint8_t boot = 0; boot < 20; ++boot) {
    StartStamp stamp = Stamp(20, boot);
    stamp.calendar_ns = 20 * kSecond;  // 1970, at each boot.
    verdict = CountStart(verdict.history, stamp, {});
    EXPECT_FALSE(verdict.pacified);
    RecordUptime(verdict.history, absl::Hours(5), {});
  }
}

TEST(StartCounterTest, NoMoreThan64StartsAreRemembered) {
  StartVerdict verdict;
  for (int i = 0; i < 1000; ++i) {
    verdict = CountStart(verdict.history, Stamp(i * 0.1), {.limit = 64});
    EXPECT_EQ(verdict.pacified, i >= 63);
  }
  EXPECT_EQ(verdict.history.starts.size(), 64u);
  EXPECT_EQ(verdict.history.starts.back(), Stamp(99.9));
}

// -- The file -----------------------------------------------------------------

TEST(StartCounterFileTest, IsTextThatPeopleCanRead) {
  StartHistory history;
  history.pacified = true;
  history.starts.push_back(Stamp(1.5, 0xab));
  history.starts.back().calendar_ns = -7;
  const std::string text = FormatStartHistory(history);
  // The sum by another program: SipHash-2-4 with key 0 of all before it.
  EXPECT_EQ(text,
            "ballast starts 1\n"
            "pacified 1\n"
            "stable 0\n"
            "start abababababababababababababababab 1500000000 -7\n"
            "sum c6d02a11d709e38e\n");
}

TEST(StartCounterFileTest, ComesBackAsItWas) {
  for (StartHistory history : {StartHistory(), StartsAt({1}).history,
                               StartsAt({1, 2, 3, 4, 5, 6}).history}) {
    for (const bool stable : {false, true}) {
      history.stable = stable;
      const auto again = ParseStartHistory(FormatStartHistory(history));
      ASSERT_TRUE(again.ok()) << again.status();
      EXPECT_EQ(*again, history);
    }
  }
}

TEST(StartCounterFileTest, AnyCutAndAnyChangedByteIsNoticed) {
  const std::string text = FormatStartHistory(StartsAt({1, 2, 3, 4}).history);
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(ParseStartHistory(text.substr(0, i)).ok()) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_FALSE(ParseStartHistory(changed).ok()) << i << " bit " << bit;
    }
  }
  EXPECT_FALSE(ParseStartHistory(text + "\n").ok());
}

TEST(StartCounterFileTest, DamageIsNamed) {
  const std::string text = FormatStartHistory(StartsAt({1}).history);
  const auto says = [&](absl::string_view from, absl::string_view to) {
    const auto parsed =
        ParseStartHistory(absl::StrReplaceAll(text, {{from, to}}));
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss);
    return std::string(parsed.status().message());
  };
  EXPECT_THAT(says("starts 1", "starts 2"), HasSubstr("unknown first line"));
  EXPECT_THAT(says("pacified 0", "pacified 2"), HasSubstr("line 2"));
  EXPECT_THAT(says("stable 0", "stable"), HasSubstr("line 3"));
  EXPECT_THAT(says("1000000000 ", "x "), HasSubstr("line 4 is not a start"));
  EXPECT_THAT(says("stable 0", "stable 1"), HasSubstr("wrong sum"));
  EXPECT_THAT(std::string(ParseStartHistory("").status().message()),
              HasSubstr("1 lines"));
}

TEST(StartCounterFileTest, MoreStartsThanAreEverWrittenAreRefused) {
  std::string text = "ballast starts 1\npacified 0\nstable 0\n";
  for (size_t i = 0; i <= kStartsMax; ++i) {
    absl::StrAppend(&text, "start ", std::string(32, '0'), " 1 1\n");
  }
  absl::StrAppend(&text, "sum 0000000000000000\n");
  EXPECT_THAT(std::string(ParseStartHistory(text).status().message()),
              HasSubstr("70 lines"));
}

}  // namespace
}  // namespace ballast::ha
