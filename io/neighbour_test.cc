#include "io/neighbour.h"

#include <gtest/gtest.h>

#include <vector>

namespace ballast {
namespace {

const Address kA = *Address::Parse("10.0.0.1");
const Address kB = *Address::Parse("2001:db8::1");
const MacAddress kMac1 = *MacAddress::Parse("02:00:00:00:00:01");
const MacAddress kMac2 = *MacAddress::Parse("02:00:00:00:00:02");

NeighbourInfo Known(int ifindex, Address address, MacAddress mac) {
  return {.ifindex = ifindex,
          .address = address,
          .state = NeighbourInfo::State::kUsable,
          .mac = mac};
}
NeighbourInfo Failed(int ifindex, Address address) {
  return {.ifindex = ifindex,
          .address = address,
          .state = NeighbourInfo::State::kFailed};
}

TEST(NeighbourTableTest, OnlyAChangeOfTheMacIsAChange) {
  NeighbourTable table(10);
  EXPECT_FALSE(table.Apply(Failed(1, kA), false));
  EXPECT_TRUE(table.Apply(Known(1, kA, kMac1), false));
  EXPECT_FALSE(table.Apply(Known(1, kA, kMac1), false));
  EXPECT_TRUE(table.Apply(Known(1, kA, kMac2), false));
  EXPECT_EQ(table.Find(1, kA)->mac, kMac2);
  EXPECT_TRUE(table.Apply(Failed(1, kA), false));
  EXPECT_FALSE(table.Find(1, kA)->mac.has_value());
  EXPECT_FALSE(table.Apply(Failed(1, kA), true));
  EXPECT_EQ(table.Find(1, kA), nullptr);
}

TEST(NeighbourTableTest, TheSameAddressOnTwoInterfacesIsTwoNeighbours) {
  NeighbourTable table(10);
  table.Apply(Known(1, kB, kMac1), false);
  table.Apply(Known(2, kB, kMac2), false);
  EXPECT_EQ(table.Find(1, kB)->mac, kMac1);
  EXPECT_TRUE(table.RemoveInterface(1));
  EXPECT_FALSE(table.RemoveInterface(1));
  EXPECT_EQ(table.Find(1, kB), nullptr);
  EXPECT_EQ(table.Find(2, kB)->mac, kMac2);
}

TEST(NeighbourTableTest, AFullTableRefusesAndCounts) {
  NeighbourTable table(1);
  table.Apply(Known(1, kA, kMac1), false);
  EXPECT_FALSE(table.Apply(Known(1, kB, kMac1), false));
  EXPECT_EQ(table.refused(), 1u);
  EXPECT_EQ(table.Find(1, kB), nullptr);
  // One it has is still kept up to date.
  EXPECT_TRUE(table.Apply(Known(1, kA, kMac2), false));
  table.Replace(std::vector{Known(1, kB, kMac2)});
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.Find(1, kB)->mac, kMac2);
}

}  // namespace
}  // namespace ballast
