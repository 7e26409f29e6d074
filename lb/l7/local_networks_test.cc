// LoadMaster behaviour §4.2, A3: a client in the servers' network is translated
// whatever is configured.
#include "lb/l7/local_networks.h"

#include <gtest/gtest.h>

namespace ballast::l7 {
namespace {

Address Ip(const char* text) { return *Address::Parse(text); }
Prefix Net(const char* text) { return *Prefix::Parse(text); }

// One leg towards clients, one towards servers.
const LocalNetworks kTwoArms({Net("198.51.100.1/24"), Net("10.2.0.1/24"),
                              Net("2001:db8:2::1/64")},
                             {Ip("198.51.100.1"), Ip("10.2.0.1"),
                              Ip("2001:db8:2::1")});

TEST(LocalNetworksTest, AClientOfTheServersNetworkIsAnsweredDirectly) {
  EXPECT_TRUE(kTwoArms.Direct(Ip("10.2.0.77"), Ip("10.2.0.11")));
  EXPECT_TRUE(kTwoArms.Direct(Ip("2001:db8:2::77"), Ip("2001:db8:2::11")));
}

TEST(LocalNetworksTest, OneOfAnotherNetworkOfOursIsNot) {
  EXPECT_FALSE(kTwoArms.Direct(Ip("198.51.100.7"), Ip("10.2.0.11")));
  EXPECT_FALSE(kTwoArms.Direct(Ip("203.0.113.7"), Ip("10.2.0.11")));
  EXPECT_FALSE(kTwoArms.Direct(Ip("2001:db8:9::7"), Ip("2001:db8:2::11")));
}

TEST(LocalNetworksTest, NorOfAServerBehindARouter) {
  EXPECT_FALSE(kTwoArms.Direct(Ip("10.2.0.77"), Ip("10.3.0.11")));
}

TEST(LocalNetworksTest, AServerOnThisHostIsNeverAskedWithAClientsAddress) {
  EXPECT_TRUE(kTwoArms.Direct(Ip("203.0.113.7"), Ip("10.2.0.1")));
  EXPECT_TRUE(kTwoArms.Direct(Ip("203.0.113.7"), Ip("127.0.0.1")));
  EXPECT_TRUE(kTwoArms.Direct(Ip("2001:db8:9::7"), Ip("::1")));
}

TEST(LocalNetworksTest, AddressesOfALinkLeaveItNot) {
  EXPECT_TRUE(kTwoArms.Direct(Ip("127.0.0.1"), Ip("10.2.0.11")));
  EXPECT_TRUE(kTwoArms.Direct(Ip("fe80::7"), Ip("2001:db8:2::11")));
}

TEST(LocalNetworksTest, OwnAreTheHostsAddressesAndAllOfTheLoopback) {
  for (const char* own :
       {"198.51.100.1", "10.2.0.1", "2001:db8:2::1", "127.0.0.9", "::1"}) {
    EXPECT_TRUE(kTwoArms.Own(Ip(own))) << own;
  }
  for (const char* other : {"198.51.100.2", "10.2.0.255", "2001:db8:2::2"}) {
    EXPECT_FALSE(kTwoArms.Own(Ip(other))) << other;
  }
}

}  // namespace
}  // namespace ballast::l7
