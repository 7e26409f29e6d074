#include "lb/l4/next_hop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ballast::l4 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const MacAddress kOurs{{2, 0, 0, 0, 0, 1}};
const MacAddress kGatewayMac{{2, 0, 0, 0, 0, 9}};

Address A(const char* text) { return *Address::Parse(text); }
Prefix P(const char* text) { return *Prefix::Parse(text); }

std::shared_ptr<const ForwardingView> View(
    absl::flat_hash_map<NeighbourKey, MacAddress> neighbours,
    uint32_t default_route_mtu = 0) {
  return std::make_shared<ForwardingView>(
      std::vector<Port>{{.name = "client", .mac = kOurs},
                        {.name = "server", .mac = kOurs, .mtu = 9000}},
      std::vector<Route>{
          {P("0.0.0.0/0"), 0, A("192.0.2.254"), default_route_mtu},
          {P("10.0.0.0/24"), 1, std::nullopt, 0},
          {P("192.0.2.0/24"), 0, std::nullopt, 0}},
      std::move(neighbours));
}

TEST(HopCacheTest, LongestPrefixWinsAndGatewayIsTheNextHop) {
  HopCache hops(View({{{0, A("192.0.2.254")}, kGatewayMac}}));
  const Hop& far = hops[hops.Find(A("198.51.100.7"))];
  EXPECT_EQ(far.key, (NeighbourKey{0, A("192.0.2.254")}));
  EXPECT_TRUE(far.resolved);
  EXPECT_EQ(far.destination_mac, kGatewayMac);
  EXPECT_EQ(far.mtu, 1500u);
  const Hop& near = hops[hops.Find(A("10.0.0.3"))];
  EXPECT_EQ(near.key, (NeighbourKey{1, A("10.0.0.3")}));
  EXPECT_EQ(near.mtu, 9000u);
  EXPECT_FALSE(near.resolved);
}

TEST(HopCacheTest, NoRouteIsNone) {
  HopCache hops(View({}));
  EXPECT_EQ(hops.Find(A("2001:db8::1")), HopCache::kNone);
}

TEST(HopCacheTest, AnUnresolvedHopIsReportedOnceAndFilledByTheNextView) {
  HopCache hops(View({}));
  const HopCache::Index index = hops.Find(A("10.0.0.3"));
  EXPECT_EQ(hops.Find(A("10.0.0.3")), index);
  EXPECT_THAT(hops.TakeWantedHops(),
              ElementsAre(NeighbourKey{1, A("10.0.0.3")}));
  EXPECT_THAT(hops.TakeWantedHops(), IsEmpty());
  const uint16_t epoch = hops.epoch();
  hops.Update(View({{{1, A("10.0.0.3")}, kGatewayMac}}));
  EXPECT_EQ(hops.epoch(), epoch);  // A neighbour moves no route.
  EXPECT_TRUE(hops[index].resolved);
}

// The kernel would forget a neighbour that only the director uses.
TEST(HopCacheTest, AKnownHopIsReportedToo) {
  const NeighbourKey key{1, A("10.0.0.3")};
  HopCache hops(View({{key, kGatewayMac}}));
  EXPECT_TRUE(hops[hops.Find(A("10.0.0.3"))].resolved);
  EXPECT_THAT(hops.TakeWantedHops(), ElementsAre(key));
  hops.Find(A("10.0.0.3"));
  EXPECT_FALSE(hops.has_wanted_hops());
}

TEST(HopCacheTest, ARouteChangeMovesTheEpoch) {
  HopCache hops(View({}));
  const uint16_t epoch = hops.epoch();
  hops.Update(View({}, 1400));
  EXPECT_NE(hops.epoch(), epoch);
  EXPECT_EQ(hops[hops.Find(A("198.51.100.7"))].mtu, 1400u);
}

TEST(HopCacheTest, AFullCacheStartsOver) {
  HopCache hops(View({}));
  const uint16_t epoch = hops.epoch();
  std::vector<Route> routes = {{P("10.0.0.0/8"), 0, std::nullopt, 0}};
  hops.Update(std::make_shared<ForwardingView>(
      std::vector<Port>{{.name = "p", .mac = kOurs}}, routes,
      absl::flat_hash_map<NeighbourKey, MacAddress>{}));
  for (uint32_t i = 0; i <= HopCache::kHopCountMax; ++i) {
    ASSERT_NE(hops.Find(Address::V4(0x0a000000 + i)), HopCache::kNone);
  }
  EXPECT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops.epoch(), epoch + 2);
}

}  // namespace
}  // namespace ballast::l4
