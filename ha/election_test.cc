// One unit, and a partner played by hand. Names begin with the rule they hold:
// H of the LoadMaster behaviour document §2.3, E of election.h. T is 9 s, from
// adverts of 3 s: the defaults of the HA timeout.
#include "ha/election.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ballast::ha {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::Not;

constexpr Instant kStart = Instant::FromNanos(1'000'000'000'000);
const absl::Duration kInterval = absl::Seconds(3);
const absl::Duration kT = absl::Seconds(9);
const absl::Duration kTick = absl::Nanoseconds(1);

Election::Options First() {
  Election::Options options;
  options.mode = Mode::kFirst;
  options.shared = Address::V4(0x0A000005);
  return options;
}
Election::Options Second() {
  Election::Options options = First();
  options.mode = Mode::kSecond;
  return options;
}

// A unit whose owner calls it at each deadline, at no other time than told.
class Unit {
 public:
  explicit Unit(const Election::Options& options, Instant now = kStart)
      : election(options, now), now_(now) {
    Collect();
    at_start_ = log_;
  }

  const std::vector<Action>& at_start() const { return at_start_; }
  Instant now() const { return now_; }

  // What was done on the way.
  std::vector<Action> RunTo(Instant until) {
    log_.clear();
    while (election.deadline() <= until) {
      now_ = election.deadline();
      election.Tick(now_);
      Collect();
    }
    now_ = until;
    return log_;
  }
  std::vector<Action> Run(absl::Duration time) { return RunTo(now_ + time); }
  // Time passes, and nobody calls.
  void Stall(absl::Duration time) { now_ += time; }

  std::vector<Action> Hear(const Advert& advert, int interface = 0) {
    log_.clear();
    election.OnAdvert(now_, interface, advert);
    Collect();
    return log_;
  }
  // Hears `advert` every interval for `time`, the first time at once.
  void HearFor(absl::Duration time, const Advert& advert) {
    const Instant end = now_ + time;
    while (now_ < end) {
      Hear(advert);
      RunTo(std::min(end, now_ + advert.interval));
    }
  }
  std::vector<Action> Sync(bool complete, uint64_t position) {
    log_.clear();
    election.OnSync(now_, complete, position);
    Collect();
    return log_;
  }
  std::vector<Action> Link(int interface, bool up) {
    log_.clear();
    election.OnLink(now_, interface, up);
    Collect();
    return log_;
  }
  std::vector<Action> Taken() {
    log_.clear();
    Collect();
    return log_;
  }

  Election election;

 private:
  void Collect() {
    for (const Action action : election.TakeActions()) log_.push_back(action);
  }

  Instant now_;
  std::vector<Action> log_, at_start_;
};

Advert From(const Election::Options& options, Role role, uint16_t flags = 0) {
  Advert advert;
  advert.mode = options.mode;
  advert.role = role;
  advert.flags = flags | (options.preferred ? kPreferred : 0) |
                 (options.syncs ? kSyncs : 0);
  advert.interval = options.interval;
  advert.shared = options.shared;
  advert.interfaces = static_cast<uint8_t>(options.interfaces);
  advert.interfaces_up = advert.interfaces;
  return advert;
}

// A unit that is active since nobody was there, and one that follows.
Unit ActiveUnit(const Election::Options& options) {
  Unit unit(options);
  unit.Run(kT);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  return unit;
}
Unit StandbyUnit(const Election::Options& options,
                 const Election::Options& partner) {
  Unit unit(options);
  unit.Hear(From(partner, Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  return unit;
}

// -- H1..H16 ------------------------------------------------------------------

TEST(ElectionTest, H1_ModeNoneServesFromTheStartAndSaysNothing) {
  Unit unit{Election::Options()};
  EXPECT_THAT(unit.at_start(), ElementsAre(Action::kTakeRole));
  EXPECT_EQ(unit.election.role(), Role::kSingle);
  EXPECT_EQ(unit.election.deadline(), Instant::Never());
  EXPECT_EQ(unit.election.lease(), Instant::Never());
  EXPECT_EQ(unit.election.own_icon(unit.now()).reason, "HA not configured");
}

TEST(ElectionTest, H2_BootingBecomesStandbyAtOnceWhenThePartnerIsActive) {
  Election::Options options = Second();
  options.initial_wait = absl::Seconds(200);
  Unit unit(options);
  unit.Hear(From(First(), Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_EQ(unit.election.reason(), RoleReason::kPeerActive);
  // W is over with that: what counts from now on is T.
  unit.Run(kT);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, H3_PreferredUnitThatBootsBecomesActive) {
  Election::Options options = Second();
  options.preferred = true;
  Unit unit(options);
  unit.Hear(From(First(), Role::kActive));
  // By asking, since the other is heard (E2).
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kClaimsRole));
  EXPECT_THAT(unit.Hear(From(First(), Role::kStandby, kYielded)),
              Contains(Action::kTakeRole));
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.reason(), RoleReason::kHandedOver);
}

TEST(ElectionTest, H4_BootingBecomesActiveAfterTWithoutAPartner) {
  Unit unit(First());
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kBooting);
  EXPECT_THAT(unit.Run(kTick),
              ElementsAre(Action::kTakeRole, Action::kSendAdvert));
  EXPECT_EQ(unit.election.reason(), RoleReason::kNobodyHeard);
  EXPECT_FALSE(unit.election.history().back().incomplete);
}

TEST(ElectionTest, H4_TheInitialWaitCountsWhenItIsLonger) {
  Election::Options options = First();
  options.initial_wait = absl::Seconds(20);
  Unit unit(options);
  unit.Run(absl::Seconds(20) - kTick);
  EXPECT_EQ(unit.election.role(), Role::kBooting);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, H5_StandbyTakesOverAtExactlyT) {
  Unit unit = StandbyUnit(Second(), First());
  EXPECT_THAT(unit.Run(kT - kTick), Not(Contains(Action::kTakeRole)));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_THAT(unit.Run(kTick),
              ElementsAre(Action::kTakeRole, Action::kSendAdvert));
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.reason(), RoleReason::kPeerSilent);
}

TEST(ElectionTest, H6_AnAdvertBeforeTRestartsTheTimer) {
  Unit unit = StandbyUnit(Second(), First());
  unit.Run(kT - kTick);
  unit.Hear(From(First(), Role::kActive));
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, H7_ActiveFirstUnitYieldsToAnActivePreferredPartner) {
  Unit unit = ActiveUnit(First());
  Election::Options partner = Second();
  partner.preferred = true;
  EXPECT_THAT(unit.Hear(From(partner, Role::kActive)),
              ElementsAre(Action::kDropRole, Action::kSendAdvert));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_EQ(unit.election.reason(), RoleReason::kSplitHealed);
}

TEST(ElectionTest, H8_OfTwoActiveUnitsFirstStaysAndSecondYields) {
  Unit first = ActiveUnit(First());
  first.Run(absl::Seconds(1));
  EXPECT_THAT(first.Hear(From(Second(), Role::kActive)),
              ElementsAre(Action::kSendAdvert));  // The other must hear so.
  EXPECT_EQ(first.election.role(), Role::kActive);
  EXPECT_EQ(first.election.own_icon(first.now()).icon, Icon::kGrey);
  EXPECT_EQ(first.election.peer_icon(first.now()).icon, Icon::kGrey);

  Unit second = ActiveUnit(Second());
  second.Hear(From(First(), Role::kActive));
  EXPECT_EQ(second.election.role(), Role::kStandby);
}

TEST(ElectionTest, H8_BothReportGreyWhileTheSecondStillHandsItsTableOver) {
  Election::Options options = Second();
  options.syncs = true;
  Election::Options partner = First();
  partner.syncs = true;
  Unit unit = ActiveUnit(options);
  unit.Hear(From(partner, Role::kActive));
  EXPECT_EQ(unit.election.own_icon(unit.now()).icon, Icon::kGrey);
  EXPECT_EQ(unit.election.peer_icon(unit.now()).icon, Icon::kGrey);
}

TEST(ElectionTest, H9_PacifiedUnitIsPassiveAndSaysSo) {
  Election::Options options = First();
  options.pacified = true;
  Unit unit(options);
  EXPECT_EQ(unit.election.role(), Role::kPassive);
  EXPECT_EQ(unit.election.reason(), RoleReason::kPacified);
  EXPECT_EQ(unit.election.own_icon(unit.now()).icon, Icon::kBlue);
  const Advert advert = unit.election.MakeAdvert();
  EXPECT_EQ(advert.role, Role::kPassive);
  EXPECT_EQ(advert.passive_reason, static_cast<uint8_t>(RoleReason::kPacified));
  // H10 and H11, which restarts pacify and free, are start_counter_test's.
}

TEST(ElectionTest, H10_H11_APacifiedUnitStaysSoHoweverLongItRuns) {
  Election::Options options = First();
  options.pacified = true;
  Unit unit(options);
  EXPECT_THAT(unit.Run(absl::Minutes(10)), Not(Contains(Action::kTakeRole)));
  EXPECT_EQ(unit.election.role(), Role::kPassive);
}

TEST(ElectionTest, H12_PacifiedUnitNeverTakesOverFromAnything) {
  Election::Options options = First();
  options.pacified = true;
  options.preferred = true;
  const Advert partners[] = {
      From(Second(), Role::kActive),
      From(Second(), Role::kActive, kOffersRole),
      From(Second(), Role::kStandby, kYielded),
      From(Second(), Role::kLeaving),
      From(Second(), Role::kStandby),
  };
  for (const Advert& partner : partners) {
    Unit unit(options);
    unit.Hear(From(Second(), Role::kActive));
    unit.Hear(partner);
    EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
    unit.election.OnPeerDied(unit.now());
    EXPECT_THAT(unit.Run(absl::Minutes(1)), Not(Contains(Action::kTakeRole)));
    EXPECT_EQ(unit.election.role(), Role::kPassive);
  }
}

TEST(ElectionTest, H12_TheActiveUnitDoesNotHandOverToAPacifiedPartner) {
  Unit unit = ActiveUnit(First());
  unit.Hear(From(Second(), Role::kPassive));
  EXPECT_EQ(unit.election.RequestSwitchover(unit.now()).code(),
            absl::StatusCode::kFailedPrecondition);
  Election::Options preferred = Second();
  preferred.preferred = true;
  unit.Hear(From(preferred, Role::kPassive, kClaimsRole | kComplete));
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, H13_ALostLinkRebootsActiveAndStandbyUnitsOnce) {
  Election::Options options = Second();
  options.interfaces = 2;
  options.reboot_on_link_failure = true;
  Unit active = ActiveUnit(options);
  EXPECT_THAT(active.Link(1, false), Contains(Action::kReboot));
  EXPECT_THAT(active.Link(1, true), Not(Contains(Action::kReboot)));
  EXPECT_THAT(active.Link(0, false), Not(Contains(Action::kReboot)));

  Unit standby = StandbyUnit(options, First());
  EXPECT_THAT(standby.Link(0, false), Contains(Action::kReboot));
}

TEST(ElectionTest, H13_APreferredServerExcludesTheReboot) {
  Election::Options options = Second();
  options.reboot_on_link_failure = true;
  options.preferred = true;
  Unit unit = ActiveUnit(options);
  EXPECT_THAT(unit.Link(0, false), Not(Contains(Action::kReboot)));
}

TEST(ElectionTest, H13_WithoutTheSettingALostLinkRebootsNothing) {
  Unit unit = ActiveUnit(Second());
  EXPECT_THAT(unit.Link(0, false), Not(Contains(Action::kReboot)));
}

TEST(ElectionTest, H14_UnitsOfTheSameModeNeitherTakeOverNorPair) {
  Unit unit(First());
  unit.HearFor(absl::Minutes(2), From(First(), Role::kBooting));
  EXPECT_EQ(unit.election.role(), Role::kBooting);
  EXPECT_EQ(unit.election.own_icon(unit.now()).icon, Icon::kRed);
  EXPECT_EQ(unit.election.peer_icon(unit.now()).icon, Icon::kRed);
  EXPECT_EQ(unit.election.mismatch(unit.now()), "both units are set to First");
}

TEST(ElectionTest, H15_TheFailedUnitComesBackAsStandbyAndStaysSo) {
  Unit second = StandbyUnit(Second(), First());
  second.Run(kT);
  ASSERT_EQ(second.election.role(), Role::kActive);
  // First is back. Both go on saying what they are.
  Unit first(First(), second.now());
  for (int i = 0; i < 100; ++i) {
    second.Hear(first.election.MakeAdvert());
    first.Hear(second.election.MakeAdvert());
    second.Run(kInterval);
    first.Run(kInterval);
  }
  EXPECT_EQ(first.election.role(), Role::kStandby);
  EXPECT_EQ(second.election.role(), Role::kActive);
  EXPECT_EQ(first.election.history().size(), 1u);
  EXPECT_EQ(second.election.history().size(), 2u);  // Standby, active.
}

TEST(ElectionTest, H16_TakeoverWithACompleteTableIsNotCountedIncomplete) {
  Election::Options options = Second();
  options.syncs = true;
  Unit unit = StandbyUnit(options, First());
  unit.Sync(/*complete=*/true, /*position=*/7);
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kComplete));
  unit.Run(kT);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.stats().took_over_incomplete, 0u);
}

TEST(ElectionTest, H16_TakeoverBeforeTheTableIsCompleteHappensAndIsCounted) {
  Election::Options options = Second();
  options.syncs = true;
  Unit unit = StandbyUnit(options, First());
  unit.Sync(/*complete=*/false, /*position=*/7);
  unit.Run(kT);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.stats().took_over_incomplete, 1u);
  EXPECT_TRUE(unit.election.history().back().incomplete);
}

// -- E1: who is heard ---------------------------------------------------------

TEST(ElectionTest, E1_EveryRoleAdvertsEachInterval) {
  Election::Options passive = First();
  passive.pacified = true;
  for (Unit unit : {Unit(First()), Unit(passive),
                    StandbyUnit(First(), Second()), ActiveUnit(First())}) {
    const Role role = unit.election.role();
    unit.Run(absl::Milliseconds(1));
    EXPECT_THAT(unit.Run(kInterval - absl::Milliseconds(2)), IsEmpty());
    EXPECT_THAT(unit.Run(absl::Milliseconds(1)),
                ElementsAre(Action::kSendAdvert));
    EXPECT_EQ(unit.election.role(), role);
  }
}

TEST(ElectionTest, E1_ThePeerIsHeardForThreeOfItsOwnIntervals) {
  Election::Options partner = First();
  partner.interval = absl::Milliseconds(20);
  Unit unit = StandbyUnit(Second(), partner);
  unit.Run(absl::Milliseconds(60) - kTick);
  EXPECT_NE(unit.election.peer(unit.now()), nullptr);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.peer(unit.now()), nullptr);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, E1_OneInterfaceIsEnoughToBeHeard) {
  Election::Options options = Second();
  options.interfaces = 2;
  Unit unit(options);
  for (int i = 0; i < 20; ++i) {
    unit.Hear(From(First(), Role::kActive), /*interface=*/1);
    unit.Run(kInterval);
  }
  EXPECT_EQ(unit.election.role(), Role::kStandby);
}

// -- E2: the hand-over --------------------------------------------------------

class HandOverTest : public ::testing::Test {
 protected:
  HandOverTest() {
    first_.syncs = second_.syncs = true;
    preferred_ = second_;
    preferred_.preferred = true;
  }
  Election::Options first_ = First();
  Election::Options second_ = Second();
  Election::Options preferred_;
};

TEST_F(HandOverTest, E2_NoClaimBeforeTheTableIsComplete) {
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Sync(false, 10);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
  EXPECT_THAT(unit.Sync(true, 10), ElementsAre(Action::kSendAdvert));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kClaimsRole));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kComplete));
}

TEST_F(HandOverTest, E2_NoClaimWithFewerInterfacesThanTheActiveUnit) {
  preferred_.interfaces = first_.interfaces = 2;
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Link(0, false);
  unit.Sync(true, 10);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
  unit.Link(0, true);
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kClaimsRole));
}

TEST_F(HandOverTest, E2_NoClaimByAUnitThatIsNeitherPreferredNorOffered) {
  Unit unit = StandbyUnit(second_, first_);
  unit.Sync(true, 10);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
  unit.Hear(From(first_, Role::kActive, kOffersRole));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kClaimsRole));
}

TEST_F(HandOverTest, E2_TheActiveUnitYieldsToACompletePreferredClaimant) {
  Unit unit = ActiveUnit(first_);
  EXPECT_THAT(
      unit.Hear(From(preferred_, Role::kStandby, kClaimsRole | kComplete)),
      ElementsAre(Action::kYield, Action::kSendAdvert));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_EQ(unit.election.reason(), RoleReason::kYielded);
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kYielded));
}

TEST_F(HandOverTest, E2_TheActiveUnitKeepsTheRoleFromAnIncompleteClaimant) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(preferred_, Role::kStandby, kClaimsRole));
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST_F(HandOverTest, E2_TheActiveUnitKeepsTheRoleFromAClaimantNotOffered) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby, kClaimsRole | kComplete));
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST_F(HandOverTest, E2_TheActiveUnitKeepsTheRoleFromOneWithFewerInterfaces) {
  preferred_.interfaces = first_.interfaces = 2;
  Unit unit = ActiveUnit(first_);
  Advert claim = From(preferred_, Role::kStandby, kClaimsRole | kComplete);
  claim.interfaces_up = 1;
  unit.Hear(claim);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST_F(HandOverTest, E2_TheClaimantWaitsForTheFinalPosition) {
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Sync(true, 10);
  Advert yielded = From(first_, Role::kStandby, kYielded);
  yielded.sync_position = 12;
  unit.Hear(yielded);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Sync(true, 11);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_THAT(unit.Sync(true, 12),
              ElementsAre(Action::kTakeRole, Action::kSendAdvert));
  EXPECT_EQ(unit.election.stats().took_over_incomplete, 0u);
}

TEST_F(HandOverTest, E2_TheClaimantWaits250MillisecondsAtTheMost) {
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Sync(true, 10);
  Advert yielded = From(first_, Role::kStandby, kYielded);
  yielded.sync_position = 12;
  const Instant heard = unit.now();
  unit.Hear(yielded);
  // Hearing it again does not prolong the wait.
  unit.Run(absl::Milliseconds(200));
  unit.Hear(yielded);
  unit.RunTo(heard + absl::Milliseconds(250) - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.reason(), RoleReason::kHandedOver);
  EXPECT_EQ(unit.election.stats().took_over_incomplete, 1u);
}

TEST_F(HandOverTest, E2_WithFastAdvertsTheClaimantWaitsHalfOfT) {
  preferred_.interval = first_.interval = absl::Milliseconds(20);
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Sync(true, 10);
  Advert yielded = From(first_, Role::kStandby, kYielded);
  yielded.sync_position = 12;
  unit.Hear(yielded);
  unit.Run(absl::Milliseconds(30) - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST_F(HandOverTest, E2_TheYielderTakesTheRoleBackWhenTheClaimantVanishes) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(preferred_, Role::kStandby, kClaimsRole | kComplete));
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.reason(), RoleReason::kPeerSilent);
  EXPECT_EQ(unit.election.stats().took_over_incomplete, 0u);
}

TEST_F(HandOverTest, E2_TheYielderTakesTheRoleBackFromAClaimantThatRestarts) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(preferred_, Role::kStandby, kClaimsRole | kComplete));
  unit.Run(absl::Seconds(1));
  EXPECT_THAT(unit.Hear(From(preferred_, Role::kBooting)),
              Contains(Action::kTakeRole));
}

TEST_F(HandOverTest, E2_TheYielderLeavesAClaimantThatIsHeardAnotherT) {
  Unit unit = ActiveUnit(first_);
  const Advert claim =
      From(preferred_, Role::kStandby, kClaimsRole | kComplete);
  unit.HearFor(2 * kT - kTick, claim);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST_F(HandOverTest, E2_ARestartedClaimantDoesNotTakeWhatWasYielded) {
  Unit unit(preferred_);
  unit.Hear(From(first_, Role::kStandby, kYielded));
  unit.Run(absl::Seconds(1));
  EXPECT_EQ(unit.election.role(), Role::kBooting);
}

TEST_F(HandOverTest, E2_WhileClaimingFiftyAdvertsGoOutTenMillisecondsApart) {
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Sync(true, 10);
  EXPECT_EQ(unit.Run(absl::Milliseconds(100)).size(), 10u);
  EXPECT_EQ(unit.Run(absl::Milliseconds(900)).size(), 40u);
  EXPECT_THAT(unit.Run(absl::Seconds(2)), IsEmpty());
}

TEST_F(HandOverTest, E2_TheYielderAdvertsFastUntilItHearsItsSuccessor) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(preferred_, Role::kStandby, kClaimsRole | kComplete));
  EXPECT_EQ(unit.Run(absl::Milliseconds(100)).size(), 10u);
  unit.Hear(From(preferred_, Role::kActive));
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kYielded));
  EXPECT_THAT(unit.Run(absl::Milliseconds(100)).size(), Le(1u));
}

TEST_F(HandOverTest, E2_TheNewActiveUnitAnswersAYielderThatHasNotHeardIt) {
  Unit unit = ActiveUnit(preferred_);
  unit.Run(absl::Milliseconds(500));
  EXPECT_THAT(unit.Hear(From(first_, Role::kStandby, kYielded)),
              ElementsAre(Action::kSendAdvert));
}

TEST_F(HandOverTest, E2_WithoutSyncARoleMovesWithoutATable) {
  first_.syncs = preferred_.syncs = false;
  Unit claimant = StandbyUnit(preferred_, first_);
  EXPECT_TRUE(claimant.election.MakeAdvert().Has(kClaimsRole));
  Unit active = ActiveUnit(first_);
  active.Hear(From(preferred_, Role::kStandby, kClaimsRole));
  EXPECT_EQ(active.election.role(), Role::kStandby);
}

TEST_F(HandOverTest, E2_SwitchoverByCommandOffersAndYields) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby, kComplete));
  EXPECT_TRUE(unit.election.RequestSwitchover(unit.now()).ok());
  EXPECT_THAT(unit.Taken(), ElementsAre(Action::kSendAdvert));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kOffersRole));
  EXPECT_THAT(unit.Hear(From(second_, Role::kStandby, kClaimsRole | kComplete)),
              Contains(Action::kYield));
  EXPECT_EQ(unit.election.reason(), RoleReason::kYielded);
}

TEST_F(HandOverTest, E2_AnOfferNobodyTakesLapsesAfterT) {
  Unit unit = ActiveUnit(first_);
  const Advert standby = From(second_, Role::kStandby, kComplete);
  unit.Hear(standby);
  ASSERT_TRUE(unit.election.RequestSwitchover(unit.now()).ok());
  unit.HearFor(kT, standby);
  unit.Hear(standby);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kOffersRole));
}

TEST_F(HandOverTest, E2_SwitchoverIsRefusedWithTheReason) {
  struct Case {
    Advert partner;
    const char* says;
  };
  first_.interfaces = second_.interfaces = 2;
  Advert link_down = From(second_, Role::kStandby, kComplete);
  link_down.interfaces_up = 1;
  Advert alike = From(first_, Role::kStandby, kComplete);
  const Case cases[] = {
      {From(second_, Role::kStandby), "does not have all connections"},
      {From(second_, Role::kBooting), "the partner is booting"},
      {link_down, "has 1 of 2 HA interfaces up"},
      {alike, "both units are set to First"},
  };
  for (const Case& c : cases) {
    Unit unit = ActiveUnit(first_);
    unit.Hear(c.partner);
    const absl::Status status = unit.election.RequestSwitchover(unit.now());
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.says));
  }
  Unit alone = ActiveUnit(first_);
  EXPECT_THAT(
      std::string(alone.election.RequestSwitchover(alone.now()).message()),
      HasSubstr("not heard"));
  Unit standby = StandbyUnit(second_, first_);
  EXPECT_THAT(
      std::string(standby.election.RequestSwitchover(standby.now()).message()),
      HasSubstr("this unit is standby; its partner is active"));
}

// -- E3: at once --------------------------------------------------------------

TEST(ElectionTest, E3_APartnerThatIsNotActiveAnyMoreIsSucceededAtOnce) {
  for (const Role role :
       {Role::kStandby, Role::kBooting, Role::kPassive, Role::kLeaving}) {
    Unit unit = StandbyUnit(Second(), First());
    EXPECT_THAT(unit.Hear(From(First(), role)),
                ElementsAre(Action::kTakeRole, Action::kSendAdvert));
    EXPECT_EQ(unit.election.reason(), RoleReason::kPeerLeft);
  }
}

TEST(ElectionTest, E3_ADeadActivePartnerIsSucceededAtOnce) {
  Unit unit = StandbyUnit(Second(), First());
  unit.election.OnPeerDied(unit.now());
  EXPECT_THAT(unit.Taken(),
              ElementsAre(Action::kTakeRole, Action::kSendAdvert));
  EXPECT_EQ(unit.election.reason(), RoleReason::kPeerDied);
}

TEST(ElectionTest, E3_TheDeadPartnersLastAdvertDoesNotTakeTheRoleBack) {
  Unit unit = StandbyUnit(Second(), First());
  unit.election.OnPeerDied(unit.now());
  unit.Run(absl::Milliseconds(1));
  unit.Hear(From(First(), Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kActive);
  // It was not dead after all: that counts, when T is over.
  unit.Run(kT);
  unit.Hear(From(First(), Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
}

TEST(ElectionTest, E3_ADeadStandbyChangesNothing) {
  Unit active = ActiveUnit(First());
  active.Hear(From(Second(), Role::kStandby));
  active.election.OnPeerDied(active.now());
  EXPECT_EQ(active.election.role(), Role::kActive);
  EXPECT_EQ(active.election.peer_icon(active.now()).icon, Icon::kRed);
}

TEST(ElectionTest, E3_ABootingUnitDoesNotSucceedAnybodyBeforeItsTime) {
  Unit unit(Second());
  unit.Hear(From(First(), Role::kStandby));
  unit.election.OnPeerDied(unit.now());
  EXPECT_EQ(unit.election.role(), Role::kBooting);
}

// -- E4: two that listen ------------------------------------------------------

TEST(ElectionTest, E4_SecondWaitsOneMoreTWhileFirstIsHeard) {
  Unit unit(Second());
  unit.HearFor(2 * kT - kTick, From(First(), Role::kBooting));
  EXPECT_EQ(unit.election.role(), Role::kBooting);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, E4_FirstDoesNotWaitForSecond) {
  Unit unit(First());
  unit.HearFor(kT, From(Second(), Role::kBooting));
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, E4_FirstWaitsForAPreferredSecond) {
  Election::Options preferred = Second();
  preferred.preferred = true;
  Unit unit(First());
  unit.HearFor(kT, From(preferred, Role::kBooting));
  EXPECT_EQ(unit.election.role(), Role::kBooting);
}

TEST(ElectionTest, E4_TheOneBehindGoesWhenTheOneAheadFallsSilent) {
  Unit unit(Second());
  unit.Run(absl::Seconds(4));
  unit.Hear(From(First(), Role::kBooting));  // Heard until 13 s.
  unit.RunTo(kStart + absl::Seconds(13) - kTick);
  EXPECT_EQ(unit.election.role(), Role::kBooting);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, E4_APacifiedPartnerIsNotWaitedFor) {
  Unit unit(Second());
  unit.HearFor(kT, From(First(), Role::kPassive));
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

// -- E5: two that are active --------------------------------------------------

TEST_F(HandOverTest, E5_TheOneBehindGivesItsTableFirstAndThenYields) {
  Unit unit = ActiveUnit(second_);
  EXPECT_THAT(unit.Hear(From(first_, Role::kActive)),
              ElementsAre(Action::kGiveTable));
  unit.Run(absl::Seconds(1));
  unit.Hear(From(first_, Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kActive);
  unit.election.OnTableGiven(unit.now(), true);
  EXPECT_THAT(unit.Taken(),
              ElementsAre(Action::kDropRole, Action::kSendAdvert));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_EQ(unit.election.reason(), RoleReason::kSplitHealed);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kYielded));
}

TEST_F(HandOverTest, E5_GivingTheTableTakesTAtTheMost) {
  Unit unit = ActiveUnit(second_);
  unit.HearFor(kT - kTick, From(first_, Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kActive);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
}

TEST_F(HandOverTest, E5_TheRoleIsKeptWhenTheOtherActiveUnitGoesMeanwhile) {
  for (const Role role : {Role::kStandby, Role::kLeaving, Role::kBooting}) {
    Unit unit = ActiveUnit(second_);
    unit.Hear(From(first_, Role::kActive));
    unit.Hear(From(first_, role));
    unit.election.OnTableGiven(unit.now(), true);
    unit.Run(kT);
    EXPECT_EQ(unit.election.role(), Role::kActive);
  }
  Unit unit = ActiveUnit(second_);
  unit.Hear(From(first_, Role::kActive));
  unit.election.OnPeerDied(unit.now());
  unit.Run(kT);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, E5_TheOneThatStaysAnnouncesAgainWhenTheOtherYields) {
  Unit unit = ActiveUnit(First());
  unit.Hear(From(Second(), Role::kActive));
  EXPECT_THAT(unit.Hear(From(Second(), Role::kStandby)),
              ElementsAre(Action::kReannounce));
  EXPECT_THAT(unit.Hear(From(Second(), Role::kStandby)), IsEmpty());
}

TEST(ElectionTest, E5_TheOneThatStaysAnnouncesAgainWhenTheOtherVanishes) {
  Unit unit = ActiveUnit(First());
  unit.Hear(From(Second(), Role::kActive));
  EXPECT_THAT(unit.Run(kT), Contains(Action::kReannounce));
}

TEST(ElectionTest, E5_PreferenceBeatsModeOnBothUnits) {
  Election::Options preferred = Second();
  preferred.preferred = true;
  Unit second = ActiveUnit(preferred);
  second.Hear(From(First(), Role::kActive));
  EXPECT_EQ(second.election.role(), Role::kActive);
}

// -- E6: links ----------------------------------------------------------------

TEST_F(HandOverTest, E6_ALinkDownOffersTheRoleToAPartnerWithAllUp) {
  first_.interfaces = second_.interfaces = 2;
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby, kComplete));
  EXPECT_THAT(unit.Link(1, false), ElementsAre(Action::kSendAdvert));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kOffersRole));
  EXPECT_EQ(unit.election.MakeAdvert().interfaces_up, 1);
  EXPECT_THAT(unit.Hear(From(second_, Role::kStandby, kClaimsRole | kComplete)),
              Contains(Action::kYield));
  EXPECT_EQ(unit.election.reason(), RoleReason::kLinkDown);
}

TEST_F(HandOverTest, E6_ALinkDownOnBothUnitsMovesNothing) {
  first_.interfaces = second_.interfaces = 2;
  Unit unit = ActiveUnit(first_);
  Advert partner = From(second_, Role::kStandby, kComplete);
  partner.interfaces_up = 1;
  unit.Hear(partner);
  unit.Link(1, false);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kOffersRole));
}

TEST_F(HandOverTest, E6_TheOfferEndsWhenTheLinkReturns) {
  first_.interfaces = second_.interfaces = 2;
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby, kComplete));
  unit.Link(1, false);
  unit.Link(1, true);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kOffersRole));
}

// -- E7: not scheduled --------------------------------------------------------

TEST(ElectionTest, E7_EveryEntryPointDropsTheRoleFirstAfterTUncalled) {
  using Call = void (*)(Election&, Instant);
  const Call calls[] = {
      [](Election& e, Instant now) { e.Tick(now); },
      [](Election& e, Instant now) {
        e.OnAdvert(now, 0, From(Second(), Role::kStandby));
      },
      [](Election& e, Instant now) { e.OnLink(now, 0, true); },
      [](Election& e, Instant now) { e.OnPeerDied(now); },
      [](Election& e, Instant now) { e.OnSync(now, true, 5); },
      [](Election& e, Instant now) { e.OnTableGiven(now, true); },
      [](Election& e, Instant now) {
        EXPECT_FALSE(e.RequestSwitchover(now).ok());
      },
  };
  for (const Call call : calls) {
    Unit unit = ActiveUnit(First());
    unit.Stall(kT);
    call(unit.election, unit.now());
    const std::vector<Action> actions = unit.Taken();
    ASSERT_FALSE(actions.empty());
    EXPECT_EQ(actions.front(), Action::kDropRole);
    EXPECT_THAT(actions, Not(Contains(Action::kTakeRole)));
    EXPECT_EQ(unit.election.role(), Role::kStandby);
    EXPECT_EQ(unit.election.reason(), RoleReason::kNotScheduled);
  }
}

TEST(ElectionTest, E7_AShorterStallKeepsTheRole) {
  Unit unit = ActiveUnit(First());
  unit.Stall(kT - kTick);
  unit.election.Tick(unit.now());
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, E7_TheLeaseEndsThreeIntervalsAfterTheLastAdvert) {
  Unit unit(First());
  EXPECT_EQ(unit.election.lease(), Instant());
  unit.Run(kT);
  EXPECT_EQ(unit.election.lease(), unit.now() + kT);
  unit.Run(kInterval + absl::Seconds(1));
  EXPECT_EQ(unit.election.lease(), unit.now() + kT - absl::Seconds(1));
}

TEST(ElectionTest, E7_AfterTheStallItListensForT) {
  Unit unit = ActiveUnit(First());
  unit.Stall(absl::Minutes(1));
  unit.election.Tick(unit.now());
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.stats().took_over_incomplete, 0u);
}

TEST(ElectionTest, E7_AfterTheStallASuccessorKeepsTheRole) {
  Unit unit = ActiveUnit(First());
  unit.Stall(absl::Minutes(1));
  unit.HearFor(absl::Minutes(1), From(Second(), Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_EQ(unit.election.history().size(), 2u);
}

TEST(ElectionTest, E7_AStandbyThatWasStalledHearsWhatWaitsBeforeItTakesOver) {
  Unit unit = StandbyUnit(Second(), First());
  unit.Stall(absl::Minutes(1));
  unit.election.Tick(unit.now());  // Its timers are served first...
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Hear(From(First(), Role::kActive));  // ... and then its sockets.
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
}

TEST(ElectionTest, E7_AStandbyThatWasStalledTakesOverAnIntervalLater) {
  Unit unit = StandbyUnit(Second(), First());
  unit.Stall(absl::Minutes(1));
  unit.election.Tick(unit.now());
  unit.Run(kInterval - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, E7_AStalledLeaverIsGone) {
  Unit unit = ActiveUnit(First());
  unit.Hear(From(Second(), Role::kStandby));
  unit.election.Leave(unit.now(), absl::Minutes(5));
  ASSERT_EQ(unit.election.role(), Role::kActive);
  unit.Stall(kT);
  unit.election.Tick(unit.now());
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
}

// -- E8: preference -----------------------------------------------------------

TEST_F(HandOverTest, E8_TheFirstTakeoverSpendsThePreference) {
  preferred_.syncs = first_.syncs = false;
  Unit unit = ActiveUnit(preferred_);
  unit.Stall(kT);
  unit.election.Tick(unit.now());
  unit.Hear(From(first_, Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kPreferred));
}

TEST_F(HandOverTest, E8_APlannedSwitchoverFromThePreferredUnitLasts) {
  Unit unit = ActiveUnit(preferred_);
  unit.Hear(From(first_, Role::kStandby, kComplete));
  ASSERT_TRUE(unit.election.RequestSwitchover(unit.now()).ok());
  unit.Hear(From(first_, Role::kStandby, kClaimsRole | kComplete));
  ASSERT_EQ(unit.election.role(), Role::kStandby);
  unit.Hear(From(first_, Role::kActive));
  unit.Sync(true, 99);
  unit.HearFor(absl::Minutes(5), From(first_, Role::kActive));
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
}

TEST_F(HandOverTest, E8_ARestartArmsItAgain) {
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Sync(true, 1);
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kClaimsRole));
}

// -- E9: wrongly paired -------------------------------------------------------

TEST(ElectionTest, E9_RolesStayWhileAMismatchedPartnerIsHeard) {
  Election::Options other = Second();
  other.shared = Address::V4(0x0A000006);
  for (const Election::Options& partner : {First(), other}) {
    Unit active = ActiveUnit(First());
    active.HearFor(absl::Minutes(1), From(partner, Role::kActive));
    active.Hear(
        From(partner, Role::kStandby, kClaimsRole | kComplete | kPreferred));
    EXPECT_EQ(active.election.role(), Role::kActive);
    EXPECT_EQ(active.election.history().size(), 1u);

    Unit standby = StandbyUnit(First(), Second());
    standby.HearFor(absl::Minutes(1), From(partner, Role::kStandby, kYielded));
    EXPECT_EQ(standby.election.role(), Role::kStandby);
  }
}

TEST(ElectionTest, E9_TheTakeoverComesWhenTheMismatchedPartnerFallsSilent) {
  Unit unit(First());
  unit.HearFor(absl::Minutes(1), From(First(), Role::kActive));
  const Instant last = unit.now() - kInterval;
  unit.RunTo(last + kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kBooting);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionTest, E9_AnotherSharedAddressIsNamed) {
  Election::Options other = Second();
  other.shared = Address::V4(0x0A000006);
  Unit unit(First());
  unit.Hear(From(other, Role::kActive));
  EXPECT_EQ(unit.election.mismatch(unit.now()),
            "the shared address is 10.0.0.5 here and 10.0.0.6 on the partner");
  EXPECT_EQ(unit.election.peer_icon(unit.now()).icon, Icon::kRed);
  unit.Run(absl::Minutes(1));
  EXPECT_EQ(unit.election.mismatch(unit.now()), "");
}

// -- Leaving and stepping down ------------------------------------------------

TEST_F(HandOverTest, LeavingHandsTheRoleOverFirst) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby, kComplete));
  unit.election.Leave(unit.now(), absl::Seconds(5));
  EXPECT_THAT(unit.Taken(), ElementsAre(Action::kSendAdvert));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kOffersRole));
  unit.Run(absl::Milliseconds(5));
  EXPECT_THAT(unit.Hear(From(second_, Role::kStandby, kClaimsRole | kComplete)),
              ElementsAre(Action::kYield, Action::kSendAdvert));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_EQ(unit.election.reason(), RoleReason::kEnding);
  unit.Run(absl::Milliseconds(5));
  EXPECT_THAT(unit.Hear(From(second_, Role::kActive)),
              ElementsAre(Action::kSendAdvert));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
  EXPECT_EQ(unit.election.MakeAdvert().role, Role::kLeaving);
}

TEST_F(HandOverTest, LeavingWaitsNoLongerThanItsPatience) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby));  // Not complete yet.
  unit.election.Leave(unit.now(), absl::Seconds(5));
  unit.Run(absl::Seconds(5) - kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_THAT(unit.Run(kTick),
              ElementsAre(Action::kYield, Action::kSendAdvert));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
}

TEST_F(HandOverTest, LeavingAloneIsImmediate) {
  Unit unit = ActiveUnit(first_);
  unit.election.Leave(unit.now(), absl::Seconds(5));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
  EXPECT_THAT(unit.Taken(),
              ElementsAre(Action::kDropRole, Action::kSendAdvert));
}

TEST_F(HandOverTest, LeavingDoesNotWaitForAPartnerThatCannotTakeOver) {
  for (const Role role : {Role::kPassive, Role::kLeaving}) {
    Unit unit = ActiveUnit(first_);
    unit.Hear(From(second_, role));
    unit.election.Leave(unit.now(), absl::Seconds(5));
    EXPECT_EQ(unit.election.role(), Role::kLeaving);
  }
}

TEST_F(HandOverTest, ALeavingStandbyIsGoneAtOnceAndTakesNothing) {
  Unit unit = StandbyUnit(second_, first_);
  unit.election.Leave(unit.now(), absl::Seconds(5));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
  EXPECT_THAT(unit.Run(absl::Minutes(1)), Not(Contains(Action::kTakeRole)));
}

TEST(ElectionTest, ASingleUnitThatLeavesDropsTheRole) {
  Unit unit{Election::Options()};
  unit.election.Leave(unit.now(), absl::Seconds(5));
  EXPECT_THAT(unit.Taken(), ElementsAre(Action::kDropRole));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
}

TEST(ElectionTest, SteppingDownHoldsOffForTAfterTheLastCall) {
  Unit unit = ActiveUnit(First());
  unit.election.StepDown(unit.now(), RoleReason::kPacketThreadHung);
  EXPECT_THAT(unit.Taken(),
              ElementsAre(Action::kDropRole, Action::kSendAdvert));
  EXPECT_EQ(unit.election.reason(), RoleReason::kPacketThreadHung);
  unit.Run(absl::Seconds(5));
  unit.election.StepDown(unit.now(), RoleReason::kPacketThreadHung);
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

// -- What is shown ------------------------------------------------------------

TEST(ElectionTest, IconsOfAPairThatWorks) {
  Unit active = ActiveUnit(First());
  // A lone survivor shows itself green A and its partner red.
  EXPECT_EQ(active.election.own_icon(active.now()).icon, Icon::kGreenA);
  EXPECT_EQ(active.election.peer_icon(active.now()).icon, Icon::kRed);
  active.Hear(From(Second(), Role::kStandby));
  EXPECT_EQ(active.election.peer_icon(active.now()).icon, Icon::kGreen);
  active.Hear(From(Second(), Role::kPassive));
  EXPECT_EQ(active.election.peer_icon(active.now()).icon, Icon::kBlue);

  Unit standby = StandbyUnit(Second(), First());
  EXPECT_EQ(standby.election.own_icon(standby.now()).icon, Icon::kGreen);
  EXPECT_EQ(standby.election.peer_icon(standby.now()).icon, Icon::kGreenA);
}

TEST(ElectionTest, HistoryKeepsTheLast64Changes) {
  Unit unit(First());
  for (int i = 0; i < 50; ++i) {
    unit.Run(kT);
    unit.Stall(kT);
    unit.election.Tick(unit.now());
  }
  EXPECT_EQ(unit.election.history().size(), 64u);
  EXPECT_EQ(unit.election.history().back().reason, RoleReason::kNotScheduled);
  const Election::Stats& stats = unit.election.stats();
  EXPECT_EQ(stats.took_role[static_cast<size_t>(RoleReason::kNobodyHeard)],
            50u);
  EXPECT_EQ(stats.dropped_role[static_cast<size_t>(RoleReason::kNotScheduled)],
            50u);
  EXPECT_EQ(stats.active_since, Instant());
}

TEST(ElectionTest, EveryReasonHasAText) {
  for (size_t i = 0; i < kRoleReasonCount; ++i) {
    EXPECT_STRNE(RoleReasonText(static_cast<RoleReason>(i)), "unknown");
  }
}

}  // namespace
}  // namespace ballast::ha
