#include "lb/health/icmp_probe.h"

#include <gtest/gtest.h>

#include <vector>

#include "io/base/checksum.h"

namespace ballast::health {
namespace {

constexpr SipKey kKey{1, 2};
const Address kV4 = Address::V4(0x0A000001);
const Address kV6 = *Address::Parse("2001:db8::1");
constexpr EchoProbe kProbe{7, 0x12345};

// What a host does with a request (RFC 792, RFC 4443): the same message with
// another type, and for ICMP the checksum made anew.
std::vector<uint8_t> Answer(const Address& target,
                            const std::array<uint8_t, kEchoBytes>& request) {
  std::vector<uint8_t> reply(request.begin(), request.end());
  reply[0] = target.is_v4() ? 0 : 129;
  if (target.is_v4()) {
    reply[2] = reply[3] = 0;
    uint32_t sum = 0;  // RFC 1071, by hand.
    for (size_t i = 0; i < reply.size(); i += 2) {
      sum += static_cast<uint32_t>(reply[i] << 8 | reply[i + 1]);
    }
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    reply[2] = static_cast<uint8_t>(~sum >> 8);
    reply[3] = static_cast<uint8_t>(~sum);
  }
  return reply;
}

TEST(IcmpProbeTest, RequestIsAnEchoRequestOfItsFamily) {
  const auto v4 = EncodeEchoRequest(kKey, kV4, 0xabcd, kProbe);
  EXPECT_EQ(v4[0], 8);
  EXPECT_EQ(v4[1], 0);
  EXPECT_EQ(v4[4], 0xab);
  EXPECT_EQ(v4[5], 0xcd);
  EXPECT_EQ(v4[6], 0x23);
  EXPECT_EQ(v4[7], 0x45);
  uint32_t sum = 0;
  for (size_t i = 0; i < v4.size(); i += 2) {
    sum += static_cast<uint32_t>(v4[i] << 8 | v4[i + 1]);
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  EXPECT_EQ(sum, 0xffffu);
  EXPECT_EQ(EncodeEchoRequest(kKey, kV6, 1, kProbe)[0], 128);
}

TEST(IcmpProbeTest, AnswerNamesItsProbe) {
  for (const Address& target : {kV4, kV6}) {
    auto reply = Answer(target, EncodeEchoRequest(kKey, target, 1, kProbe));
    EXPECT_EQ(DecodeEchoReply(kKey, target, reply), kProbe);
  }
}

TEST(IcmpProbeTest, OnlyAnUntouchedAnswerFromThatAddressCounts) {
  const auto reply = Answer(kV6, EncodeEchoRequest(kKey, kV6, 1, kProbe));
  EXPECT_EQ(DecodeEchoReply(kKey, *Address::Parse("2001:db8::2"), reply),
            std::nullopt);
  EXPECT_EQ(DecodeEchoReply({1, 3}, kV6, reply), std::nullopt);
  for (size_t i = 0; i < reply.size(); ++i) {
    // Checksum and identifier are the kernel's.
    if (i >= 2 && i < 6) continue;
    auto changed = reply;
    changed[i] ^= 1;
    EXPECT_EQ(DecodeEchoReply(kKey, kV6, changed), std::nullopt) << i;
  }
  for (size_t size = 0; size < reply.size(); ++size) {
    EXPECT_EQ(DecodeEchoReply(kKey, kV6, std::span(reply).first(size)),
              std::nullopt);
  }
}

TEST(IcmpProbeTest, OwnRequestSeenAgainIsNoAnswer) {
  EXPECT_EQ(DecodeEchoReply(kKey, kV4, EncodeEchoRequest(kKey, kV4, 1, kProbe)),
            std::nullopt);
}

TEST(IcmpProbeTest, WrongChecksumIsRefused) {
  auto reply = Answer(kV4, EncodeEchoRequest(kKey, kV4, 1, kProbe));
  ASSERT_EQ(DecodeEchoReply(kKey, kV4, reply), kProbe);
  reply[5] ^= 1;  // The identifier is covered by nothing else.
  EXPECT_EQ(DecodeEchoReply(kKey, kV4, reply), std::nullopt);
}

}  // namespace
}  // namespace ballast::health
