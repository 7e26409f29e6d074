// One node. Expected values: what ucarp 1.5.2 was seen to do, with the numbers
// it was seen with; the BSDs' by their sources.
#include "ha/carp_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/base/status_matchers.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using enum CarpAction;

constexpr absl::Duration kTiny = absl::Nanoseconds(1);
const Instant kStart = Instant::FromNanos(1'000'000'000'000);

Address Ip(absl::string_view text) { return *Address::Parse(text); }

// A node at 10.77.0.2, and its clock.
class Node {
 public:
  explicit Node(CarpNode::Options options) : node_(Fill(options), kStart) {}

  CarpActions At(absl::Duration since_start, const CarpEvent& event) {
    now_ = since_start;
    return node_.Step(kStart + now_, event);
  }
  CarpActions Tick(absl::Duration since_start) {
    return At(since_start, CarpTick{});
  }
  // Right now.
  CarpActions Hear(uint8_t base, uint8_t skew, uint8_t demotion = 0) {
    return At(now_, CarpHeard{.source = Ip("10.77.0.1"),
                              .advbase = base,
                              .advskew = skew,
                              .demotion = demotion});
  }
  CarpActions HearFrom(absl::string_view source, uint8_t base, uint8_t skew) {
    return At(
        now_,
        CarpHeard{.source = Ip(source), .advbase = base, .advskew = skew});
  }
  // Ticks until it is master by silence; the clock stands there.
  Node& BecomeMaster() {
    const CarpActions actions = Tick(deadline());
    EXPECT_THAT(actions, ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
    return *this;
  }

  absl::Duration deadline() const { return node_.deadline() - kStart; }
  absl::Duration now() const { return now_; }
  CarpRole role() const { return node_.role(); }
  const CarpNode* operator->() const { return &node_; }

 private:
  static CarpNode::Options Fill(CarpNode::Options options) {
    if (options.source.is_unspecified()) options.source = Ip("10.77.0.2");
    return options;
  }

  CarpNode node_;
  absl::Duration now_ = absl::ZeroDuration();
};

// -- Timers and roles --------------------------------------------------------

TEST(CarpNodeTest, ABackupTakesOverAfterThreeBasesAndOneSkewOfSilence) {
  // 3.390625 s; ucarp, which looks at its clock seldom, 3.99 s.
  Node node({.advbase = 1, .advskew = 100});
  EXPECT_EQ(node.role(), CarpRole::kBackup);
  EXPECT_THAT(node.Tick(absl::Microseconds(3'390'625) - kTiny), IsEmpty());
  EXPECT_THAT(node.Tick(absl::Microseconds(3'390'625)),
              ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
  EXPECT_EQ(node.role(), CarpRole::kMaster);
  EXPECT_EQ(node->reason(), CarpReason::kMasterSilent);
  EXPECT_EQ(node->taken(CarpReason::kMasterSilent), 1u);
}

TEST(CarpNodeTest, TheDeadRatioReplacesTheThree) {
  Node node({.advbase = 2, .advskew = 128, .dead_ratio = 5});
  EXPECT_EQ(node.deadline(), absl::Milliseconds(10'500));
}

// Seen of ucarp: 1.000, 1.387..1.391, 0.499, 3.78.
TEST(CarpNodeTest, AMasterAdvertsEveryBasePlusSkew) {
  const struct {
    uint8_t base, skew;
    absl::Duration interval;
  } kCases[] = {{1, 0, absl::Seconds(1)},
                {1, 100, absl::Microseconds(1'390'625)},
                {0, 128, absl::Milliseconds(500)},
                {3, 200, absl::Microseconds(3'781'250)},
                {1, 1, absl::Microseconds(1'003'906)}};  // Rounded down.
  for (const auto& test : kCases) {
    Node node({.advbase = test.base, .advskew = test.skew});
    EXPECT_EQ(node->interval(), test.interval);
    absl::Duration advert = node.BecomeMaster().now();
    for (int i = 0; i < 5; ++i) {
      advert += test.interval;
      while (node.deadline() < advert) {
        EXPECT_THAT(node.Tick(node.deadline()), ElementsAre(kAnnounce));
      }
      EXPECT_EQ(node.deadline(), advert);
      EXPECT_THAT(node.Tick(advert), ::testing::Contains(kSendAdvert));
    }
  }
}

TEST(CarpNodeTest, AnAcceptableAdvertStartsTheWaitAnew) {
  Node node({.advbase = 1});
  for (int i = 1; i < 10; ++i) {
    EXPECT_THAT(node.Tick(absl::Seconds(2 * i)), IsEmpty());
    EXPECT_THAT(node.Hear(1, 0), IsEmpty());
    EXPECT_EQ(node.deadline(), absl::Seconds(2 * i + 3));
  }
}

TEST(CarpNodeTest, TheInitialWaitHoldsBackOnlyWhileNobodyIsHeard) {
  Node alone({.advbase = 1, .initial_wait = absl::Seconds(60)});
  EXPECT_EQ(alone.deadline(), absl::Seconds(60));
  Node shorter({.advbase = 1, .initial_wait = absl::Seconds(2)});
  EXPECT_EQ(shorter.deadline(), absl::Seconds(3));
  Node pair({.advbase = 1, .initial_wait = absl::Seconds(60)});
  EXPECT_THAT(pair.Tick(absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(pair.Hear(1, 0), IsEmpty());
  EXPECT_EQ(pair.deadline(), absl::Seconds(4));
}

TEST(CarpNodeTest, WithoutLinkOrAddressItIsInitAndThenABackup) {
  Node node({.advbase = 1, .usable = false});
  EXPECT_EQ(node.role(), CarpRole::kInit);
  EXPECT_EQ(node->deadline(), Instant::Never());
  EXPECT_THAT(node.Tick(absl::Seconds(10)), IsEmpty());
  EXPECT_THAT(node.Hear(255, 255), IsEmpty());
  EXPECT_THAT(node.At(absl::Seconds(20), CarpUsable{true}), IsEmpty());
  EXPECT_EQ(node.role(), CarpRole::kBackup);
  EXPECT_EQ(node.deadline(), absl::Seconds(23));
  // A master that loses them says so while it can.
  node.BecomeMaster();
  EXPECT_THAT(node.At(absl::Seconds(24), CarpUsable{false}),
              ElementsAre(kDropAddresses, kSendBowOut));
  EXPECT_EQ(node.role(), CarpRole::kInit);
  EXPECT_EQ(node->deadline(), Instant::Never());
  EXPECT_EQ(node->dropped(CarpReason::kNotUsable), 1u);
}

// -- Hearing an advert, as master --------------------------------------------

TEST(CarpNodeTest, AMasterThatHearsAFasterOneAnswersAndIsBackup) {
  Node node({.advbase = 1, .advskew = 100});
  node.BecomeMaster();
  EXPECT_THAT(node.Hear(1, 99), ElementsAre(kDropAddresses, kSendAdvert));
  EXPECT_EQ(node.role(), CarpRole::kBackup);
  EXPECT_EQ(node->reason(), CarpReason::kFasterPeer);
  EXPECT_EQ(node.deadline(), node.now() + node->master_down_time());
  // Fast by base as well, though the skew is high.
  Node other({.advbase = 2});
  other.BecomeMaster();
  EXPECT_THAT(other.Hear(1, 254), ElementsAre(kDropAddresses, kSendAdvert));
}

TEST(CarpNodeTest, TheBsdsYieldWithoutAnAnswer) {
  for (const CarpManner manner : {CarpManner::kFreeBsd, CarpManner::kOpenBsd}) {
    Node node({.advbase = 1, .advskew = 100, .manner = manner});
    node.BecomeMaster();
    EXPECT_THAT(node.Hear(1, 0), ElementsAre(kDropAddresses));
  }
}

// ucarp compares the octets from the last to the first: 10.77.1.1 was seen to
// beat 10.77.0.2.
TEST(CarpNodeTest, OnATieTheLowerAddressInUcarpsOctetOrderStays) {
  const struct {
    const char* own;
    const char* peer;
    bool stays;
  } kCases[] = {
      {"10.77.0.1", "10.77.0.2", true},   {"10.77.0.2", "10.77.0.1", false},
      {"10.77.1.1", "10.77.0.2", true},   {"10.77.0.2", "10.77.1.1", false},
      {"10.77.0.9", "10.77.1.9", true},   {"200.0.0.1", "1.0.0.2", true},
      {"10.77.0.1", "10.77.0.200", true},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.own);
    Node node({.advbase = 1, .advskew = 5, .source = Ip(test.own)});
    node.BecomeMaster();
    const CarpActions actions = node.HearFrom(test.peer, 1, 5);
    if (test.stays) {
      EXPECT_EQ(node.role(), CarpRole::kMaster);
      EXPECT_THAT(actions, ElementsAre(kAnnounce));
    } else {
      EXPECT_EQ(node.role(), CarpRole::kBackup);
      EXPECT_EQ(node->reason(), CarpReason::kTieLost);
      EXPECT_THAT(actions, ElementsAre(kDropAddresses, kSendAdvert));
    }
  }
}

TEST(CarpNodeTest, OnATieTheBsdsYieldToAnyAddress) {
  for (const CarpManner manner : {CarpManner::kFreeBsd, CarpManner::kOpenBsd}) {
    for (const char* peer : {"10.77.0.1", "10.77.0.3"}) {
      Node node({.advbase = 1, .manner = manner});
      node.BecomeMaster();
      EXPECT_THAT(node.HearFrom(peer, 1, 0), ElementsAre(kDropAddresses));
      EXPECT_EQ(node->reason(), CarpReason::kTieLost);
    }
  }
}

TEST(CarpNodeTest, AMasterThatHearsASlowerOneAnnouncesNowAndAfterTwoAdverts) {
  Node node({.advbase = 1});
  node.BecomeMaster();
  EXPECT_THAT(node.Tick(absl::Seconds(4)), ElementsAre(kSendAdvert));
  EXPECT_THAT(node.Tick(absl::Milliseconds(4500)), ElementsAre(kAnnounce));
  EXPECT_THAT(node.Tick(absl::Seconds(5)), ElementsAre(kSendAdvert, kAnnounce));
  EXPECT_THAT(node.Tick(absl::Seconds(6)), ElementsAre(kSendAdvert));
  EXPECT_THAT(node.Tick(absl::Milliseconds(6300)), IsEmpty());
  EXPECT_THAT(node.Hear(1, 1), ElementsAre(kAnnounce));
  EXPECT_EQ(node.role(), CarpRole::kMaster);
  EXPECT_THAT(node.Tick(absl::Seconds(7)), ElementsAre(kSendAdvert));
  EXPECT_THAT(node.Tick(absl::Seconds(8)), ElementsAre(kSendAdvert, kAnnounce));
  EXPECT_THAT(node.Tick(absl::Seconds(9)), ElementsAre(kSendAdvert));
}

TEST(CarpNodeTest, AFloodOfWeakerAdvertsIsAnsweredOncePerInterval) {
  Node node({.advbase = 1});
  node.BecomeMaster();
  int announced = 0;
  for (int ms = 3001; ms < 13'000; ++ms) {
    if (node.deadline() <= absl::Milliseconds(ms)) {
      (void)node.Tick(absl::Milliseconds(ms));
    }
    for (const CarpAction action :
         node.At(absl::Milliseconds(ms),
                 CarpHeard{.source = Ip("10.77.0.1"), .advbase = 2})) {
      announced += action == kAnnounce;
    }
  }
  EXPECT_EQ(announced, 10);
}

// -- Hearing an advert, as backup --------------------------------------------

TEST(CarpNodeTest, WithoutPreemptionAFasterBackupStays) {
  Node node({.advbase = 1});
  EXPECT_THAT(node.Hear(1, 100), IsEmpty());
  EXPECT_THAT(node.Hear(3, 0), IsEmpty());  // As slow as it may be.
  EXPECT_EQ(node.role(), CarpRole::kBackup);
}

TEST(CarpNodeTest, APreemptingBackupTakesOverFromASlowerMasterAtOnce) {
  Node node({.advbase = 1, .advskew = 20, .preempt = CarpPreempt::kAlways});
  EXPECT_THAT(node.Hear(1, 19), IsEmpty());
  EXPECT_THAT(node.Hear(1, 20), IsEmpty());
  EXPECT_THAT(node.Hear(1, 21),
              ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
  EXPECT_EQ(node->reason(), CarpReason::kPreempted);
}

// Seen of ucarp with base 1, skew 100: 3 and 99 keeps it backup, 3 and 101 has
// it take over.
TEST(CarpNodeTest, AMasterTooSlowForTheOwnWaitIsSucceededAtOnce) {
  for (const CarpManner manner :
       {CarpManner::kUcarp, CarpManner::kFreeBsd, CarpManner::kOpenBsd}) {
    Node node({.advbase = 1, .advskew = 100, .manner = manner});
    EXPECT_THAT(node.Hear(3, 99), IsEmpty());
    EXPECT_THAT(node.Hear(3, 100), IsEmpty());
    EXPECT_THAT(node.Hear(3, 101),
                ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
    EXPECT_EQ(node->reason(), CarpReason::kMasterTooSlow);
  }
}

TEST(CarpNodeTest, ABowOutIsSucceededAtOnce) {
  Node node({.advbase = 5, .advskew = 254});
  EXPECT_THAT(node.Hear(255, 255),
              ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
  EXPECT_EQ(node->reason(), CarpReason::kMasterTooSlow);
}

TEST(CarpNodeTest, OpenBsdWithoutABaseHasASkewTimesThreeAndNoMasterTooSlow) {
  Node node({.advbase = 0, .advskew = 128, .manner = CarpManner::kOpenBsd});
  EXPECT_EQ(node.deadline(), absl::Milliseconds(1500));
  EXPECT_THAT(node.Hear(255, 255), IsEmpty());
  Node ucarp({.advbase = 0, .advskew = 128});
  EXPECT_EQ(ucarp.deadline(), absl::Milliseconds(500));
}

// -- Demotion ----------------------------------------------------------------

TEST(CarpNodeTest, DemotionOfOpenBsdComesBeforeSpeed) {
  Node backup({.advbase = 1, .manner = CarpManner::kOpenBsd});
  EXPECT_THAT(backup.Hear(1, 0, 0), IsEmpty());
  EXPECT_THAT(backup.Hear(1, 0, 1),
              ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
  EXPECT_EQ(backup->reason(), CarpReason::kMasterDemoted);
  Node master({.advbase = 1, .manner = CarpManner::kOpenBsd});
  master.BecomeMaster();
  EXPECT_THAT(master.Hear(0, 1, 1), ElementsAre(kAnnounce));
  EXPECT_EQ(master.role(), CarpRole::kMaster);
  EXPECT_THAT(master.Hear(0, 1, 0), ElementsAre(kDropAddresses));
}

TEST(CarpNodeTest, TheDemotionByteOfUcarpAndFreeBsdMeansNothing) {
  for (const CarpManner manner : {CarpManner::kUcarp, CarpManner::kFreeBsd}) {
    Node backup({.advbase = 1, .manner = manner});
    EXPECT_THAT(backup.Hear(1, 0, 255), IsEmpty());
    Node master({.advbase = 1, .manner = manner});
    master.BecomeMaster();
    (void)master.Hear(0, 1, 255);
    EXPECT_EQ(master.role(), CarpRole::kBackup);
  }
}

TEST(CarpNodeTest, ThreeFailedSendsRaiseTheSkewUntilThreeSucceed) {
  Node node({.advbase = 1, .advskew = 20});
  node.BecomeMaster();
  const auto skew_after = [&node](std::initializer_list<bool> sends) {
    for (const bool ok : sends) {
      EXPECT_THAT(node.At(node.now(), CarpSent{ok}), IsEmpty());
    }
    return node->MakeAdvert(kSendAdvert, 0).advskew;
  };
  EXPECT_EQ(skew_after({false, false, true, false, false}), 20);
  EXPECT_EQ(skew_after({false}), 240);
  EXPECT_EQ(skew_after({false, true, true, false, true, true}), 240);
  EXPECT_EQ(skew_after({true}), 20);
  Node slower({.advbase = 1, .advskew = 250});
  for (int i = 0; i < 3; ++i) (void)slower.At(slower.now(), CarpSent{false});
  EXPECT_EQ(slower->MakeAdvert(kSendAdvert, 0).advskew, 250);
}

// -- Announcing, leaving -----------------------------------------------------

TEST(CarpNodeTest, ANewMasterAnnouncesAgainAfterAMomentAndAfterTheThirdAdvert) {
  Node node({.advbase = 3});
  node.BecomeMaster();
  EXPECT_EQ(node.deadline(), absl::Milliseconds(10'500));
  EXPECT_THAT(node.Tick(absl::Milliseconds(10'500)), ElementsAre(kAnnounce));
  EXPECT_THAT(node.Tick(absl::Seconds(12)), ElementsAre(kSendAdvert));
  EXPECT_THAT(node.Tick(absl::Seconds(15)),
              ElementsAre(kSendAdvert, kAnnounce));
  EXPECT_THAT(node.Tick(absl::Seconds(18)), ElementsAre(kSendAdvert));
}

TEST(CarpNodeTest, AMasterThatYieldsAnnouncesNoMore) {
  Node node({.advbase = 1});
  node.BecomeMaster();
  (void)node.Hear(0, 128);
  EXPECT_EQ(node.deadline(), node.now() + absl::Seconds(3));
}

TEST(CarpNodeTest, AMasterThatEndsSaysSoAndTakesNoPartAnyMore) {
  Node node({.advbase = 1, .advskew = 3});
  node.BecomeMaster();
  EXPECT_THAT(node.At(absl::Seconds(4), CarpLeave{}),
              ElementsAre(kDropAddresses, kSendBowOut));
  const CarpAdvert bow_out = node->MakeAdvert(kSendBowOut, 5);
  EXPECT_EQ(bow_out.advbase, 255);
  EXPECT_EQ(bow_out.advskew, 255);
  EXPECT_EQ(bow_out.counter, 5u);
  EXPECT_EQ(node->deadline(), Instant::Never());
  EXPECT_THAT(node.At(absl::Seconds(5), CarpUsable{true}), IsEmpty());
  EXPECT_THAT(node.Hear(255, 255), IsEmpty());
  EXPECT_EQ(node.role(), CarpRole::kInit);
  EXPECT_EQ(node->dropped(CarpReason::kLeft), 1u);
}

TEST(CarpNodeTest, ABackupThatEndsSaysNothing) {
  Node node({.advbase = 1});
  EXPECT_THAT(node.At(absl::Seconds(1), CarpLeave{}), IsEmpty());
  EXPECT_EQ(node.role(), CarpRole::kInit);
}

TEST(CarpNodeTest, PreemptionOnceIsSpentByTheFirstTakeover) {
  Node node({.advbase = 1, .preempt = CarpPreempt::kOnce});
  EXPECT_THAT(node.Hear(1, 100),
              ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
  (void)node.Hear(0, 100);
  EXPECT_EQ(node.role(), CarpRole::kBackup);
  EXPECT_THAT(node.Hear(1, 100), IsEmpty());
  // Silence spends it as well.
  Node alone({.advbase = 1, .preempt = CarpPreempt::kOnce});
  alone.BecomeMaster();
  (void)alone.Hear(0, 100);
  EXPECT_THAT(alone.Hear(1, 100), IsEmpty());
}

TEST(CarpNodeTest, ASwitchoverBowsOutAndSuspendsPreemption) {
  Node node({.advbase = 1, .preempt = CarpPreempt::kAlways});
  EXPECT_THAT(node.At(absl::Seconds(1), CarpSwitchover{}), IsEmpty());
  node.BecomeMaster();
  EXPECT_THAT(node.At(absl::Seconds(5), CarpSwitchover{}),
              ElementsAre(kDropAddresses, kSendBowOut));
  EXPECT_EQ(node.role(), CarpRole::kBackup);
  EXPECT_EQ(node->reason(), CarpReason::kSwitchover);
  // A peer that does not believe the bow-out must be able to come first.
  EXPECT_EQ(node.deadline(), absl::Seconds(11));
  EXPECT_THAT(node.Hear(1, 100), IsEmpty());
  // If it is gone again, this unit is back in its time, and then preempts as
  // before.
  EXPECT_EQ(node.deadline(), absl::Seconds(8));
  node.BecomeMaster();
  (void)node.Hear(0, 100);
  EXPECT_EQ(node.role(), CarpRole::kBackup);
  EXPECT_THAT(node.Hear(1, 100),
              ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
}

// -- Stalls ------------------------------------------------------------------

TEST(CarpNodeTest, AMasterNotCalledForItsWaitIsBackupBeforeAnythingElse) {
  Node node({.advbase = 1, .advskew = 100});
  const absl::Duration took = node.BecomeMaster().now();
  EXPECT_THAT(node.Tick(took + node->master_down_time()),
              ElementsAre(kAnnounce, kSendAdvert));
  const absl::Duration last = node.now();
  const absl::Duration late = last + node->master_down_time() + kTiny;
  EXPECT_THAT(node.Tick(late), ElementsAre(kDropAddresses));
  EXPECT_EQ(node->reason(), CarpReason::kNotScheduled);
  EXPECT_EQ(node.deadline(), late + node->master_down_time());
  // What has arrived meanwhile is then heard as a backup.
  node.BecomeMaster();
  EXPECT_THAT(node.At(node.now() + absl::Seconds(60),
                      CarpHeard{.source = Ip("10.77.0.1"), .advbase = 1}),
              ElementsAre(kDropAddresses));
  EXPECT_EQ(node->dropped(CarpReason::kNotScheduled), 2u);
}

TEST(CarpNodeTest, OnlyItsOwnAdvertsProlongAMastersLease) {
  Node node({.advbase = 1});
  const absl::Duration took = node.BecomeMaster().now();
  const Instant lease = node->lease();
  EXPECT_EQ(lease - node->deadline(), absl::Seconds(2));  // D - L
  (void)node.At(took + absl::Milliseconds(900),
                CarpHeard{.source = Ip("10.77.0.1"), .advbase = 2});
  EXPECT_EQ(node.role(), CarpRole::kMaster);
  EXPECT_EQ(node->lease(), lease);
  EXPECT_THAT(node.Tick(took + absl::Milliseconds(3001)),
              ElementsAre(kDropAddresses));
}

TEST(CarpNodeTest, ABackupCalledFarTooLateWaitsAnew) {
  Node node({.advbase = 1});
  EXPECT_THAT(node.Tick(absl::Seconds(6) + kTiny), IsEmpty());
  EXPECT_EQ(node.deadline(), absl::Seconds(9) + kTiny);
  Node late({.advbase = 1});
  EXPECT_THAT(late.Tick(absl::Seconds(6)),
              ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
}

TEST(CarpNodeTest, AWaitAsShortAsTheIntervalIsNoStall) {
  Node node({.advbase = 0, .advskew = 128});
  node.BecomeMaster();
  EXPECT_THAT(node.Tick(node.now() + absl::Milliseconds(501)),
              ElementsAre(kSendAdvert));
}

// -- Options -----------------------------------------------------------------

TEST(CarpNodeTest, WhatCannotBeIsNamed) {
  const Address source = Ip("10.77.0.2");
  using Options = CarpNode::Options;
  EXPECT_THAT(CarpNode::Validate(Options{.advskew = 254, .source = source}),
              IsOk());
  const struct {
    Options options;
    const char* message;
  } kCases[] = {
      {{.advskew = 255, .source = source}, "advskew: 255, must be 0..254"},
      {{.advbase = 0, .source = source}, "both 0"},
      {{.dead_ratio = 0, .source = source}, "dead ratio: 0"},
      {{.source = source, .initial_wait = -kTiny}, "initial wait: -1ns"},
      {{}, "source: none"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(
        CarpNode::Validate(test.options),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(test.message)));
  }
  EXPECT_THAT(CarpNode::Validate(Options{.manner = CarpManner::kFreeBsd}),
              IsOk());
}

}  // namespace
}  // namespace ballast::ha
