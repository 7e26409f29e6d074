#include "sched/source_hash.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "io/base/address.h"

namespace ballast::sched {
namespace {

// Chi-squared of `counts` against the uniform distribution.
double ChiSquared(const std::vector<int>& counts, double total) {
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (const int count : counts) {
    sum += (count - expected) * (count - expected) / expected;
  }
  return sum;
}

// With 4095 degrees of freedom chi-squared has mean 4095 and deviation 90:
// five deviations either way. Neighbouring addresses are the hard input.
TEST(SourceHashTest, NeighbouringAddressesSpreadEvenlyOverTheSlots) {
  constexpr int kClients = 1 << 18;
  std::vector<int> v4(4096), v6(4096);
  for (uint32_t i = 0; i < kClients; ++i) {
    ++v4[SourceHash(Address::V4(0x0a000000 + i), 7) % 4096];
    std::array<uint8_t, 16> bytes = {0x20, 0x01, 0x0d, 0xb8};
    bytes[5] = i >> 16;
    bytes[6] = i >> 8;
    bytes[7] = i;  // Another /64 each.
    ++v6[SourceHash(Address::V6(bytes), 7) % 4096];
  }
  EXPECT_NEAR(ChiSquared(v4, kClients), 4095, 450);
  EXPECT_NEAR(ChiSquared(v6, kClients), 4095, 450);
}

TEST(SourceHashTest, EveryBitOfAnIpv6AddressCounts) {
  const std::array<uint8_t, 16> zero{};
  const uint32_t base = SourceHash(Address::V6(zero), 0);
  for (int bit = 0; bit < 128; ++bit) {
    auto bytes = zero;
    bytes[bit / 8] ^= 1 << (bit % 8);
    EXPECT_NE(SourceHash(Address::V6(bytes), 0), base) << bit;
  }
}

TEST(SourceHashTest, TheKeyMovesClients) {
  int moved = 0;
  for (uint32_t i = 0; i < 4096; ++i) {
    const Address client = Address::V4(0xc0000200 + i);
    moved += SourceHash(client, 1) % 4096 != SourceHash(client, 2) % 4096;
  }
  EXPECT_GT(moved, 4080);  // All but one in 4096 are expected to.
}

// A unit with this key must find the other's slots: the function may never
// change. Values from a SipHash-1-3 written in Python after the paper.
TEST(SourceHashTest, IsFixedForever) {
  EXPECT_EQ(SourceHash(*Address::Parse("192.0.2.1"), 0), 0x23877fb5);
  EXPECT_EQ(SourceHash(*Address::Parse("2001:db8::1"), 0x1234), 0x832b41db);
}

}  // namespace
}  // namespace ballast::sched
