#include "persist/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "io/base/status_matchers.h"

namespace ballast::persist {
namespace {

using ::testing::HasSubstr;

constexpr ServiceTraits kHttp = {.layer7 = true, .http = true};
constexpr ServiceTraits kHttps = {
    .layer7 = true, .http = true, .terminates_tls = true};
constexpr ServiceTraits kGeneric = {.layer7 = true};
constexpr ServiceTraits kTcp4 = {};
constexpr ServiceTraits kUdp4 = {.udp = true};

Settings With(Mode mode) {
  return {.mode = mode, .name = "sid", .query_item = "user"};
}

// §4.6: rounding, the default, and what a timeout does to a mode that is none.
TEST(SettingsTest, ModeAndTimeoutResolveAsOnTheUnit) {
  struct Row {
    Mode mode;
    std::optional<absl::Duration> timeout;
    ModeAndTimeout in_force;
  };
  const ModeAndTimeout off = {};
  for (const Row& row : {
           Row{Mode::kNone, std::nullopt, off},
           Row{Mode::kNone, absl::Seconds(59), off},
           Row{Mode::kNone,
               absl::Seconds(60),
               {Mode::kSourceIp, absl::Minutes(1)}},
           Row{Mode::kUrlHash,
               std::nullopt,
               {Mode::kUrlHash, absl::Seconds(360)}},
           Row{Mode::kUrlHash, absl::Seconds(0), off},
           Row{Mode::kUrlHash, absl::Seconds(59), off},
           Row{Mode::kUrlHash,
               absl::Seconds(119),
               {Mode::kUrlHash, absl::Minutes(1)}},
           Row{Mode::kUrlHash,
               absl::Seconds(2'419'200),
               {Mode::kUrlHash, absl::Hours(28 * 24)}},
       }) {
    EXPECT_EQ(Resolve(row.mode, row.timeout), row.in_force);
  }
}

TEST(SettingsTest, NamesAreRequiredWhereTheVendorRequiresThem) {
  for (int i = 0; i < kModeCount; ++i) {
    const Mode mode = static_cast<Mode>(i);
    const ServiceTraits& service = mode == Mode::kUdpSip         ? kUdp4
                                   : mode == Mode::kSslSessionId ? kGeneric
                                                                 : kHttp;
    Settings settings = With(mode);
    EXPECT_TRUE(Check(settings, service).ok()) << ModeName(mode);
    settings.name.clear();
    const bool needs_name = mode == Mode::kServerCookie ||
                            mode == Mode::kServerCookieOrSourceIp ||
                            mode == Mode::kSelectedHeader;
    EXPECT_EQ(Check(settings, service).ok(), !needs_name) << ModeName(mode);
    settings = With(mode);
    settings.query_item.clear();
    EXPECT_EQ(Check(settings, service).ok(), mode != Mode::kQueryItemHash)
        << ModeName(mode);
  }
}

TEST(SettingsTest, ModesGoWithTheServicesTheyCanWorkOn) {
  struct Row {
    Mode mode;
    ServiceTraits service;
    bool ok;
  };
  for (const Row& row : {
           Row{Mode::kSourceIp, kHttp, true},
           Row{Mode::kSourceIp, kTcp4, true},
           Row{Mode::kSourceIp, kUdp4, true},
           Row{Mode::kSuperHttp, kHttps, true},
           Row{Mode::kSuperHttp, kTcp4, false},
           Row{Mode::kActiveCookie, kGeneric, false},
           Row{Mode::kSslSessionId, kGeneric, true},
           Row{Mode::kSslSessionId, kHttp, false},
           Row{Mode::kSslSessionId, kHttps, false},
           Row{Mode::kSslSessionId, kTcp4, false},
           Row{Mode::kUdpSip, kUdp4, true},
           Row{Mode::kUdpSip, kTcp4, false},
           Row{Mode::kUdpSip, kHttp, false},
           Row{Mode::kNone, kTcp4, true},
       }) {
    EXPECT_EQ(Check(With(row.mode), row.service).ok(), row.ok)
        << ModeName(row.mode);
  }
  EXPECT_THAT(Check(With(Mode::kUdpSip), kTcp4),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("mode: udpsip needs a UDP service")));
}

TEST(SettingsTest, WrongValuesAreNamedWithTheirLimits) {
  Settings settings = With(Mode::kServerCookie);
  settings.timeout = absl::Seconds(2'419'201);
  EXPECT_THAT(Check(settings, kHttp),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("timeout: 2419201 s, must be 0 to 2419200")));
  settings = With(Mode::kServerCookie);
  settings.name = "a b";
  EXPECT_THAT(
      Check(settings, kHttp),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("name: \"a b\"")));
  settings.name = std::string(256, 'n');
  EXPECT_THAT(Check(settings, kHttp),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("name: 256 bytes, at most 255")));
  settings.name = std::string(255, 'n');
  EXPECT_TRUE(Check(settings, kHttp).ok());
  settings.query_item = std::string(256, 'n');
  EXPECT_THAT(Check(settings, kHttp),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("query_item: 256 bytes, at most 255")));
}

TEST(SettingsTest, DrainTimeIsZeroOrOneMinuteToADay) {
  EXPECT_EQ(UnitSettings().drain_time, absl::Seconds(300));
  for (const int ok : {0, 60, 300, 86400}) {
    EXPECT_TRUE(Check(UnitSettings{.drain_time = absl::Seconds(ok)}).ok());
  }
  for (const int wrong : {1, 59, 86401}) {
    EXPECT_THAT(Check(UnitSettings{.drain_time = absl::Seconds(wrong)}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("must be 0 or 60 to 86400")));
  }
}

// §4.6, alwayspersist.
TEST(SettingsTest, CheckFrequencySaysWhichRequestsAreLookedAtAndStored) {
  using F = CheckFrequency;
  EXPECT_TRUE(LooksUp(F::kFirstRequest, true));
  EXPECT_TRUE(Stores(F::kFirstRequest, true));
  EXPECT_FALSE(LooksUp(F::kFirstRequest, false));
  EXPECT_TRUE(LooksUp(F::kEveryRequest, false));
  EXPECT_FALSE(Stores(F::kEveryRequest, false));
  EXPECT_TRUE(LooksUp(F::kEveryRequestAndStore, false));
  EXPECT_TRUE(Stores(F::kEveryRequestAndStore, false));
}

}  // namespace
}  // namespace ballast::persist
