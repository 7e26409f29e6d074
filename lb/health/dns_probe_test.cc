#include "lb/health/dns_probe.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace ballast::health {
namespace {

bool IsAnswer(uint16_t id, const char* hex) {
  const std::string bytes = absl::HexStringToBytes(hex);
  return IsDnsAnswer(id, std::vector<uint8_t>(bytes.begin(), bytes.end()));
}

// RFC 1035 §4.1: id, flags, four counts, root, SOA (6), IN (1).
TEST(DnsProbeTest, AsksForTheRootsSoa) {
  const auto message = EncodeDnsQuestion(0xabcd);
  EXPECT_EQ(absl::BytesToHexString(std::string(message.begin(), message.end())),
            "abcd00000001000000000000"
            "0000060001");
}

TEST(DnsProbeTest, AResponseThatRepeatsTheQuestionAnswersIt) {
  EXPECT_TRUE(IsAnswer(0xabcd,
                       "abcd84000001000000000000"
                       "0000060001"));
  // REFUSED; FORMERR without the question; an answer behind it.
  EXPECT_TRUE(IsAnswer(0xabcd,
                       "abcd80050001000000000000"
                       "0000060001"));
  EXPECT_TRUE(IsAnswer(0xabcd, "abcd80010000000000000000"));
  EXPECT_TRUE(IsAnswer(0xabcd,
                       "abcd84000001000100000000"
                       "0000060001"
                       "0000060001"));
}

TEST(DnsProbeTest, NothingElseDoes) {
  EXPECT_FALSE(IsAnswer(0xabcd, ""));
  EXPECT_FALSE(IsAnswer(0xabcd, "abcd8400000100000000"));
  // Another number; our own question; a status query; another question.
  EXPECT_FALSE(IsAnswer(0xabcd,
                        "abce84000001000000000000"
                        "0000060001"));
  EXPECT_FALSE(IsAnswer(0xabcd,
                        "abcd00000001000000000000"
                        "0000060001"));
  EXPECT_FALSE(IsAnswer(0xabcd,
                        "abcd90000001000000000000"
                        "0000060001"));
  EXPECT_FALSE(IsAnswer(0xabcd,
                        "abcd84000001000000000000"
                        "0000010001"));
  EXPECT_FALSE(IsAnswer(0xabcd,
                        "abcd84000001000000000000"
                        "00000600"));
}

}  // namespace
}  // namespace ballast::health
