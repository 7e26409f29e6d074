#include "lb/config/hex_bytes.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace ballast::config {
namespace {

TEST(BytesOfHexTest, ReadsPairsOfDigits) {
  EXPECT_EQ(BytesOfHex("48656C6c6F"), "Hello");
  EXPECT_EQ(BytesOfHex("48 65 6c6c 6f"), "Hello");
  EXPECT_EQ(BytesOfHex(""), "");
  EXPECT_EQ(BytesOfHex("00"), std::string(1, '\0'));
}

TEST(BytesOfHexTest, RefusesAnythingElse) {
  for (const char* text : {"4", "4 8", "0x48", "4g", "48,65"}) {
    EXPECT_EQ(BytesOfHex(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace ballast::config
