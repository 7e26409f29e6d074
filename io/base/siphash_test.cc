#include "io/base/siphash.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <span>

namespace ballast {
namespace {

constexpr SipKey kKey = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::array<uint8_t, 64> Counting() {
  std::array<uint8_t, 64> bytes;
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

// The paper's Appendix A, and the first of the reference code's vectors.
TEST(SipHashTest, TwoFourGivesThePaperAndReferenceVectors) {
  const auto bytes = Counting();
  EXPECT_EQ(SipHash24(kKey, std::span(bytes).first(15)), 0xa129ca6149be45e5);
  EXPECT_EQ(SipHash24(kKey, {}), 0x726fdb47dd0e0e31);
  EXPECT_EQ(SipHash24(kKey, std::span(bytes).first(8)), 0x93f5f5799a932462);
}

// Rust's test_siphash_1_3 and, with key 0, OCaml's test: the empty message.
TEST(SipHashTest, OneThreeGivesTheVectorsOfRustAndOcaml) {
  EXPECT_EQ(SipHash13(kKey, {}), 0xabac0158050fc4dc);
  EXPECT_EQ(SipHash13({}, {}), 0xd1fba762150c532c);
}

}  // namespace
}  // namespace ballast
