#include "ha/pair_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

PairKey Key(uint8_t fill) {
  PairKey key;
  key.fill(fill);
  return key;
}

constexpr char kHex[] =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

TEST(PairKeyTest, IsSixtyFourHexDigits) {
  const auto key = ParsePairKey(kHex);
  ASSERT_THAT(key, IsOk());
  for (uint8_t i = 0; i < 32; ++i) EXPECT_EQ((*key)[i], i);
  EXPECT_EQ(FormatPairKey(*key), kHex);
}

TEST(PairKeyTest, UpperCaseDigitsAreDigits) {
  EXPECT_EQ(ParsePairKey(std::string(64, 'F')).value(), Key(0xff));
}

// printf '\0\1...\37' | sha256sum
TEST(PairKeyTest, IdIsTheFirstFourBytesOfSha256) {
  EXPECT_EQ(PairKeyId(*ParsePairKey(kHex)), 0x630dcd29u);
}

TEST(PairKeyTest, ErrorsNameTheFaultAndNotTheKey) {
  const std::string hex = kHex;
  EXPECT_THAT(ParsePairKey(hex.substr(1)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("63 characters, must be 64 hex digits")));
  EXPECT_THAT(ParsePairKey(hex + "0"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65")));
  const auto bad = ParsePairKey(hex.substr(0, 40) + "g" + hex.substr(41));
  EXPECT_THAT(bad, StatusIs(absl::StatusCode::kInvalidArgument,
                            HasSubstr("character 41 is not a hex digit")));
  EXPECT_THAT(std::string(bad.status().message()),
              Not(HasSubstr(hex.substr(0, 8))));
}

TEST(PairKeysTest, OneOnALineWithoutCommentsAndEmptyLines) {
  const auto keys = ParsePairKeys(absl::StrCat(
      "# of the pair\n\n  ", kHex, "\r\n#", kHex, "\n", std::string(64, '0')));
  ASSERT_THAT(keys, IsOk());
  EXPECT_THAT(*keys, ElementsAre(*ParsePairKey(kHex), Key(0)));
}

TEST(PairKeysTest, AFaultNamesItsLine) {
  EXPECT_THAT(ParsePairKeys(absl::StrCat(kHex, "\n\nabc\n")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("line 3: pair key: 3 characters")));
}

TEST(PairKeysTest, OneToEightKeys) {
  EXPECT_THAT(
      ParsePairKeys("# none\n"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no key")));
  std::string text;
  for (int i = 0; i < 8; ++i) absl::StrAppend(&text, kHex, "\n");
  EXPECT_THAT(ParsePairKeys(text), IsOk());
  absl::StrAppend(&text, kHex, "\n");
  EXPECT_THAT(ParsePairKeys(text),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("line 9: more than 8 keys")));
}

}  // namespace
}  // namespace ballast::ha
