#include "io/base/bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace ballast {
namespace {

using ::testing::ElementsAre;

TEST(ByteReaderTest, ReadsBigEndianThenStaysFailed) {
  const std::array<uint8_t, 7> bytes = {1, 2, 3, 4, 5, 6, 7};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.U8(), 0x01);
  EXPECT_EQ(reader.U16(), 0x0203);
  EXPECT_EQ(reader.U32(), 0x04050607u);
  EXPECT_TRUE(reader.AtEnd());
  EXPECT_EQ(reader.U8(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.AtEnd());
}

TEST(ByteReaderTest, AShortReadTakesNothing) {
  const std::array<uint8_t, 3> bytes = {1, 2, 3};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.U32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_TRUE(reader.Bytes(1).empty());
}

TEST(ByteWriterTest, NeverWritesPastTheEnd) {
  std::array<uint8_t, 5> bytes = {9, 9, 9, 9, 9};
  ByteWriter writer(std::span<uint8_t>(bytes).first(4));
  writer.U16(0x0102);
  writer.U32(0x03040506);
  EXPECT_FALSE(writer.ok());
  writer.U8(7);
  EXPECT_THAT(bytes, ElementsAre(1, 2, 9, 9, 9));
  EXPECT_THAT(writer.written(), ElementsAre(1, 2));
}

}  // namespace
}  // namespace ballast
