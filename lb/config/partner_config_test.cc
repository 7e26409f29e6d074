#include "lb/config/partner_config.h"

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/base/status_matchers.h"

namespace ballast::config {
namespace {

using ::testing::HasSubstr;

PartnerConfig Some() {
  PartnerConfig config;
  config.shared = {1, 0, 255};
  for (int i = 0; i < 16; ++i) config.source_key[i] = static_cast<uint8_t>(i);
  config.tables = {{.service = 0x1122334455667788, .slots = {0, 1, 65535}},
                   {.service = 2, .slots = {}}};
  config.l7_secret.emplace();
  for (int i = 0; i < 32; ++i) {
    (*config.l7_secret)[i] = static_cast<uint8_t>(0xe0 + i);
  }
  return config;
}

absl::StatusOr<PartnerConfig> Parse(absl::string_view hex) {
  const std::string bytes = absl::HexStringToBytes(hex);
  return ParsePartnerConfig(
      {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

TEST(PartnerConfigTest, ComesBackAsItWas) {
  const auto parsed = ParsePartnerConfig(Serialize(Some()));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(*parsed, Some());
}

TEST(PartnerConfigTest, HasTheBytesOfTheProtobufWireFormat) {
  // By hand, after "Encoding" of the Protobuf manual: tag = number << 3 | type,
  // 2 for what has a length, 1 for eight bytes, little-endian.
  const auto bytes = Serialize(Some());
  EXPECT_EQ(absl::BytesToHexString(
                {reinterpret_cast<const char*>(bytes.data()), bytes.size()}),
            "0a03"
            "0100ff"
            "1210"
            "000102030405060708090a0b0c0d0e0f"
            "1a10"
            "098877665544332211"
            "1205"
            "00"
            "01"
            "ffff03"
            "1a09"
            "090200000000000000"
            "2220"
            "e0e1e2e3e4e5e6e7e8e9eaebecedeeef"
            "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
}

TEST(PartnerConfigTest, NeedNotHaveASecretOfLayer7) {
  PartnerConfig config = Some();
  config.l7_secret.reset();
  const auto parsed = ParsePartnerConfig(Serialize(config));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(*parsed, config);
}

TEST(PartnerConfigTest, RefusesWhatIsNone) {
  EXPECT_THAT(Parse("0a05"), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("2 bytes")));
  EXPECT_THAT(Parse("0a00").status().message(),
              HasSubstr("source_key: 0 bytes, must be 16"));
  EXPECT_THAT(Parse("1210000102030405060708090a0b0c0d0e0f"
                    "1a05"
                    "1203"
                    "808004")
                  .status()
                  .message(),
              HasSubstr("slots: server 65536, must be at most 65535"));
  EXPECT_THAT(Parse("1210000102030405060708090a0b0c0d0e0f"
                    "2201"
                    "aa")
                  .status()
                  .message(),
              HasSubstr("l7_secret: 1 bytes, must be 32"));
}

}  // namespace
}  // namespace ballast::config
