#include "io/route_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace ballast {
namespace {

Address Ip(const char* text) { return *Address::Parse(text); }
Prefix Net(const char* text) { return *Prefix::Parse(text); }

RouteInfo Via(const char* destination, const char* gateway,
              uint32_t priority = 0) {
  return {.destination = Net(destination),
          .priority = priority,
          .hops = {{1, Ip(gateway)}}};
}

TEST(RouteTableTest, TheLongestPrefixWinsAndFamiliesDoNotMix) {
  const std::vector<RouteInfo> routes = {
      Via("0.0.0.0/0", "10.0.0.1"), Via("10.2.0.0/16", "10.0.0.2"),
      Via("10.2.3.0/24", "10.0.0.3"), Via("::/0", "2001:db8::1")};
  const RouteTable table = RouteTable::Build(routes, {});
  EXPECT_EQ(table.Lookup(Ip("10.2.3.4"))->address, Ip("10.0.0.3"));
  EXPECT_EQ(table.Lookup(Ip("10.2.4.4"))->address, Ip("10.0.0.2"));
  EXPECT_EQ(table.Lookup(Ip("192.0.2.1"))->address, Ip("10.0.0.1"));
  EXPECT_EQ(table.Lookup(Ip("2001:db8:5::1"))->address, Ip("2001:db8::1"));
  EXPECT_FALSE(RouteTable::Build(std::vector{routes[3]}, {})
                   .Lookup(Ip("10.2.3.4"))
                   .has_value());
}

TEST(RouteTableTest, OnLinkDestinationsAreTheirOwnNextHop) {
  const RouteInfo route{.destination = Net("10.1.0.0/24"),
                        .preferred_source = Ip("10.1.0.9"),
                        .hops = {{7, std::nullopt}}};
  const LinkInfo link{.index = 7, .mtu = 1450};
  const RouteTable table =
      RouteTable::Build(std::vector{route}, std::vector{link});
  EXPECT_EQ(table.Lookup(Ip("10.1.0.5")),
            (NextHop{.ifindex = 7,
                     .address = Ip("10.1.0.5"),
                     .preferred_source = Ip("10.1.0.9"),
                     .mtu = 1450}));
}

TEST(RouteTableTest, LowerPriorityNumberWinsUntilItsHopIsDead) {
  std::vector<RouteInfo> routes = {Via("10.2.0.0/16", "10.0.0.2", 20),
                                   Via("10.2.0.0/16", "10.0.0.1", 10)};
  EXPECT_EQ(RouteTable::Build(routes, {}).Lookup(Ip("10.2.0.1"))->address,
            Ip("10.0.0.1"));
  routes[1].hops[0].dead = true;
  EXPECT_EQ(RouteTable::Build(routes, {}).Lookup(Ip("10.2.0.1"))->address,
            Ip("10.0.0.2"));
}

TEST(RouteTableTest, UnreachableHidesTheDefaultRoute) {
  const std::vector<RouteInfo> routes = {
      Via("0.0.0.0/0", "10.0.0.1"),
      {.destination = Net("10.4.0.0/16"),
       .type = RouteInfo::Type::kUnreachable}};
  const RouteTable table = RouteTable::Build(routes, {});
  EXPECT_FALSE(table.Lookup(Ip("10.4.1.1")).has_value());
  EXPECT_TRUE(table.Lookup(Ip("10.5.1.1")).has_value());
}

TEST(RouteTableTest, NextHopsShareByWeightAndAFlowKeepsItsOwn) {
  const RouteInfo route{.destination = Net("0.0.0.0/0"),
                        .hops = {{1, Ip("10.0.0.1"), 2},
                                 {1, Ip("10.0.0.2"), 1},
                                 {1, Ip("10.0.0.3"), 5, /*dead=*/true}}};
  const RouteTable table = RouteTable::Build(std::vector{route}, {});
  int first = 0;
  for (uint32_t hash = 0; hash < 300; ++hash) {
    const auto hop = table.Lookup(Ip("192.0.2.1"), hash);
    ASSERT_NE(hop->address, Ip("10.0.0.3"));
    EXPECT_EQ(table.Lookup(Ip("192.0.2.1"), hash), hop);
    if (hop->address == Ip("10.0.0.1")) ++first;
  }
  EXPECT_EQ(first, 200);
}

// Method  random nested prefixes, both families; the model tries every route
//         in turn with Prefix::Contains and keeps the longest.
TEST(RouteTableTest, AgreesWithALinearScan) {
  std::mt19937 prng(7);
  for (int round = 0; round < 20; ++round) {
    std::vector<RouteInfo> routes;
    // Few distinct leading bits, so that prefixes nest and lookups hit.
    const auto random_address = [&prng](bool v4) {
      std::array<uint8_t, 16> bytes{};
      for (uint8_t& byte : bytes) byte = prng() % 2 == 0 ? 0x20 : 0x21;
      return v4 ? Address::FromBytes(std::span(bytes).first(4))
                : Address::V6(bytes);
    };
    for (int i = 0; i < 100; ++i) {
      const bool v4 = prng() % 2 == 0;
      const auto length = static_cast<uint8_t>(prng() % (v4 ? 33 : 129));
      routes.push_back({.destination = {random_address(v4), length},
                        .hops = {{i + 1, std::nullopt}}});
    }
    const RouteTable table = RouteTable::Build(routes, {});
    for (int i = 0; i < 1000; ++i) {
      const Address destination = random_address(prng() % 2 == 0);
      const RouteInfo* best = nullptr;
      for (const RouteInfo& route : routes) {
        if (route.destination.Contains(destination) &&
            (best == nullptr ||
             route.destination.length > best->destination.length)) {
          best = &route;
        }
      }
      const auto hop = table.Lookup(destination);
      ASSERT_EQ(hop.has_value(), best != nullptr) << destination.ToString();
      if (best != nullptr) {
        ASSERT_EQ(hop->ifindex, best->hops[0].ifindex);
      }
    }
  }
}

}  // namespace
}  // namespace ballast
