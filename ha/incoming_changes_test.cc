#include "ha/incoming_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/outgoing_changes.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Arrival = IncomingChanges::Arrival;

constexpr uint64_t kBase = uint64_t{3} << kSequenceBits;  // Leadership 3.

class IncomingChangesTest : public ::testing::Test {
 protected:
  IncomingChangesTest() : incoming_(8) { incoming_.Reset(kBase + 10); }

  Arrival Arrive(uint64_t n) {
    const Arrival arrival = incoming_.Classify(kBase + n);
    if (arrival == Arrival::kEarly) {
      incoming_.Keep(kBase + n, std::vector<uint8_t>{uint8_t(n)});
    }
    return arrival;
  }
  std::vector<SyncRange> Missing(size_t ranges_max, size_t* fresh = nullptr) {
    std::vector<SyncRange> ranges;
    const size_t count = incoming_.AskMissing(ranges_max, ranges);
    if (fresh != nullptr) *fresh = count;
    for (SyncRange& range : ranges) {
      range.first -= kBase;
      range.last -= kBase;
    }
    return ranges;
  }

  IncomingChanges incoming_;
};

TEST_F(IncomingChangesTest, TheNextOneIsTheOneBehindTheLastApplied) {
  EXPECT_EQ(Arrive(11), Arrival::kNext);
  EXPECT_FALSE(incoming_.Advance());
  EXPECT_EQ(incoming_.applied(), kBase + 11);
  EXPECT_FALSE(incoming_.missing());
  EXPECT_EQ(Arrive(12), Arrival::kNext);
}

TEST_F(IncomingChangesTest, EarlyOnesWaitForTheirTurn) {
  EXPECT_EQ(Arrive(12), Arrival::kEarly);
  EXPECT_EQ(Arrive(13), Arrival::kEarly);
  EXPECT_THAT(incoming_.Next(), IsEmpty());
  EXPECT_TRUE(incoming_.overtaken());
  EXPECT_EQ(Arrive(11), Arrival::kNext);
  incoming_.Advance();
  EXPECT_THAT(incoming_.Next(), ElementsAre(12));
  incoming_.Advance();
  EXPECT_THAT(incoming_.Next(), ElementsAre(13));
  incoming_.Advance();
  EXPECT_THAT(incoming_.Next(), IsEmpty());
  EXPECT_FALSE(incoming_.overtaken());
}

TEST_F(IncomingChangesTest, WhatWasAppliedOrIsKeptIsADuplicate) {
  EXPECT_EQ(Arrive(10), Arrival::kDuplicate);
  EXPECT_EQ(Arrive(1), Arrival::kDuplicate);
  EXPECT_EQ(Arrive(12), Arrival::kEarly);
  EXPECT_EQ(Arrive(12), Arrival::kDuplicate);
}

TEST_F(IncomingChangesTest, BeyondTheWindowNothingIsKeptButItIsKnown) {
  EXPECT_EQ(Arrive(18), Arrival::kEarly);
  EXPECT_EQ(Arrive(19), Arrival::kTooEarly);
  EXPECT_EQ(incoming_.last_known(), kBase + 19);
}

TEST_F(IncomingChangesTest, OtherLeadershipsAreNotMistaken) {
  EXPECT_EQ(incoming_.Classify((uint64_t{2} << kSequenceBits) + 11),
            Arrival::kOlder);
  EXPECT_EQ(incoming_.Classify((uint64_t{4} << kSequenceBits) + 11),
            Arrival::kNewer);
  EXPECT_EQ(incoming_.last_known(), kBase + 10);
}

TEST_F(IncomingChangesTest, MissingOnesAreAskedForInRanges) {
  Arrive(13);
  Arrive(16);
  incoming_.Announce(kBase + 18);
  size_t fresh = 0;
  EXPECT_THAT(
      Missing(9, &fresh),
      ElementsAre(SyncRange{11, 12}, SyncRange{14, 15}, SyncRange{17, 18}));
  EXPECT_EQ(fresh, 6u);
  EXPECT_THAT(Missing(2, &fresh),
              ElementsAre(SyncRange{11, 12}, SyncRange{14, 15}));
  EXPECT_EQ(fresh, 0u);  // None for the first time.
}

TEST_F(IncomingChangesTest, NoMoreIsAskedForThanCanBeKept) {
  incoming_.Announce(kBase + 1000000);
  EXPECT_THAT(Missing(9), ElementsAre(SyncRange{11, 18}));
}

TEST_F(IncomingChangesTest, OneThatComesAfterBeingAskedForIsARepair) {
  Arrive(12);
  Missing(9);
  EXPECT_EQ(Arrive(11), Arrival::kNext);
  EXPECT_TRUE(incoming_.Advance());
  EXPECT_FALSE(incoming_.Advance());
  // The place comes round again with a new number.
  EXPECT_EQ(Arrive(13), Arrival::kNext);
}

TEST_F(IncomingChangesTest, OneThatWasNoGoodIsMissingAgain) {
  Arrive(12);
  EXPECT_EQ(Arrive(11), Arrival::kNext);
  incoming_.Advance();
  incoming_.DropNext();
  EXPECT_THAT(incoming_.Next(), IsEmpty());
  EXPECT_THAT(Missing(9), ElementsAre(SyncRange{12, 12}));
}

TEST_F(IncomingChangesTest, ResetForgetsWhatWasKept) {
  Arrive(12);
  incoming_.Reset(kBase + 11);
  EXPECT_THAT(incoming_.Next(), IsEmpty());
  EXPECT_FALSE(incoming_.missing());
}

}  // namespace
}  // namespace ballast::ha
