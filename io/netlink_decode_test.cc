// The dumps under testdata/ are a kernel's (6.18), taken after the `ip`
// commands quoted beside each expectation; expected values are what iproute2
// 6.1 printed of the same namespace.
#include "io/netlink_decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace ballast {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

template <typename T>
std::vector<T> Decode(const std::string& name) {
  std::ifstream file("io/testdata/netlink_" + name + ".bin", std::ios::binary);
  EXPECT_TRUE(file) << name;
  const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file),
                                   std::istreambuf_iterator<char>()};
  std::vector<T> found;
  std::span<const uint8_t> rest = bytes;
  while (const auto message = NextNetlinkMessage(rest)) {
    if (const auto event = DecodeNetlinkEvent(*message)) {
      EXPECT_FALSE(event->removed);
      found.push_back(std::get<T>(event->what));
    }
  }
  EXPECT_TRUE(rest.empty());
  return found;
}

Address Ip(const char* text) { return *Address::Parse(text); }
Prefix Net(const char* text) { return *Prefix::Parse(text); }

TEST(NetlinkDecodeTest, LinksHaveNameKindStateAndMac) {
  const auto links = Decode<LinkInfo>("links");
  // lo; v1@v0 and v0@v1, both set up; mv0@v0, left down.
  ASSERT_THAT(links, SizeIs(4));
  EXPECT_EQ(links[0].name, "lo");
  EXPECT_TRUE(links[0].loopback);
  EXPECT_FALSE(links[0].has_arp);
  EXPECT_EQ(links[0].mtu, 65536u);
  const LinkInfo& v0 = links[2];
  EXPECT_EQ(v0.name, "v0");
  EXPECT_EQ(v0.kind, "veth");
  EXPECT_TRUE(v0.up && v0.running && v0.has_arp);
  EXPECT_EQ(v0.mac, *MacAddress::Parse("02:00:00:00:00:01"));
  EXPECT_EQ(v0.lower_index, links[1].index);
  EXPECT_EQ(v0.mtu, 1500u);
  const LinkInfo& mv0 = links[3];
  EXPECT_EQ(mv0.kind, "macvlan");
  EXPECT_FALSE(mv0.up || mv0.running);
  EXPECT_EQ(mv0.lower_index, v0.index);
}

TEST(NetlinkDecodeTest, AnAddressIsTheInterfacesOwnEvenOnAPeerLink) {
  const auto addresses = Decode<InterfaceAddress>("addresses");
  std::vector<std::string> global;
  for (const InterfaceAddress& a : addresses) {
    if (!a.prefix.address.is_loopback() && !a.prefix.address.is_link_local()) {
      global.push_back(a.prefix.ToString());
      EXPECT_FALSE(a.tentative);
    }
  }
  // addr add 10.9.0.1 peer 10.9.0.2/32; 2001:db8::1/64 nodad
  EXPECT_THAT(global, UnorderedElementsAre("10.1.0.1/24", "10.9.0.1/32",
                                           "2001:db8::1/64"));
}

TEST(NetlinkDecodeTest, RoutesOfEveryShape) {
  const int v0 = 3;
  std::vector<RouteInfo> main;
  for (RouteInfo& route : Decode<RouteInfo>("routes")) {
    if (route.table == 254) main.push_back(std::move(route));
  }
  // 10.2.0.0/16 via 10.1.0.2 mtu 1400 src 10.1.0.1 metric 7
  EXPECT_THAT(main, Contains(RouteInfo{.destination = Net("10.2.0.0/16"),
                                       .table = 254,
                                       .priority = 7,
                                       .protocol = RTPROT_BOOT,
                                       .preferred_source = Ip("10.1.0.1"),
                                       .mtu = 1400,
                                       .hops = {{v0, Ip("10.1.0.2")}}}));
  // 10.3.0.0/16 via inet6 2001:db8::2
  EXPECT_THAT(main, Contains(RouteInfo{.destination = Net("10.3.0.0/16"),
                                       .table = 254,
                                       .protocol = RTPROT_BOOT,
                                       .hops = {{v0, Ip("2001:db8::2")}}}));
  // default nexthop via 10.1.0.3 weight 2 nexthop via 10.1.0.4
  EXPECT_THAT(main, Contains(RouteInfo{.destination = Net("0.0.0.0/0"),
                                       .table = 254,
                                       .protocol = RTPROT_BOOT,
                                       .hops = {{v0, Ip("10.1.0.3"), 2},
                                                {v0, Ip("10.1.0.4"), 1}}}));
  // unreachable 10.4.0.0/16
  EXPECT_THAT(main, Contains(RouteInfo{.destination = Net("10.4.0.0/16"),
                                       .table = 254,
                                       .protocol = RTPROT_BOOT,
                                       .type = RouteInfo::Type::kUnreachable}));
  // 10.1.0.0/24 proto kernel scope link src 10.1.0.1
  EXPECT_THAT(main, Contains(RouteInfo{.destination = Net("10.1.0.0/24"),
                                       .table = 254,
                                       .protocol = RTPROT_KERNEL,
                                       .preferred_source = Ip("10.1.0.1"),
                                       .hops = {{v0, std::nullopt}}}));
  // -6 default nexthop via 2001:db8::3 nexthop via 2001:db8::4
  EXPECT_THAT(main, Contains(RouteInfo{.destination = Net("::/0"),
                                       .table = 254,
                                       .priority = 1024,
                                       .protocol = RTPROT_BOOT,
                                       .hops = {{v0, Ip("2001:db8::3")},
                                                {v0, Ip("2001:db8::4")}}}));
}

TEST(NetlinkDecodeTest, NeighboursAreUsableOnlyWithAKnownMac) {
  std::vector<NeighbourInfo> found;
  for (const NeighbourInfo& n : Decode<NeighbourInfo>("neighbours")) {
    if (!n.address.is_multicast()) found.push_back(n);
  }
  EXPECT_THAT(found,
              UnorderedElementsAre(
                  NeighbourInfo{.ifindex = 3,
                                .address = Ip("10.1.0.2"),
                                .state = NeighbourInfo::State::kUsable,
                                .kernel_state = NUD_PERMANENT,
                                .mac = *MacAddress::Parse("02:00:00:00:00:99")},
                  NeighbourInfo{.ifindex = 3,
                                .address = Ip("10.1.0.3"),
                                .state = NeighbourInfo::State::kIncomplete,
                                .kernel_state = NUD_INCOMPLETE,
                                .managed = true}));
}

TEST(NetlinkDecodeTest, RulesWithTablesBeyondEightBits) {
  std::vector<RuleInfo> found;
  for (const RuleInfo& rule : Decode<RuleInfo>("rules")) {
    if (rule.table == 300) found.push_back(rule);
  }
  EXPECT_THAT(found, ElementsAre(RuleInfo{Net("10.7.0.0/24"), 300, 100},
                                 RuleInfo{Net("2001:db8:7::1/128"), 300, 100}));
}

TEST(NetlinkDecodeTest, ABridgePortsGoingIsNotTheLinksGoing) {
  // The kernel sends RTM_DELLINK of family AF_BRIDGE when a link leaves its
  // bridge (br_ifinfo_notify).
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  header.ifi_index = 3;
  NetlinkBuilder builder(RTM_DELLINK, 0);
  builder.Struct(header).String(IFLA_IFNAME, "v0");
  std::span<const uint8_t> bytes = builder.bytes();
  EXPECT_FALSE(DecodeNetlinkEvent(*NextNetlinkMessage(bytes)).has_value());
}

}  // namespace
}  // namespace ballast
