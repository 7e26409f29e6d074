#include "ha/transfer_wire.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAreArray;
using Bytes = std::vector<uint8_t>;

// Expected bytes: from the layout in replicator.h, by another program.
const Bytes kRequest = {32, 1, 2, 3, 4, 5, 6, 7, 8};
const Bytes kBegin = {33, 1, 2, 3, 4, 5, 6, 7, 8,  1, 0, 0, 0,
                      0,  0, 0, 1, 0, 0, 0, 0, 16, 0, 0, 0, 9};
const Bytes kEnd = {36, 1, 2, 3, 4, 5, 6, 7, 8,   0, 0, 0, 16, 0, 0, 0, 9,
                    0,  0, 0, 0, 0, 0, 0, 2, 255, 0, 0, 0, 0,  0, 0, 17};
const Bytes kDone = {37, 1, 2, 3, 4, 5,   6, 7, 8, 1, 0, 0, 0,
                     0,  0, 0, 0, 2, 255, 0, 0, 0, 0, 0, 0, 17};
constexpr uint64_t kId = 0x0102030405060708;
constexpr uint64_t kPosition = 0x1000000009;
constexpr TableSummary kSum = {2, 0xff00000000000011};

Bytes Body(const Bytes& message) {
  return {message.begin() + 1, message.end()};
}

TEST(TransferWireTest, MessagesAreWrittenAsDocumented) {
  EXPECT_THAT(Encode(TransferRequest{kId}), ElementsAreArray(kRequest));
  EXPECT_THAT(Encode(TransferBegin{kId, true, 256, kPosition}),
              ElementsAreArray(kBegin));
  EXPECT_THAT(Encode(TransferEnd{kId, kPosition, kSum}),
              ElementsAreArray(kEnd));
  EXPECT_THAT(Encode(TransferDone{kId, false, kSum}), ElementsAreArray(kDone));
}

TEST(TransferWireTest, WhatIsWrittenIsRead) {
  const TransferBegin begin{kId, true, 256, kPosition};
  const TransferEnd end{kId, kPosition, {2, 3}};
  const TransferDone done{kId, true, {2, 3}};
  EXPECT_EQ(DecodeRequest(std::span(kRequest).subspan(1))->id, kId);
  EXPECT_EQ(DecodeBegin(Body(Encode(begin))), begin);
  EXPECT_EQ(DecodeEnd(Body(Encode(end))), end);
  EXPECT_EQ(DecodeDone(Body(Encode(done))), done);
}

TEST(TransferWireTest, AnotherLengthIsRefused) {
  for (const Bytes& message :
       {Encode(TransferRequest{1}), Encode(TransferBegin{}),
        Encode(TransferEnd{}), Encode(TransferDone{})}) {
    Bytes body(message.begin() + 1, message.end());
    const auto decodes = [&](std::span<const uint8_t> bytes) {
      switch (static_cast<StreamMessage>(message[0])) {
        case StreamMessage::kRequest:
          return DecodeRequest(bytes).has_value();
        case StreamMessage::kBegin:
          return DecodeBegin(bytes).has_value();
        case StreamMessage::kEnd:
          return DecodeEnd(bytes).has_value();
        default:
          return DecodeDone(bytes).has_value();
      }
    };
    EXPECT_TRUE(decodes(body));
    EXPECT_FALSE(decodes(std::span(body).first(body.size() - 1)));
    body.push_back(0);
    EXPECT_FALSE(decodes(body));
  }
}

TEST(TransferWireTest, FlagsAreZeroOrOne) {
  Bytes begin = Encode(TransferBegin{});
  begin[9] = 2;
  EXPECT_FALSE(DecodeBegin(std::span(begin).subspan(1)));
  Bytes done = Encode(TransferDone{});
  EXPECT_EQ(done[9], 1);  // Not equal.
  done[9] = 2;
  EXPECT_FALSE(DecodeDone(std::span(done).subspan(1)));
}

}  // namespace
}  // namespace ballast::ha
