#include "lb/log_limiter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ballast {
namespace {

class LogLimiterTest : public ::testing::Test {
 protected:
  void Offer(absl::string_view event, int times) {
    for (int i = 0; i < times; ++i) {
      limiter_.Offer({LogLevel::kInfo, event, absl::StrCat(event, i)}, now_);
    }
  }
  void Pass(absl::Duration time) { now_ += time; }

  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::vector<std::string> out_;
  LogLimiter limiter_{
      {.burst = 3, .per_second = 1}, [this](const LogRecord& record) {
        out_.push_back(record.event == "log_suppressed"
                           ? absl::StrCat(record.about[0].second, " +",
                                          record.about[1].second)
                           : record.message);
      }};
};

using Lines = std::vector<std::string>;

TEST_F(LogLimiterTest, ABurstPassesAndTheRestIsCounted) {
  Offer("down", 3);
  EXPECT_EQ(limiter_.deadline(), Instant::Never());
  Offer("down", 40);
  EXPECT_EQ(out_, (Lines{"down0", "down1", "down2"}));
  EXPECT_EQ(limiter_.deadline(), now_ + LogLimiter::kTellAfter);
  Pass(LogLimiter::kTellAfter);
  limiter_.Advance(now_);
  EXPECT_EQ(out_.back(), "down +40");
  EXPECT_EQ(limiter_.deadline(), Instant::Never());
  limiter_.Advance(now_);
  EXPECT_EQ(out_.size(), 4u);
}

TEST_F(LogLimiterTest, WhatComesLaterIsAfterTheCount) {
  Offer("down", 5);
  Pass(absl::Seconds(1));
  Offer("down", 1);
  EXPECT_EQ(out_, (Lines{"down0", "down1", "down2", "down +2", "down0"}));
}

TEST_F(LogLimiterTest, EventsDoNotTakeEachOthersAllowance) {
  Offer("down", 100);
  Offer("role_changed", 1);
  EXPECT_EQ(out_.back(), "role_changed0");
}

TEST_F(LogLimiterTest, TheAllowanceComesBackNoFurtherThanTheBurst) {
  Offer("down", 3);
  Pass(absl::Hours(1));
  out_.clear();
  Offer("down", 4);
  EXPECT_EQ(out_, (Lines{"down0", "down1", "down2"}));
}

TEST_F(LogLimiterTest, FlushTellsAllAtOnce) {
  Offer("a", 4);
  Offer("b", 5);
  out_.clear();
  limiter_.Flush(now_);
  EXPECT_EQ(out_, (Lines{"a +1", "b +2"}));
}

TEST_F(LogLimiterTest, EventsWithoutEndShareOneAllowance) {
  for (size_t i = 0; i < LogLimiter::kEventsMax + 10; ++i) {
    Offer(absl::StrCat("event", i), 1);
  }
  EXPECT_EQ(out_.size(), LogLimiter::kEventsMax + 3);
  Offer("event0", 1);  // Has its own still.
  EXPECT_EQ(out_.back(), "event00");
}

}  // namespace
}  // namespace ballast
