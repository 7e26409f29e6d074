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

// The first and some later of the reference code's vectors_sip128, which
// OpenSSL 3 gives too (openssl mac -macopt size:16 SIPHASH).
TEST(SipHashTest, TwoFourOf128BitsGivesTheReferenceVectors) {
  struct Vector {
    size_t length;
    std::array<uint64_t, 2> hash;  // As printed there, read big endian.
  };
  const auto bytes = Counting();
  for (const Vector& vector : {
           Vector{0, {0xa3817f04ba25a8e6, 0x6df67214c7550293}},
           Vector{1, {0xda87c1d86b99af44, 0x347659119b22fc45}},
           Vector{7, {0xa1f1ebbed8dbc153, 0xc0b84aa61ff08239}},
           Vector{8, {0x3b62a9ba6258f561, 0x0f83e264f31497b4}},
           Vector{15, {0x5493e99933b0a811, 0x7e08ec0f97cfc3d9}},
           Vector{16, {0x6ee2a4ca67b054bb, 0xfd3315bf85230577}},
           Vector{63, {0x5150d1772f50834a, 0x503e069a973fbd7c}},
       }) {
    const auto hash =
        SipHash24Of128(kKey, std::span(bytes).first(vector.length));
    EXPECT_EQ(__builtin_bswap64(hash[0]), vector.hash[0]) << vector.length;
    EXPECT_EQ(__builtin_bswap64(hash[1]), vector.hash[1]) << vector.length;
  }
}

}  // namespace
}  // namespace ballast
