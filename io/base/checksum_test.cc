#include "io/base/checksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

#include "io/base/bytes.h"

namespace ballast {
namespace {

// RFC 1071 §3's example: words 0001 f203 f4f5 f6f7 sum to ddf2.
TEST(ChecksumTest, Rfc1071Example) {
  const std::array<uint8_t, 8> bytes = {0x00, 0x01, 0xf2, 0x03,
                                        0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(ChecksumFold(ChecksumSum(bytes)), 0xddf2);
}

// RFC 1624 §4's example: a word 5555 becomes 3285 under checksum dd2f, and the
// result is 0000 (not ffff, which the older formula gives).
TEST(ChecksumTest, Rfc1624Example) {
  EXPECT_EQ(UpdateFinished(0xdd2f, ChecksumDelta16(0x5555, 0x3285)), 0x0000);
}

// The word-by-word definition, as slow and plain as RFC 1071 states it.
uint16_t NaiveFold(std::span<const uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

TEST(ChecksumTest, AgreesWithTheDefinitionForEveryLengthAndAlignment) {
  std::mt19937 prng(1);
  std::vector<uint8_t> bytes(300);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(prng());
  for (size_t start = 0; start < 8; ++start) {
    for (size_t length = 0; length < 280; ++length) {
      const auto part = std::span<const uint8_t>(bytes).subspan(start, length);
      ASSERT_EQ(ChecksumFold(ChecksumSum(part)), NaiveFold(part));
    }
  }
}

TEST(ChecksumTest, IncrementalUpdateEqualsARecount) {
  std::mt19937 prng(2);
  for (int n = 0; n < 20000; ++n) {
    std::vector<uint8_t> bytes(20 + prng() % 40);
    for (uint8_t& b : bytes) b = prng() % 4 == 0 ? 0xff : prng() % 3;
    const uint16_t before = Checksum(bytes);
    std::array<uint8_t, 4> to;
    for (uint8_t& b : to)
      b = prng() % 2 == 0 ? 0 : static_cast<uint8_t>(prng());
    const auto field = std::span(bytes).subspan(prng() % 8 * 2, 4);
    const uint32_t delta = ChecksumDelta(field, to);
    std::copy(to.begin(), to.end(), field.begin());
    const uint16_t updated = UpdateFinished(before, delta);
    // Both zeros are the same number; a receiver sums to ffff with either.
    ASSERT_TRUE(updated == Checksum(bytes) ||
                static_cast<uint16_t>(updated ^ Checksum(bytes)) == 0xffff)
        << n;
  }
}

TEST(ChecksumTest, PartialFinishedAfterAnAddressChangeIsRight) {
  // UDP 10.0.0.1:1 -> 10.0.0.2:2, 4 bytes of data.
  const Address a = Address::V4(0x0a000001), b = Address::V4(0x0a000002),
                c = Address::V4(0xc0a8fe03);
  std::array<uint8_t, 12> udp = {0, 1, 0, 2, 0, 12, 0, 0, 'd', 'a', 't', 'a'};
  StoreBig16(&udp[6],
             ChecksumFold(PseudoHeaderSum(a, b, Protocol::kUdp, udp.size())));
  StoreBig16(&udp[6], UpdatePartial(LoadBig16(&udp[6]),
                                    ChecksumDelta(b.wire(), c.wire())));
  StoreBig16(&udp[2], 4242);  // The port: nothing to update.
  ASSERT_TRUE(FinishPartialChecksum(udp, 0, 6));
  // A receiver's sum over everything is ffff.
  EXPECT_EQ(ChecksumFold(ChecksumSum(
                udp, PseudoHeaderSum(a, c, Protocol::kUdp, udp.size()))),
            0xffff);
}

TEST(ChecksumTest, UdpZeroStaysZeroAndAComputedZeroBecomesFfff) {
  EXPECT_EQ(UpdateFinishedUdp(0, ChecksumDelta16(1, 2)), 0);
  EXPECT_EQ(UpdateFinishedUdp(0xdd2f, ChecksumDelta16(0x5555, 0x3285)), 0xffff);
}

TEST(ChecksumTest, FinishRefusesAFieldOutsideTheFrame) {
  std::array<uint8_t, 8> bytes{};
  EXPECT_FALSE(FinishPartialChecksum(bytes, 4, 3));
  EXPECT_FALSE(FinishPartialChecksum(bytes, 9, 0));
  EXPECT_TRUE(FinishPartialChecksum(bytes, 4, 2));
}

}  // namespace
}  // namespace ballast
