#include "ha/outgoing_changes.h"

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/base/bytes.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kFirst = uint64_t{1} << 44;  // Of leadership 1, none yet.

Instant At(int milliseconds) {
  return Instant::FromNanos(1'000'000 * int64_t{milliseconds});
}

class OutgoingChangesTest : public ::testing::Test {
 protected:
  OutgoingChangesTest() : outgoing_(4) { outgoing_.StartLeadership(); }

  void Number(int count) {
    for (int i = 0; i < count; ++i) {
      std::vector<uint8_t> datagram(9, static_cast<uint8_t>(i));
      outgoing_.Number(datagram);
    }
  }
  void Resend() {
    resent_.clear();
    forgotten_.clear();
    outgoing_.Resend(
        pacer_,
        [&](std::span<const uint8_t> datagram) {
          resent_.push_back(LoadBig64(datagram.data()) - kFirst);
        },
        [&](const SyncRange& range) {
          forgotten_.push_back({range.first - kFirst, range.last - kFirst});
        });
  }

  OutgoingChanges outgoing_;
  Pacer pacer_{100};
  std::vector<uint64_t> resent_;
  std::vector<SyncRange> forgotten_;
};

TEST_F(OutgoingChangesTest, PositionsCountFromOneInEachLeadership) {
  EXPECT_EQ(outgoing_.position(), kFirst);
  Number(3);
  EXPECT_EQ(outgoing_.position(), kFirst + 3);
  outgoing_.StartLeadership();
  EXPECT_EQ(outgoing_.position(), 2 * kFirst);
  EXPECT_GT(outgoing_.position(), kFirst + 3);
}

TEST_F(OutgoingChangesTest, TheLastOnesAreSentAgainOthersAreForgotten) {
  pacer_.Refill(At(1));
  Number(6);
  EXPECT_TRUE(outgoing_.Ask({kFirst + 1, kFirst + 4}));
  EXPECT_TRUE(outgoing_.Ask({kFirst + 6, kFirst + 9}));
  Resend();
  EXPECT_THAT(resent_, ElementsAre(3, 4, 6));
  EXPECT_THAT(forgotten_, ElementsAre(SyncRange{1, 2}));
  EXPECT_FALSE(outgoing_.asked());
}

TEST_F(OutgoingChangesTest, WhatWentByStreamIsNotSentAgainNorWhatWasBefore) {
  pacer_.Refill(At(1));
  Number(2);
  std::vector<uint8_t> datagram(9);
  outgoing_.NumberForStream(datagram);
  EXPECT_EQ(LoadBig64(datagram.data()), kFirst + 3);
  Number(1);
  EXPECT_TRUE(outgoing_.Ask({kFirst + 1, kFirst + 4}));
  Resend();
  EXPECT_THAT(resent_, ElementsAre(4));
  EXPECT_THAT(forgotten_, ElementsAre(SyncRange{1, 3}));
}

TEST_F(OutgoingChangesTest, AnotherLeadershipOrTheFutureIsNotAnswered) {
  Number(1);
  EXPECT_FALSE(outgoing_.Ask({1, 1}));
  EXPECT_FALSE(outgoing_.Ask({2 * kFirst + 1, 2 * kFirst + 1}));
  EXPECT_FALSE(outgoing_.Ask({kFirst + 2, kFirst + 2}));
  EXPECT_TRUE(outgoing_.Ask({kFirst + 1, ~uint64_t{0}}));
}

TEST_F(OutgoingChangesTest, RangesThatWaitAreBounded) {
  Number(1);
  for (size_t i = 0; i < OutgoingChanges::kRangesMax; ++i) {
    EXPECT_TRUE(outgoing_.Ask({kFirst + 1, kFirst + 1}));
  }
  EXPECT_FALSE(outgoing_.Ask({kFirst + 1, kFirst + 1}));
}

TEST_F(OutgoingChangesTest, ResendingKeepsThePace) {
  pacer_ = Pacer(2);
  pacer_.Refill(At(1));
  Number(4);
  outgoing_.Ask({kFirst + 1, kFirst + 4});
  Resend();
  EXPECT_THAT(resent_, ElementsAre(1, 2));
  Resend();
  EXPECT_THAT(resent_, IsEmpty());
  pacer_.Refill(At(2));
  Resend();
  EXPECT_THAT(resent_, ElementsAre(3, 4));
}

TEST(PacerTest, AllowsABurstEachMillisecondAndSavesNothing) {
  Pacer pacer(3);
  const auto spend = [&] {
    int count = 0;
    for (; pacer.ready(); ++count) pacer.Spend();
    return count;
  };
  pacer.Refill(At(5));
  EXPECT_EQ(spend(), 3);
  pacer.Refill(At(5) + absl::Microseconds(999));
  EXPECT_EQ(spend(), 0);
  pacer.Refill(At(6));
  EXPECT_EQ(spend(), 3);
  pacer.Refill(At(500));
  EXPECT_EQ(spend(), 3);
}

TEST(PacerTest, WhatIsOverdrawnIsPaidBack) {
  Pacer pacer(2);
  pacer.Refill(At(1));
  for (int i = 0; i < 6; ++i) pacer.Spend();
  pacer.Refill(At(2));
  EXPECT_FALSE(pacer.ready());
  pacer.Refill(At(3));
  EXPECT_FALSE(pacer.ready());
  pacer.Refill(At(4));
  EXPECT_TRUE(pacer.ready());
}

}  // namespace
}  // namespace ballast::ha
