#include "ha/carp_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/base/status_matchers.h"

namespace ballast::ha {
namespace {

using ::testing::HasSubstr;
using Preferred = LoadMasterHa::Preferred;

TEST(CarpSettingsTest, TheTimeoutIsThreeTimesTheAdvertBase) {
  for (const int timeout : {3, 6, 9, 12, 15}) {
    auto options = CarpOptionsOf({.timeout_s = timeout});
    ASSERT_THAT(options, IsOk());
    EXPECT_EQ(options->advbase, timeout / 3);
    options->source = Address::V4(0x0a000001);
    EXPECT_EQ(CarpNode(*options, Instant()).master_down_time(),
              absl::Seconds(timeout));
  }
  for (const int timeout : {-3, 0, 4, 10, 18, 765}) {
    EXPECT_THAT(CarpOptionsOf({.timeout_s = timeout}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("must be 3, 6, 9, 12 or 15")));
  }
}

TEST(CarpSettingsTest, TheInitialWaitIsUpTo200Seconds) {
  EXPECT_EQ(CarpOptionsOf({.initial_wait_s = 200})->initial_wait,
            absl::Seconds(200));
  for (const int wait : {-1, 201}) {
    EXPECT_THAT(CarpOptionsOf({.initial_wait_s = wait}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("must be 0..200")));
  }
}

TEST(CarpSettingsTest, ThePreferredUnitIsFasterAndPreemptsOnce) {
  const auto none = *CarpOptionsOf({});
  EXPECT_EQ(none.advskew, 0);
  EXPECT_EQ(none.preempt, CarpPreempt::kOff);
  const auto preferred = *CarpOptionsOf({.preferred = Preferred::kThisUnit});
  const auto other = *CarpOptionsOf({.preferred = Preferred::kPartner});
  EXPECT_LT(preferred.advskew, other.advskew);
  EXPECT_EQ(preferred.preempt, CarpPreempt::kOnce);
  EXPECT_EQ(other.preempt, CarpPreempt::kOff);
}

TEST(CarpSettingsTest, TheVhidIsTheLastOctetOfTheSharedAddress) {
  EXPECT_EQ(DefaultCarpVhid(*Address::Parse("10.0.0.42")), 42);
  EXPECT_EQ(DefaultCarpVhid(*Address::Parse("10.0.1.0")), 1);
}

}  // namespace
}  // namespace ballast::ha
