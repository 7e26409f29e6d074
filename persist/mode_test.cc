#include "persist/mode.h"

#include <gtest/gtest.h>

#include <optional>

namespace ballast::persist {
namespace {

struct Row {
  const char* name;
  Mode mode;
  int number;
};

// The rows of the vendor's table, §4.5; the numbers are ours, and fixed.
constexpr Row kRows[] = {
    {"none", Mode::kNone, 0},
    {"src", Mode::kSourceIp, 1},
    {"super", Mode::kSuperHttp, 2},
    {"super-src", Mode::kSuperHttpAndSourceIp, 3},
    {"cookie", Mode::kServerCookie, 4},
    {"cookie-src", Mode::kServerCookieOrSourceIp, 5},
    {"active-cookie", Mode::kActiveCookie, 6},
    {"active-cook-src", Mode::kActiveCookieOrSourceIp, 7},
    {"cookie-hash", Mode::kHashAllCookies, 8},
    {"cookie-hash-src", Mode::kHashAllCookiesOrSourceIp, 9},
    {"url", Mode::kUrlHash, 10},
    {"host", Mode::kHostHeader, 11},
    {"query-hash", Mode::kQueryItemHash, 12},
    {"header", Mode::kSelectedHeader, 13},
    {"ssl", Mode::kSslSessionId, 14},
    {"udpsip", Mode::kUdpSip, 15},
};

TEST(ModeTest, EachModeHasTheVendorsNameAndItsNumber) {
  for (const Row& row : kRows) {
    EXPECT_EQ(ParseMode(row.name), row.mode) << row.name;
    EXPECT_EQ(ModeName(row.mode), row.name);
    EXPECT_EQ(static_cast<int>(row.mode), row.number) << row.name;
  }
  EXPECT_EQ(std::size(kRows), size_t{kModeCount});
}

TEST(ModeTest, NamesAreTakenInAnyCaseAndRemoteDesktopIsNotThere) {
  EXPECT_EQ(ParseMode("Active-Cook-SRC"), Mode::kActiveCookieOrSourceIp);
  for (const char* name : {"rdp", "rdp-src", "rdp-sb", "rdp-sb-src", "",
                           "active-cookie-src", "srcc"}) {
    EXPECT_EQ(ParseMode(name), std::nullopt) << name;
  }
}

TEST(ModeTest, ThreeModesHaveAnOrSourceIpForm) {
  int forms = 0;
  for (const Row& row : kRows) {
    if (!HasSourceIpForm(row.mode)) {
      EXPECT_EQ(KindOf(row.mode), row.mode) << row.name;
      continue;
    }
    ++forms;
  }
  EXPECT_EQ(forms, 3);
  EXPECT_EQ(KindOf(Mode::kServerCookieOrSourceIp), Mode::kServerCookie);
  EXPECT_EQ(KindOf(Mode::kActiveCookieOrSourceIp), Mode::kActiveCookie);
  EXPECT_EQ(KindOf(Mode::kHashAllCookiesOrSourceIp), Mode::kHashAllCookies);
}

TEST(ModeTest, ElevenModesAndTheirFormsNeedHttp) {
  for (const Row& row : kRows) {
    EXPECT_EQ(IsHttpMode(row.mode),
              row.mode != Mode::kNone && row.mode != Mode::kSourceIp &&
                  row.mode != Mode::kSslSessionId && row.mode != Mode::kUdpSip)
        << row.name;
  }
}

}  // namespace
}  // namespace ballast::persist
