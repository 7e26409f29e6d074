#include "persist/active_cookie.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>
#include <string>

#include "io/base/address.h"
#include "io/base/siphash.h"

namespace ballast::persist {
namespace {

using Standing = ActiveCookies::Standing;

constexpr SipKey kFirst = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
constexpr SipKey kSecond = {0xf7f6f5f4f3f2f1f0, 0xfffefdfcfbfaf9f8};
constexpr uint64_t kService = 0x0102030405060708;

ActiveCookies Of(std::initializer_list<SipKey> secrets,
                 uint64_t service = kService) {
  return ActiveCookies(service, std::span(secrets.begin(), secrets.size()));
}

Address At(const char* text) { return Address::Parse(text).value(); }

// By OpenSSL 3 (openssl mac -macopt hexkey:.. -macopt size:8 SIPHASH) over the
// bytes that the header says.
TEST(ActiveCookieTest, ValuesAreWhatAnotherImplementationMakes) {
  EXPECT_EQ(Of({kFirst}).Make(At("192.0.2.1"), 0, 1),
            "610a02142fdd74a1f372d86d0eec1764");
  EXPECT_EQ(Of({kFirst}).Make(At("192.0.2.1"), 40000, 1),
            "907a7d7cec79657affc9faa148d726b2");
  EXPECT_EQ(Of({kFirst}).Make(At("2001:db8::1"), 0, ~uint64_t{0}),
            "316515ff7f9e671041f02d4e1c9c029b");
  EXPECT_EQ(Of({kSecond, kFirst}).Make(At("192.0.2.1"), 0, 1),
            "a69fdd7894253e8809f81da70eecb473");
  EXPECT_EQ(Of({kFirst}, kService + 1).Make(At("192.0.2.1"), 0, 1),
            "610a02142fdd74a1cbdd7b08670f2d07");
}

TEST(ActiveCookieTest, WhatWeMadeIsKnownAndNothingElse) {
  const ActiveCookies cookies = Of({kFirst});
  const std::string value = cookies.Make(At("192.0.2.1"), 0, 1);
  EXPECT_EQ(cookies.Examine(value), Standing::kCurrent);
  EXPECT_EQ(Of({kFirst}, kService + 1).Examine(value), Standing::kForeign);
  EXPECT_EQ(Of({kSecond}).Examine(value), Standing::kForeign);
  for (size_t i = 0; i < value.size(); ++i) {
    for (const char c : {'0', '7', 'f', 'A', 'g', ' ', '\0'}) {
      std::string other = value;
      if (other[i] == c) continue;
      other[i] = c;
      EXPECT_EQ(cookies.Examine(other), Standing::kForeign) << other;
    }
  }
  for (const std::string& other : {std::string(), value.substr(1), value + "0",
                                   "0" + value, std::string(32, '0')}) {
    EXPECT_EQ(cookies.Examine(other), Standing::kForeign) << other;
  }
}

TEST(ActiveCookieTest, ASecretIsRotatedWithoutLosingAClient) {
  const std::string before = Of({kFirst}).Make(At("192.0.2.1"), 0, 1);
  const ActiveCookies both = Of({kSecond, kFirst});
  EXPECT_EQ(both.Examine(before), Standing::kEarlier);
  const std::string after = both.Make(At("192.0.2.1"), 0, 2);
  EXPECT_EQ(both.Examine(after), Standing::kCurrent);
  const ActiveCookies second = Of({kSecond});
  EXPECT_EQ(second.Examine(after), Standing::kCurrent);
  EXPECT_EQ(second.Examine(before), Standing::kForeign);
}

TEST(ActiveCookieTest, UsersPortsAndTimesHaveValuesOfTheirOwn) {
  const ActiveCookies cookies = Of({kFirst});
  std::set<std::string> values;
  for (uint32_t client = 0; client < 10; ++client) {
    for (uint16_t port = 0; port < 10; ++port) {
      for (uint64_t unique = 0; unique < 10; ++unique) {
        values.insert(cookies.Make(Address::V4(client), port, unique));
      }
    }
  }
  EXPECT_EQ(values.size(), 1000u);
}

// §4.5: a session cookie with Path=/.
TEST(ActiveCookieTest, TheFieldHasTheAttributesOfTheDocument) {
  EXPECT_EQ(ActiveCookieField("LMPERSIST", "0123"), "LMPERSIST=0123; Path=/");
}

}  // namespace
}  // namespace ballast::persist
