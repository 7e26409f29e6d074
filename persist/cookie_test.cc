#include "persist/cookie.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ballast::persist {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Cookies = std::vector<std::pair<std::string, std::string>>;

Cookies CookiesOf(absl::string_view field) {
  Cookies cookies;
  ForEachCookie(field, [&](absl::string_view name, absl::string_view value) {
    cookies.emplace_back(std::string(name), std::string(value));
    return true;
  });
  return cookies;
}

// RFC 6265 §3.1, and what the user agents of §5.4 send for odd values.
TEST(CookieTest, RequestCookiesAreReadAsUserAgentsWriteThem) {
  EXPECT_THAT(CookiesOf("SID=31d4d96e407aad42"),
              ElementsAre(Pair("SID", "31d4d96e407aad42")));
  EXPECT_THAT(
      CookiesOf("SID=31d4d96e407aad42; lang=en-US"),
      ElementsAre(Pair("SID", "31d4d96e407aad42"), Pair("lang", "en-US")));
  EXPECT_THAT(CookiesOf("z=y, a=b; aBc=\"zzz \"; A=== BC"),
              ElementsAre(Pair("z", "y, a=b"), Pair("aBc", "\"zzz \""),
                          Pair("A", "== BC")));
  EXPECT_THAT(CookiesOf("x="), ElementsAre(Pair("x", "")));
}

TEST(CookieTest, ASemicolonEndsAPairInQuotesToo) {
  EXPECT_THAT(CookiesOf("a=\"1;b=2\""),
              ElementsAre(Pair("a", "\"1"), Pair("b", "2\"")));
}

TEST(CookieTest, WhatIsNoCookieIsPassedOverAlone) {
  EXPECT_THAT(CookiesOf(""), IsEmpty());
  EXPECT_THAT(CookiesOf(";; ;"), IsEmpty());
  EXPECT_THAT(CookiesOf("foo; =x; a=b;\tc\t=\td\t;"),
              ElementsAre(Pair("a", "b"), Pair("c", "d")));
  constexpr char kControls[] = "a=1\0; b=\x7f; c=\n; d=4";
  EXPECT_THAT(CookiesOf({kControls, sizeof kControls - 1}),
              ElementsAre(Pair("d", "4")));
}

TEST(CookieTest, BoundsAreKept) {
  const std::string longest(kCookieMax - 1, 'v');
  EXPECT_THAT(CookiesOf(absl::StrCat("n=", longest, "; a=b")),
              ElementsAre(Pair("n", longest), Pair("a", "b")));
  EXPECT_THAT(CookiesOf(absl::StrCat("n=", longest, "v; a=b")),
              ElementsAre(Pair("a", "b")));
  std::string many;
  for (size_t i = 0; i < 2 * kCookiesMax; ++i) absl::StrAppend(&many, "a=b;");
  EXPECT_EQ(CookiesOf(many).size(), kCookiesMax);
}

TEST(CookieTest, TheVisitorCanStop) {
  int visits = 0;
  ForEachCookie("a=1; b=2; c=3",
                [&](absl::string_view name, absl::string_view) {
                  ++visits;
                  return name != "b";
                });
  EXPECT_EQ(visits, 2);
}

struct SetCookieCase {
  const char* received;
  const char* name = nullptr;  // Null: no cookie.
  const char* value = "";
  bool forget = false;
};

// Of the http-state working group's tests (tests/data/parser.json) those in
// which the parsing decides what a client sends back.
TEST(CookieTest, SetCookieAgreesWithTheHttpStateTests) {
  for (const SetCookieCase& c : {
           SetCookieCase{"foo=bar", "foo", "bar"},                    // 0001
           SetCookieCase{"foo"},                                      // 0004
           SetCookieCase{"foo=bar; max-age=10000;", "foo", "bar"},    // 0005
           SetCookieCase{"foo=bar; max-age=0;", "foo", "bar", true},  // 0006
           SetCookieCase{"foo=bar; version=1;", "foo", "bar"},        // 0007
           SetCookieCase{"foo=bar; customvalue=\"1000 or more\";", "foo",
                         "bar"},                                         // 0011
           SetCookieCase{"z=y, a=b", "z", "y, a=b"},                     // 0017
           SetCookieCase{"z=y; foo=bar, a=b", "z", "y"},                 // 0018
           SetCookieCase{"foo=b;max-age=3600, c=d;path=/", "foo", "b"},  // 0019
           SetCookieCase{"="},                                           // 0020
           SetCookieCase{"=x"},                                          // 0021
           SetCookieCase{"x=", "x", ""},                                 // 0022
           SetCookieCase{""},                                            // 0023
           SetCookieCase{"; bar"},                                       // 0025
           SetCookieCase{"   "},                                         // 0026
           SetCookieCase{"foo=\"\xe6\x98\xa5\"", "foo",
                         "\"\xe6\x98\xa5\""},  // CHARSET0004
           SetCookieCase{"aBc=\"zzz \"   ;", "aBc",
                         "\"zzz \""},                          // CHROMIUM0002
           SetCookieCase{"aBc=\"zz;pp\" ; ;", "aBc", "\"zz"},  // CHROMIUM0004
           SetCookieCase{"aBc=\"zzz \"   \"ppp\"  ;", "aBc",
                         "\"zzz \"   \"ppp\""},          // CHROMIUM0006
           SetCookieCase{"aBc=A\"B ;", "aBc", "A\"B"},   // CHROMIUM0008
           SetCookieCase{"BLAHHH; path=/;"},             // CHROMIUM0009
           SetCookieCase{"a=\"B", "a", "\"B"},           // CHROMIUM0011
           SetCookieCase{"=ABC"},                        // CHROMIUM0012
           SetCookieCase{"ABC=;  path = /", "ABC", ""},  // CHROMIUM0013
           SetCookieCase{"  A  = BC  ;foo;;;   bar", "A",
                         "BC"},  // CHROMIUM0014
           SetCookieCase{"  A=== BC  ;foo;;;   bar", "A",
                         "== BC"},  // CHROMIUM0015
           SetCookieCase{"foo=zohNumRKgI0oxyhSsV3Z7D  ; expires=Sun, "
                         "18-Apr-2027 21:06:29 GMT ; path=/  ;  ",
                         "foo", "zohNumRKgI0oxyhSsV3Z7D"},  // CHROMIUM0017
           SetCookieCase{"foo=bar, baz=qux", "foo",
                         "bar, baz=qux"},                           // COMMA0001
           SetCookieCase{"foo=bar; Max-Age=50,399", "foo", "bar"},  // COMMA0005
       }) {
    const auto cookie = ParseSetCookie(c.received);
    ASSERT_EQ(cookie.has_value(), c.name != nullptr) << c.received;
    if (c.name == nullptr) continue;
    EXPECT_EQ(cookie->name, c.name) << c.received;
    EXPECT_EQ(cookie->value, c.value) << c.received;
    EXPECT_EQ(cookie->forget, c.forget) << c.received;
  }
}

// RFC 6265 §5.2.2 and §5.3, step 3.
TEST(CookieTest, MaxAgeIsReadByItsRules) {
  const auto forgets = [](absl::string_view attributes) {
    return ParseSetCookie(absl::StrCat("a=b", attributes))->forget;
  };
  EXPECT_TRUE(forgets("; MAX-AGE=0"));
  EXPECT_TRUE(forgets(";max-age = -1 "));
  EXPECT_TRUE(forgets("; Max-Age=00"));
  EXPECT_FALSE(forgets("; Max-Age="));
  EXPECT_FALSE(forgets("; Max-Age"));
  EXPECT_FALSE(forgets("; Max-Age=+0"));
  EXPECT_FALSE(forgets("; Max-Age=0x"));
  EXPECT_FALSE(forgets("; Max-Age=-"));
  EXPECT_FALSE(forgets("; Max-Age=99999999999999999999999"));
  EXPECT_TRUE(forgets("; Max-Age=10; Max-Age=0"));
  EXPECT_FALSE(forgets("; Max-Age=0; Max-Age=10"));
}

}  // namespace
}  // namespace ballast::persist
