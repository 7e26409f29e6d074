#include "persist/lifetime.h"

#include <gtest/gtest.h>

#include "absl/time/time.h"
#include "io/base/instant.h"

namespace ballast::persist {
namespace {

constexpr Instant kStart = Instant::FromNanos(5'000'000'000);

// PersistTimeout: 0 to 2,419,200 seconds, whole minutes, rounded down; below 60
// it is 0, which is off.
TEST(LifetimeTest, TimeoutsAreWholeMinutesRoundedDown) {
  EXPECT_EQ(RoundPersistTimeout(absl::Seconds(0)), absl::ZeroDuration());
  EXPECT_EQ(RoundPersistTimeout(absl::Seconds(59)), absl::ZeroDuration());
  EXPECT_EQ(RoundPersistTimeout(absl::Seconds(60)), absl::Seconds(60));
  EXPECT_EQ(RoundPersistTimeout(absl::Seconds(119)), absl::Seconds(60));
  EXPECT_EQ(RoundPersistTimeout(absl::Seconds(360)), absl::Seconds(360));
  EXPECT_EQ(RoundPersistTimeout(absl::Seconds(2'419'200)),
            absl::Seconds(2'419'200));
  EXPECT_EQ(RoundPersistTimeout(absl::Seconds(2'419'260)),
            absl::Seconds(2'419'200));
  EXPECT_EQ(RoundPersistTimeout(absl::Seconds(-60)), absl::ZeroDuration());
}

TEST(LifetimeTest, AtEqualityItHasExpired) {
  const auto timeout = absl::Minutes(6);
  EXPECT_TRUE(IsValid(kStart, kStart, timeout));
  EXPECT_TRUE(
      IsValid(kStart + timeout - absl::Nanoseconds(1), kStart, timeout));
  EXPECT_FALSE(IsValid(kStart + timeout, kStart, timeout));
}

// Refresh Persist: from 345,600 s up, once a day, and only if it is on.
TEST(LifetimeTest, RefreshIsDailyFromFourDaysUp) {
  const auto four_days = absl::Seconds(345'600);
  const Instant day = kStart + absl::Hours(24);
  EXPECT_TRUE(IsRefreshDue(day, kStart, four_days, true));
  EXPECT_FALSE(IsRefreshDue(day, kStart, four_days, false));
  EXPECT_FALSE(IsRefreshDue(day, kStart, four_days - absl::Minutes(1), true));
  EXPECT_FALSE(
      IsRefreshDue(day - absl::Nanoseconds(1), kStart, four_days, true));
}

}  // namespace
}  // namespace ballast::persist
