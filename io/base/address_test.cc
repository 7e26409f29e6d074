#include "io/base/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/base/status_matchers.h"

namespace ballast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(AddressTest, V4WireIsFourBytesInNetworkOrder) {
  EXPECT_THAT(Address::V4(0xC0000201).wire(), ElementsAre(192, 0, 2, 1));
  EXPECT_EQ(Address::V4(0xC0000201).ToString(), "192.0.2.1");
}

TEST(AddressTest, MappedV6IsTheV4Address) {
  EXPECT_EQ(*Address::Parse("::ffff:192.0.2.1"), *Address::Parse("192.0.2.1"));
}

TEST(AddressTest, V6RoundTrips) {
  EXPECT_EQ(Address::Parse("2001:0db8:0:0::1")->ToString(), "2001:db8::1");
  EXPECT_EQ(Address::Parse("2001:db8::1")->wire().size(), 16u);
}

TEST(AddressTest, RefusesWhatIsNoAddressAndQuotesIt) {
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "1.2.3.4/8", "fe80::1%eth0",
                          "01.2.3.4x", "::g"}) {
    EXPECT_THAT(Address::Parse(bad),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad)));
  }
}

TEST(AddressTest, Kinds) {
  EXPECT_TRUE(Address::Parse("224.0.0.18")->is_multicast());
  EXPECT_TRUE(Address::Parse("ff02::1")->is_multicast());
  EXPECT_TRUE(Address::Parse("127.0.0.2")->is_loopback());
  EXPECT_TRUE(Address::Parse("::1")->is_loopback());
  EXPECT_TRUE(Address::Parse("fe80::1")->is_link_local());
  EXPECT_TRUE(Address::Parse("::")->is_unspecified());
  EXPECT_TRUE(Address::Parse("0.0.0.0")->is_unspecified());
  EXPECT_FALSE(Address::Parse("192.0.2.1")->is_multicast());
}

TEST(PrefixTest, ContainsToTheBit) {
  const Prefix p = *Prefix::Parse("10.1.2.128/25");
  EXPECT_TRUE(p.Contains(*Address::Parse("10.1.2.129")));
  EXPECT_FALSE(p.Contains(*Address::Parse("10.1.2.127")));
  EXPECT_FALSE(p.Contains(*Address::Parse("::10.1.2.129")));
  EXPECT_TRUE(Prefix::Parse("0.0.0.0/0")->Contains(Address::V4(1)));
  EXPECT_TRUE(
      Prefix::Parse("2001:db8::/33")->Contains(*Address::Parse("2001:db8::1")));
  EXPECT_FALSE(Prefix::Parse("2001:db8::/33")
                   ->Contains(*Address::Parse("2001:db8:8000::1")));
}

TEST(PrefixTest, LengthIsOfTheFamily) {
  EXPECT_THAT(Prefix::Parse("10.0.0.0/33"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("32")));
  EXPECT_THAT(Prefix::Parse("::/129"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("128")));
  EXPECT_EQ(Prefix::Parse("10.0.0.1")->length, 32);
  EXPECT_FALSE(Prefix::Parse("10.0.0.1/").ok());
}

TEST(EndpointTest, V6NeedsBracketsAndV4HasNone) {
  EXPECT_EQ(Endpoint::Parse("[2001:db8::1]:80")->ToString(),
            "[2001:db8::1]:80");
  EXPECT_EQ(Endpoint::Parse("192.0.2.1:80")->port, 80);
  for (const char* bad : {"2001:db8::1:80", "[192.0.2.1]:80", "192.0.2.1",
                          "192.0.2.1:65536", ":80", ""}) {
    EXPECT_FALSE(Endpoint::Parse(bad).ok()) << bad;
  }
}

TEST(MacAddressTest, RoundTripsAndRefuses) {
  EXPECT_EQ(MacAddress::Parse("00:00:5e:00:01:0A")->ToString(),
            "00:00:5e:00:01:0a");
  for (const char* bad : {"", "00:00:5e:00:01", "0:0:5e:0:1:a",
                          "00:00:5e:00:01:0g", "00-00-5e-00-01-0a"}) {
    EXPECT_FALSE(MacAddress::Parse(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace ballast
