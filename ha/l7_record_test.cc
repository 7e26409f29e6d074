#include "ha/l7_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "io/base/address.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAreArray;

// Written by hand from the layout in l7_record.h.
const std::vector<uint8_t> kExample = {
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,  // service
    0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,  // sub service
    0x09,                                            // mode
    'a',  'b',  'c',  'd',  'e',  'f',  'g',  'h',   // key
    'i',  'j',  'k',  'l',  'm',  'n',  'o',  'p',   //
    0,    0,    0,    0,    0,    0,    0,    0,     // 10.0.0.1, mapped
    0,    0,    0xff, 0xff, 10,   0,    0,    1,     //
    0x1f, 0x90,                                      // port 8080
    0x00, 0x00, 0x27, 0x10,                          // started 10 s ago
    0,    0,    0,    0,    0x90, 0x32, 0x10, 0x00   // 28 days
};
constexpr size_t kTimeoutAt = 55;

L7Record Example() {
  L7Record record;
  record.service = 0x0102030405060708;
  record.sub_service = 0x1112131415161718;
  record.mode = 9;
  record.key = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h',
                'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p'};
  record.server = {Address::V4(0x0a000001), 8080};
  record.age_ms = 10'000;
  record.timeout_ms = 2'419'200'000;
  return record;
}

std::vector<uint8_t> Encoded(const L7Record& record) {
  std::vector<uint8_t> out;
  EncodeL7Record(record, out);
  return out;
}

TEST(L7RecordTest, EncodesAsTheHeaderSays) {
  EXPECT_THAT(Encoded(Example()), ElementsAreArray(kExample));
}

TEST(L7RecordTest, DecodesAsTheHeaderSays) {
  EXPECT_EQ(DecodeL7Record(kExample), Example());
}

TEST(L7RecordTest, AppendsToWhatIsThere) {
  std::vector<uint8_t> out = {1, 2};
  EncodeL7Record(Example(), out);
  ASSERT_EQ(out.size(), 2 + kExample.size());
  EXPECT_EQ(out[0], 1);
  EXPECT_THAT(std::vector<uint8_t>(out.begin() + 2, out.end()),
              ElementsAreArray(kExample));
}

TEST(L7RecordTest, GoneIsWrittenAsTimeoutZero) {
  L7Record record = Example();
  record.gone = true;
  std::vector<uint8_t> expected = kExample;
  expected.resize(kTimeoutAt);
  expected.resize(kTimeoutAt + 8);  // Zeros.
  EXPECT_THAT(Encoded(record), ElementsAreArray(expected));

  record.timeout_ms = 0;
  EXPECT_EQ(DecodeL7Record(expected), record);
}

TEST(L7RecordTest, AnyOtherSizeIsRefused) {
  for (size_t size = 0; size < kExample.size(); ++size) {
    EXPECT_EQ(DecodeL7Record(std::span(kExample).first(size)), std::nullopt);
  }
  std::vector<uint8_t> longer = kExample;
  longer.push_back(0);
  EXPECT_EQ(DecodeL7Record(longer), std::nullopt);
}

}  // namespace
}  // namespace ballast::ha
