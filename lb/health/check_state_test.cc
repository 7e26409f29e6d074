#include "lb/health/check_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ballast::health {
namespace {

using config::CheckType;
using config::HealthCheck;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = Action::Kind;

const Instant kStart = Instant::FromNanos(1'000'000'000'000'000);
constexpr absl::Duration kNanosecond = absl::Nanoseconds(1);

// The vendor's defaults: every 9 s, 4 s to answer, 2 failures.
HealthCheck Defaults() { return {}; }

// A state that has just begun a check as an up server, at `now`.
CheckState UpAndProbing(const HealthCheck& check, Instant& now) {
  CheckState state(check, 0, kStart, /*up=*/true);
  now = state.deadline();
  EXPECT_THAT(state.Step(now, Tick{}),
              ElementsAre(Action{Kind::kStartProbe, 1}));
  return state;
}

TEST(CheckStateTest, NewServerIsDownUntilItsFirstAnswer) {
  CheckState state(Defaults(), 12345, kStart);
  EXPECT_FALSE(state.up());
  EXPECT_EQ(state.reason(), Reason::kUnchecked);
  const Instant first = state.deadline();
  EXPECT_GE(first, kStart);
  EXPECT_LE(first, kStart + kFirstCheckWithin);
  EXPECT_THAT(state.Step(first - kNanosecond, Tick{}), IsEmpty());
  EXPECT_THAT(state.Step(first, Tick{}),
              ElementsAre(Action{Kind::kStartProbe, 1}));
  const Instant answer = first + absl::Milliseconds(3);
  EXPECT_THAT(state.Step(answer, ProbeDone{1, ProbeResult::kSuccess}),
              ElementsAre(Action{Kind::kReportUp}));
  EXPECT_TRUE(state.up());
  EXPECT_EQ(state.reason(), Reason::kAnswered);
  EXPECT_EQ(state.last_change(), answer);
}

// "Down after Timeout x Retry seconds without answer."
TEST(CheckStateTest, SilentServerIsDownAfterTimeoutTimesRetry) {
  for (const int retry_count : {2, 3, 15}) {
    HealthCheck check{.interval = absl::Seconds(901),
                      .timeout = absl::Seconds(60),
                      .retry_count = retry_count};
    Instant began;
    CheckState state = UpAndProbing(check, began);
    for (int i = 1; i < retry_count; ++i) {
      EXPECT_EQ(state.deadline(), began + i * check.timeout);
      EXPECT_THAT(state.Step(state.deadline(), Tick{}),
                  ElementsAre(Action{Kind::kAbortProbe, uint32_t(i)},
                              Action{Kind::kStartProbe, uint32_t(i + 1)}));
      EXPECT_TRUE(state.up());
    }
    const Instant end = began + retry_count * check.timeout;
    EXPECT_EQ(state.deadline(), end);
    EXPECT_THAT(state.Step(end - kNanosecond, Tick{}), IsEmpty());
    EXPECT_THAT(state.Step(end, Tick{}),
                ElementsAre(Action{Kind::kAbortProbe, uint32_t(retry_count)},
                            Action{Kind::kReportDown}));
    EXPECT_EQ(state.reason(), Reason::kTimedOut);
    EXPECT_EQ(state.last_change(), end);
  }
}

TEST(CheckStateTest, RefusalIsTriedAgainOnlyWhenItWouldHaveTimedOut) {
  Instant began;
  CheckState state = UpAndProbing(Defaults(), began);
  EXPECT_THAT(state.Step(began + absl::Milliseconds(1),
                         ProbeDone{1, ProbeResult::kRefused}),
              IsEmpty());
  EXPECT_EQ(state.deadline(), began + absl::Seconds(4));
  EXPECT_THAT(state.Step(state.deadline(), Tick{}),
              ElementsAre(Action{Kind::kStartProbe, 2}));
  EXPECT_THAT(state.Step(began + absl::Seconds(4),
                         ProbeDone{2, ProbeResult::kUnreachable}),
              ElementsAre(Action{Kind::kReportDown}));
  EXPECT_EQ(state.reason(), Reason::kUnreachable);
}

TEST(CheckStateTest, OneAnswerForgivesEarlierFailures) {
  Instant now;
  CheckState state = UpAndProbing(Defaults(), now);
  for (uint32_t probe = 1; probe < 20; probe += 2) {
    EXPECT_THAT(state.Step(now, ProbeDone{probe, ProbeResult::kRefused}),
                IsEmpty());
    now = state.deadline();
    ASSERT_THAT(state.Step(now, Tick{}),
                ElementsAre(Action{Kind::kStartProbe, probe + 1}));
    EXPECT_THAT(state.Step(now, ProbeDone{probe + 1, ProbeResult::kSuccess}),
                IsEmpty());
    EXPECT_EQ(state.failures_in_a_row(), 0);
    now = state.deadline();
    ASSERT_THAT(state.Step(now, Tick{}),
                ElementsAre(Action{Kind::kStartProbe, probe + 2}));
  }
  EXPECT_TRUE(state.up());
}

TEST(CheckStateTest, DownServerIsProbedOnceAnIntervalAndRisesAtOnce) {
  CheckState state(Defaults(), 0, kStart);
  Instant began = state.deadline();
  for (uint32_t probe = 1; probe <= 5; ++probe) {
    ASSERT_THAT(state.Step(began, Tick{}),
                ElementsAre(Action{Kind::kStartProbe, probe}));
    EXPECT_THAT(state.Step(began, ProbeDone{probe, ProbeResult::kRefused}),
                IsEmpty());
    // The first check is early; from then on they keep to the interval.
    if (probe > 1) {
      EXPECT_EQ(state.deadline(), began + absl::Seconds(9));
    }
    EXPECT_EQ(state.reason(), Reason::kRefused);
    began = state.deadline();
  }
  EXPECT_THAT(state.Step(began, Tick{}),
              ElementsAre(Action{Kind::kStartProbe, 6}));
  EXPECT_THAT(state.Step(began, ProbeDone{6, ProbeResult::kSuccess}),
              ElementsAre(Action{Kind::kReportUp}));
}

TEST(CheckStateTest, AnswerToAnEarlierProbeIsIgnored) {
  Instant began;
  CheckState state = UpAndProbing(Defaults(), began);
  const Instant second = began + absl::Seconds(4);
  ASSERT_THAT(
      state.Step(second, Tick{}),
      ElementsAre(Action{Kind::kAbortProbe, 1}, Action{Kind::kStartProbe, 2}));
  EXPECT_THAT(state.Step(second, ProbeDone{1, ProbeResult::kSuccess}),
              IsEmpty());
  EXPECT_EQ(state.failures_in_a_row(), 1);
  EXPECT_THAT(state.Step(second, ProbeDone{1, ProbeResult::kRefused}),
              IsEmpty());
  EXPECT_EQ(state.failures_in_a_row(), 1);
}

TEST(CheckStateTest, RefusedFlowBeginsACheckAndIsItsFirstFailure) {
  Instant now;
  CheckState state = UpAndProbing(Defaults(), now);
  ASSERT_THAT(state.Step(now, ProbeDone{1, ProbeResult::kSuccess}), IsEmpty());
  now += absl::Seconds(1);
  EXPECT_THAT(state.Step(now, FlowRefused{}),
              ElementsAre(Action{Kind::kStartProbe, 2}));
  // More of them add nothing: the rest must be the check's own.
  EXPECT_THAT(state.Step(now, FlowRefused{}), IsEmpty());
  EXPECT_THAT(state.Step(now, FlowRefused{}), IsEmpty());
  EXPECT_TRUE(state.up());
  EXPECT_THAT(state.Step(now, ProbeDone{2, ProbeResult::kRefused}),
              ElementsAre(Action{Kind::kReportDown}));
  EXPECT_THAT(state.Step(now, FlowRefused{}), IsEmpty());
}

TEST(CheckStateTest, RefusedFlowsAloneTakeNoServerDown) {
  Instant now;
  CheckState state = UpAndProbing(Defaults(), now);
  ASSERT_THAT(state.Step(now, ProbeDone{1, ProbeResult::kSuccess}), IsEmpty());
  for (uint32_t probe = 2; probe < 50; ++probe) {
    now += absl::Milliseconds(10);
    ASSERT_THAT(state.Step(now, FlowRefused{}),
                ElementsAre(Action{Kind::kStartProbe, probe}));
    ASSERT_THAT(state.Step(now, ProbeDone{probe, ProbeResult::kSuccess}),
                IsEmpty());
  }
  EXPECT_TRUE(state.up());
}

TEST(CheckStateTest, RefusedFlowDoesNotShortenThePauseOfACheck) {
  Instant now;
  CheckState state = UpAndProbing(Defaults(), now);
  ASSERT_THAT(state.Step(now, ProbeDone{1, ProbeResult::kRefused}), IsEmpty());
  const Instant deadline = state.deadline();
  EXPECT_THAT(state.Step(now, FlowRefused{}), IsEmpty());
  EXPECT_EQ(state.deadline(), deadline);
}

// With 3 failures wanted, two must be the check's own however many flows were
// refused meanwhile.
TEST(CheckStateTest, RefusedFlowsDoNotAddUpWhileNothingCanBeSent) {
  HealthCheck check = Defaults();
  check.retry_count = 3;
  CheckState state(check, 0, kStart, /*up=*/true);
  for (uint32_t probe = 1; probe <= 5; ++probe) {
    ASSERT_THAT(state.Step(kStart, FlowRefused{}),
                ElementsAre(Action{Kind::kStartProbe, probe}));
    ASSERT_THAT(state.Step(kStart, ProbeDone{probe, ProbeResult::kLocalError}),
                IsEmpty());
  }
  ASSERT_THAT(state.Step(kStart, FlowRefused{}),
              ElementsAre(Action{Kind::kStartProbe, 6}));
  EXPECT_THAT(state.Step(kStart, ProbeDone{6, ProbeResult::kRefused}),
              IsEmpty());
  EXPECT_TRUE(state.up());
}

TEST(CheckStateTest, ProbeThatCouldNotBeSentSaysNothing) {
  Instant now;
  CheckState state = UpAndProbing(Defaults(), now);
  ASSERT_THAT(state.Step(now, ProbeDone{1, ProbeResult::kRefused}), IsEmpty());
  now = state.deadline();
  ASSERT_THAT(state.Step(now, Tick{}),
              ElementsAre(Action{Kind::kStartProbe, 2}));
  EXPECT_THAT(state.Step(now, ProbeDone{2, ProbeResult::kLocalError}),
              IsEmpty());
  EXPECT_TRUE(state.up());
  // Neither counted nor forgiven: one more failure makes two in a row.
  now = state.deadline();
  ASSERT_THAT(state.Step(now, Tick{}),
              ElementsAre(Action{Kind::kStartProbe, 3}));
  EXPECT_THAT(state.Step(now, ProbeDone{3, ProbeResult::kRefused}),
              ElementsAre(Action{Kind::kReportDown}));
}

TEST(CheckStateTest, WithoutACheckAServerIsAlwaysUp) {
  CheckState state({.type = CheckType::kNone}, 0, kStart);
  EXPECT_TRUE(state.up());
  EXPECT_EQ(state.reason(), Reason::kNoCheck);
  EXPECT_EQ(state.deadline(), Instant::Never());
  EXPECT_THAT(state.Step(kStart, FlowRefused{}), IsEmpty());
}

TEST(CheckStateTest, SameParametersAgainDisturbNothing) {
  Instant now;
  CheckState state = UpAndProbing(Defaults(), now);
  const Instant deadline = state.deadline();
  EXPECT_THAT(state.Reconfigure(now, Defaults()), IsEmpty());
  EXPECT_EQ(state.deadline(), deadline);
  EXPECT_THAT(state.Step(now, ProbeDone{1, ProbeResult::kSuccess}), IsEmpty());
}

TEST(CheckStateTest, NewParametersKeepTheServerWhatItIs) {
  Instant now;
  CheckState state = UpAndProbing(Defaults(), now);
  HealthCheck other_port = Defaults();
  other_port.port = 8081;
  EXPECT_THAT(state.Reconfigure(now, other_port),
              ElementsAre(Action{Kind::kAbortProbe, 1}));
  EXPECT_TRUE(state.up());
  EXPECT_LE(state.deadline(), now + kFirstCheckWithin);
  HealthCheck none = other_port;
  none.type = CheckType::kNone;
  EXPECT_THAT(state.Reconfigure(now, none), IsEmpty());
  EXPECT_EQ(state.deadline(), Instant::Never());
  EXPECT_THAT(state.Reconfigure(now, other_port), IsEmpty());
  EXPECT_TRUE(state.up());
  EXPECT_LE(state.deadline(), now + kFirstCheckWithin);
}

TEST(CheckStateTest, TurningTheCheckOffTakesADownServerUp) {
  CheckState state(Defaults(), 0, kStart);
  EXPECT_THAT(state.Reconfigure(kStart, {.type = CheckType::kNone}),
              ElementsAre(Action{Kind::kReportUp}));
}

// R1: of 9,000 servers checked every 9 s, no 100 ms sees more than a quarter
// above its share of 100, and every server keeps to its interval.
TEST(CheckStateTest, ManyServersAreSpreadOverTheInterval) {
  std::mt19937_64 prng(1);
  std::vector<int> begun(90, 0);
  for (int i = 0; i < 9000; ++i) {
    CheckState state(Defaults(), prng(), kStart, /*up=*/true);
    Instant now = state.deadline();
    ASSERT_LE(now, kStart + kFirstCheckWithin);
    std::optional<Instant> last;
    for (uint32_t probe = 1; probe <= 4; ++probe) {
      ASSERT_THAT(state.Step(now, Tick{}),
                  ElementsAre(Action{Kind::kStartProbe, probe}));
      ASSERT_THAT(state.Step(now, ProbeDone{probe, ProbeResult::kSuccess}),
                  IsEmpty());
      if (probe > 2) {
        ASSERT_EQ(now - *last, absl::Seconds(9));
      }
      last = now;
      now = state.deadline();
    }
    const absl::Duration since = *last - kStart - absl::Seconds(18);
    ++begun[static_cast<size_t>(since / absl::Milliseconds(100)) % 90];
  }
  EXPECT_LE(*std::max_element(begun.begin(), begun.end()), 145);
  EXPECT_GE(*std::min_element(begun.begin(), begun.end()), 60);
}

// Goal    whatever a server does, and whatever flows report of it:
//           never down unless as many of its last probes failed as retry_count
//           says (one of them may be a flow's word);
//           down once silent for interval + timeout * retry_count;
//           up once answering for interval + timeout;
//           one probe at a time; ups and downs alternate.
// Method  a server that answers, refuses or is silent for random spans, driven
//         on virtual time. The seed is the only input.
class World {
 public:
  explicit World(uint64_t seed)
      : prng_(seed),
        check_{.interval = absl::Seconds(30),
               .timeout = absl::Seconds(4),
               .retry_count = static_cast<int>(2 + seed % 5)},
        state_(check_, prng_(), kStart, seed % 2 == 0) {}

  void RunFor(absl::Duration span) {
    const Instant end = now_ + span;
    while (true) {
      Instant next = std::min(state_.deadline(), next_mood_);
      if (reply_at_) next = std::min(next, *reply_at_);
      if (next > end) break;
      now_ = std::max(now_, next);
      if (reply_at_ && *reply_at_ <= now_) {
        reply_at_.reset();
        const bool success = reply_ == ProbeResult::kSuccess;
        fails_ = success ? 0 : fails_ + 1;
        in_flight_ = false;
        Carry(state_.Step(now_, ProbeDone{probe_, reply_}));
      } else if (next_mood_ <= now_) {
        ChangeMood();
      } else {
        Carry(state_.Step(now_, Tick{}));
      }
      if (!::testing::Test::HasFailure()) Judge();
    }
  }

 private:
  void ChangeMood() {
    mood_ = static_cast<int>(prng_() % 3);
    mood_since_ = now_;
    next_mood_ = now_ + absl::Milliseconds(1 + prng_() % 120'000);
    if (prng_() % 4 == 0) Carry(state_.Step(now_, FlowRefused{}));
  }
  void Carry(const Actions& actions) {
    for (const Action& action : actions) {
      switch (action.kind) {
        case Kind::kStartProbe:
          EXPECT_FALSE(in_flight_);
          EXPECT_EQ(action.probe, probe_ + 1);
          in_flight_ = true;
          probe_ = action.probe;
          if (mood_ < 2) {
            reply_ = mood_ == 0 ? ProbeResult::kSuccess : ProbeResult::kRefused;
            reply_at_ = now_ + absl::Milliseconds(prng_() % 3999);
          }
          break;
        case Kind::kAbortProbe:
          EXPECT_TRUE(in_flight_);
          in_flight_ = false;
          reply_at_.reset();
          ++fails_;
          break;
        case Kind::kReportUp:
          EXPECT_FALSE(up_);
          up_ = true;
          EXPECT_EQ(fails_, 0);
          break;
        case Kind::kReportDown:
          EXPECT_TRUE(up_);
          up_ = false;
          EXPECT_GE(fails_ + 1, check_.retry_count);
          break;
      }
    }
    EXPECT_EQ(up_, state_.up());
  }
  void Judge() {
    const absl::Duration since = now_ - mood_since_;
    if (mood_ == 0 && since > check_.interval + 2 * check_.timeout) {
      EXPECT_TRUE(up_) << "answering for " << since;
    }
    if (mood_ != 0 &&
        since > check_.interval + (check_.retry_count + 1) * check_.timeout) {
      EXPECT_FALSE(up_) << "failing for " << since;
    }
  }

  std::mt19937_64 prng_;
  HealthCheck check_;
  CheckState state_;
  Instant now_ = kStart;
  int mood_ = 0;  // Answers, refuses, is silent.
  Instant mood_since_ = kStart;
  Instant next_mood_ = kStart + absl::Seconds(100);
  bool up_ = state_.up();
  bool in_flight_ = false;
  uint32_t probe_ = 0;
  int fails_ = 0;
  ProbeResult reply_ = ProbeResult::kSuccess;
  std::optional<Instant> reply_at_;
};

TEST(CheckStateTest, FindsTheTruthInTimeWhateverTheServerDoes) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    World(seed).RunFor(absl::Hours(5));
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace ballast::health
