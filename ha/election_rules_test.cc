// Rules E1, E3..E5, E7 and E9 of election.h, by name.
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/advert.h"
#include "ha/election.h"
#include "ha/election_testing.h"

namespace ballast::ha {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

using ElectionRulesSyncTest = SyncedPairTest;

// -- E1: who is heard ---------------------------------------------------------

TEST(ElectionRulesTest, E1_EveryRoleAdvertsEachInterval) {
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

TEST(ElectionRulesTest, E1_ThePeerIsHeardForThreeOfItsOwnIntervals) {
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

TEST(ElectionRulesTest, E1_OneInterfaceIsEnoughToBeHeard) {
  Election::Options options = Second();
  options.interfaces = 2;
  Unit unit(options);
  for (int i = 0; i < 20; ++i) {
    unit.Hear(From(First(), Role::kActive), /*interface=*/1);
    unit.Run(kInterval);
  }
  EXPECT_EQ(unit.election.role(), Role::kStandby);
}

// -- E3: at once --------------------------------------------------------------

TEST(ElectionRulesTest, E3_APartnerThatIsNotActiveAnyMoreIsSucceededAtOnce) {
  for (const Role role :
       {Role::kStandby, Role::kBooting, Role::kPassive, Role::kLeaving}) {
    Unit unit = StandbyUnit(Second(), First());
    EXPECT_THAT(unit.Hear(From(First(), role)),
                ElementsAre(Action::kTakeRole, Action::kSendAdvert));
    EXPECT_EQ(unit.election.reason(), RoleReason::kPeerLeft);
  }
}

TEST(ElectionRulesTest, E3_ADeadActivePartnerIsSucceededAtOnce) {
  Unit unit = StandbyUnit(Second(), First());
  unit.election.OnPeerDied(unit.now());
  EXPECT_THAT(unit.Taken(),
              ElementsAre(Action::kTakeRole, Action::kSendAdvert));
  EXPECT_EQ(unit.election.reason(), RoleReason::kPeerDied);
}

TEST(ElectionRulesTest, E3_TheDeadPartnersLastAdvertDoesNotTakeTheRoleBack) {
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

TEST(ElectionRulesTest, E3_ADeadStandbyChangesNothing) {
  Unit active = ActiveUnit(First());
  active.Hear(From(Second(), Role::kStandby));
  active.election.OnPeerDied(active.now());
  EXPECT_EQ(active.election.role(), Role::kActive);
  EXPECT_EQ(active.election.peer_icon(active.now()).icon, Icon::kRed);
}

TEST(ElectionRulesTest, E3_ABootingUnitDoesNotSucceedAnybodyBeforeItsTime) {
  Unit unit(Second());
  unit.Hear(From(First(), Role::kStandby));
  unit.election.OnPeerDied(unit.now());
  EXPECT_EQ(unit.election.role(), Role::kBooting);
}

// -- E4: two that listen ------------------------------------------------------

TEST(ElectionRulesTest, E4_SecondWaitsOneMoreTWhileFirstIsHeard) {
  Unit unit(Second());
  unit.HearFor(2 * kT - kTick, From(First(), Role::kBooting));
  EXPECT_EQ(unit.election.role(), Role::kBooting);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionRulesTest, E4_FirstDoesNotWaitForSecond) {
  Unit unit(First());
  unit.HearFor(kT, From(Second(), Role::kBooting));
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionRulesTest, E4_FirstWaitsForAPreferredSecond) {
  Election::Options preferred = Second();
  preferred.preferred = true;
  Unit unit(First());
  unit.HearFor(kT, From(preferred, Role::kBooting));
  EXPECT_EQ(unit.election.role(), Role::kBooting);
}

TEST(ElectionRulesTest, E4_TheOneBehindGoesWhenTheOneAheadFallsSilent) {
  Unit unit(Second());
  unit.Run(absl::Seconds(4));
  unit.Hear(From(First(), Role::kBooting));  // Heard until 13 s.
  unit.RunTo(kStart + absl::Seconds(13) - kTick);
  EXPECT_EQ(unit.election.role(), Role::kBooting);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionRulesTest, E4_APacifiedPartnerIsNotWaitedFor) {
  Unit unit(Second());
  unit.HearFor(kT, From(First(), Role::kPassive));
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

// -- E5: two that are active --------------------------------------------------

TEST_F(ElectionRulesSyncTest, E5_TheOneBehindGivesItsTableFirstAndThenYields) {
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

TEST_F(ElectionRulesSyncTest, E5_GivingTheTableTakesTAtTheMost) {
  Unit unit = ActiveUnit(second_);
  unit.HearFor(kT - kTick, From(first_, Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kActive);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
}

TEST_F(ElectionRulesSyncTest,
       E5_TheRoleIsKeptWhenTheOtherActiveUnitGoesMeanwhile) {
  for (const Role role : {Role::kStandby, Role::kLeaving, Role::kBooting}) {
    Unit unit = ActiveUnit(second_);
    unit.Hear(From(first_, Role::kActive));
    unit.Hear(From(first_, role));
    unit.election.OnTableGiven(unit.now(), true);
    unit.Run(kT);
    EXPECT_EQ(unit.election.role(), Role::kActive);
    EXPECT_EQ(unit.election.history().size(), 1u);
  }
  Unit unit = ActiveUnit(second_);
  unit.Hear(From(first_, Role::kActive));
  unit.election.OnPeerDied(unit.now());
  unit.Run(kT);
  EXPECT_EQ(unit.election.history().size(), 1u);
}

TEST(ElectionRulesTest, E5_TheOneThatStaysAnnouncesAgainWhenTheOtherYields) {
  Unit unit = ActiveUnit(First());
  unit.Hear(From(Second(), Role::kActive));
  EXPECT_THAT(unit.Hear(From(Second(), Role::kStandby)),
              ElementsAre(Action::kReannounce));
  EXPECT_THAT(unit.Hear(From(Second(), Role::kStandby)), IsEmpty());
}

TEST(ElectionRulesTest, E5_ATakeoverThatWasNotHeardIsKnownByItsCount) {
  Unit unit = ActiveUnit(First());
  Advert standby = From(Second(), Role::kStandby);
  EXPECT_THAT(unit.Hear(standby), IsEmpty());
  standby.takeovers = 1;  // It took the role and yielded; all of it was lost.
  EXPECT_THAT(unit.Hear(standby), ElementsAre(Action::kReannounce));
  EXPECT_THAT(unit.Hear(standby), IsEmpty());
}

TEST(ElectionRulesTest, E5_WhatAPartnerDidBeforeItStartedAnewIsAnnouncedOver) {
  Unit active = ActiveUnit(First());
  active.Hear(From(Second(), Role::kStandby));
  active.election.OnPeerStarted(active.now());
  EXPECT_THAT(active.Taken(), ElementsAre(Action::kReannounce));
  // Nothing is announced by a unit that does not serve.
  Unit standby = StandbyUnit(First(), Second());
  standby.election.OnPeerStarted(standby.now());
  EXPECT_THAT(standby.Taken(), IsEmpty());
}

TEST(ElectionRulesTest, E5_APeerThatServedInSilenceIsAnnouncedOver) {
  Unit unit = StandbyUnit(First(), Second());
  unit.Run(2 * kT);
  ASSERT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.MakeAdvert().takeovers, 1);
  EXPECT_THAT(unit.Hear(From(Second(), Role::kStandby)),
              Contains(Action::kReannounce));
  EXPECT_THAT(unit.Hear(From(Second(), Role::kStandby)), IsEmpty());
}

TEST(ElectionRulesTest, E5_TheOneThatStaysAnnouncesAgainWhenTheOtherVanishes) {
  Unit unit = ActiveUnit(First());
  unit.Hear(From(Second(), Role::kActive));
  EXPECT_THAT(unit.Run(kT), Contains(Action::kReannounce));
}

TEST(ElectionRulesTest, E5_PreferenceBeatsModeOnBothUnits) {
  Election::Options preferred = Second();
  preferred.preferred = true;
  Unit second = ActiveUnit(preferred);
  second.Hear(From(First(), Role::kActive));
  EXPECT_EQ(second.election.role(), Role::kActive);
}

// -- E11: who has the table
// -----------------------------------------------------

// Both sides of what E4 would decide otherwise.
TEST(ElectionRulesTest, E11_WhoServedLastComesBeforeAUnitThatBoots) {
  Unit second = ActiveUnit(Second());
  second.Stall(kT);
  second.election.Tick(second.now());
  ASSERT_EQ(second.election.role(), Role::kStandby);
  EXPECT_TRUE(second.election.MakeAdvert().Has(kServedLast));
  second.HearFor(kT, From(First(), Role::kBooting));
  EXPECT_EQ(second.election.role(), Role::kActive);
  EXPECT_FALSE(second.election.MakeAdvert().Has(kServedLast));

  Unit first(First());
  first.HearFor(kT + kInterval, From(Second(), Role::kStandby, kServedLast));
  EXPECT_EQ(first.election.role(), Role::kBooting);
  // Should it not come to it after all: one more takeover time.
  first.HearFor(kT, From(Second(), Role::kStandby, kServedLast));
  EXPECT_EQ(first.election.role(), Role::kActive);
}

TEST(ElectionRulesTest, E11_WhoHasHeardASuccessorDidNotServeLast) {
  Unit unit = ActiveUnit(First());
  unit.Stall(kT);
  unit.election.Tick(unit.now());
  unit.Hear(From(Second(), Role::kActive));
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kServedLast));
  // Nor does one that yielded to a successor.
  Unit yields = ActiveUnit(First());
  yields.Hear(From(Second(), Role::kStandby, kComplete));
  ASSERT_TRUE(yields.election.RequestSwitchover(yields.now()).ok());
  yields.Hear(From(Second(), Role::kStandby, kComplete | kClaimsRole));
  ASSERT_EQ(yields.election.role(), Role::kStandby);
  EXPECT_FALSE(yields.election.MakeAdvert().Has(kServedLast));
}

// -- E7: not scheduled --------------------------------------------------------

TEST(ElectionRulesTest, E7_EveryEntryPointDropsTheRoleFirstAfterTUncalled) {
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

TEST(ElectionRulesTest, E7_AShorterStallKeepsTheRole) {
  Unit unit = ActiveUnit(First());
  unit.Stall(kT - kTick);
  unit.election.Tick(unit.now());
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionRulesTest, E7_TheLeaseEndsThreeIntervalsAfterTheLastAdvert) {
  Unit unit(First());
  EXPECT_EQ(unit.election.lease(), Instant());
  unit.Run(kT);
  EXPECT_EQ(unit.election.lease(), unit.now() + kT);
  unit.Run(kInterval + absl::Seconds(1));
  EXPECT_EQ(unit.election.lease(), unit.now() + kT - absl::Seconds(1));
}

TEST(ElectionRulesTest, E7_AfterTheStallItListensForT) {
  Unit unit = ActiveUnit(First());
  unit.Stall(absl::Minutes(1));
  unit.election.Tick(unit.now());
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.stats().took_over_incomplete, 0u);
}

TEST(ElectionRulesTest, E7_AfterTheStallASuccessorKeepsTheRole) {
  Unit unit = ActiveUnit(First());
  unit.Stall(absl::Minutes(1));
  unit.HearFor(absl::Minutes(1), From(Second(), Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_EQ(unit.election.history().size(), 2u);
}

TEST(ElectionRulesTest,
     E7_AStandbyThatWasStalledHearsWhatWaitsBeforeItTakesOver) {
  Unit unit = StandbyUnit(Second(), First());
  unit.Stall(absl::Minutes(1));
  unit.election.Tick(unit.now());  // Its timers are served first...
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Hear(From(First(), Role::kActive));  // ... and then its sockets.
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
}

TEST(ElectionRulesTest, E7_AStandbyThatWasStalledTakesOverAnIntervalLater) {
  Unit unit = StandbyUnit(Second(), First());
  unit.Stall(absl::Minutes(1));
  unit.election.Tick(unit.now());
  unit.Run(kInterval - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionRulesTest, E7_AStalledLeaverIsGone) {
  Unit unit = ActiveUnit(First());
  unit.Hear(From(Second(), Role::kStandby));
  unit.election.Leave(unit.now(), absl::Minutes(5));
  ASSERT_EQ(unit.election.role(), Role::kActive);
  unit.Stall(kT);
  unit.election.Tick(unit.now());
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
}

// -- E9: wrongly paired -------------------------------------------------------

TEST(ElectionRulesTest, E9_RolesStayWhileAMismatchedPartnerIsHeard) {
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

TEST(ElectionRulesTest,
     E9_TheTakeoverComesWhenTheMismatchedPartnerFallsSilent) {
  Unit unit(First());
  unit.HearFor(absl::Minutes(1), From(First(), Role::kActive));
  const Instant last = unit.now() - kInterval;
  unit.RunTo(last + kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kBooting);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionRulesTest, E9_AnotherSharedAddressIsNamed) {
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

// -- E10: deaf ----------------------------------------------------------------

TEST(ElectionRulesTest, E10_ADeafStandbyTakesNoRoleBecauseOfSilence) {
  Unit unit = StandbyUnit(Second(), First());
  unit.Link(0, false);
  unit.Run(absl::Hours(1));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
}

TEST(ElectionRulesTest, E10_WhenItHearsAgainItListensForT) {
  Unit unit = StandbyUnit(Second(), First());
  unit.Link(0, false);
  unit.Run(absl::Minutes(1));
  unit.Link(0, true);
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.reason(), RoleReason::kPeerSilent);
}

TEST(ElectionRulesTest, E10_OneInterfaceOfTwoHearsEnough) {
  Election::Options options = Second();
  options.interfaces = 2;
  Unit unit = StandbyUnit(options, First());
  unit.Link(0, false);
  unit.Run(kT);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST(ElectionRulesTest, E10_ThatThePartnerDiedIsNotLearnedBySilence) {
  Unit unit = StandbyUnit(Second(), First());
  unit.Link(0, false);
  unit.election.OnPeerDied(unit.now());
  EXPECT_THAT(unit.Taken(), Contains(Action::kTakeRole));
}

TEST(ElectionRulesTest, E10_OneThatBootsDeafIsAloneForAllItKnows) {
  Unit unit(Second());
  unit.Link(0, false);
  unit.Run(kT);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

}  // namespace
}  // namespace ballast::ha
