// How the role moves between two units that hear each other: rules E2, E6 and
// E8 of election.h, shutdown and stepping down.
#include <string>

#include "absl/status/status.h"
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
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::Not;

using HandOverSyncTest = SyncedPairTest;

// -- E2: the hand-over --------------------------------------------------------

TEST_F(HandOverSyncTest, E2_NoClaimBeforeTheTableIsComplete) {
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Sync(false, 10);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
  EXPECT_THAT(unit.Sync(true, 10), ElementsAre(Action::kSendAdvert));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kClaimsRole));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kComplete));
}

TEST_F(HandOverSyncTest, E2_NoClaimWithFewerInterfacesThanTheActiveUnit) {
  preferred_.interfaces = first_.interfaces = 2;
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Link(0, false);
  unit.Sync(true, 10);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
  unit.Link(0, true);
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kClaimsRole));
}

TEST_F(HandOverSyncTest, E2_NoClaimByAUnitThatIsNeitherPreferredNorOffered) {
  Unit unit = StandbyUnit(second_, first_);
  unit.Sync(true, 10);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
  unit.Hear(From(first_, Role::kActive, kOffersRole));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kClaimsRole));
}

TEST_F(HandOverSyncTest, E2_TheActiveUnitYieldsToACompletePreferredClaimant) {
  Unit unit = ActiveUnit(first_);
  EXPECT_THAT(
      unit.Hear(From(preferred_, Role::kStandby, kClaimsRole | kComplete)),
      ElementsAre(Action::kYield, Action::kSendAdvert));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_EQ(unit.election.reason(), RoleReason::kYielded);
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kYielded));
}

TEST_F(HandOverSyncTest, E2_TheActiveUnitKeepsTheRoleFromAnIncompleteClaimant) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(preferred_, Role::kStandby, kClaimsRole));
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST_F(HandOverSyncTest, E2_TheActiveUnitKeepsTheRoleFromAClaimantNotOffered) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby, kClaimsRole | kComplete));
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST_F(HandOverSyncTest,
       E2_TheActiveUnitKeepsTheRoleFromOneWithFewerInterfaces) {
  preferred_.interfaces = first_.interfaces = 2;
  Unit unit = ActiveUnit(first_);
  Advert claim = From(preferred_, Role::kStandby, kClaimsRole | kComplete);
  claim.interfaces_up = 1;
  unit.Hear(claim);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST_F(HandOverSyncTest, E2_TheClaimantWaitsForTheFinalPosition) {
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

TEST_F(HandOverSyncTest, E2_TheClaimantWaits250MillisecondsAtTheMost) {
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

TEST_F(HandOverSyncTest, E2_WithFastAdvertsTheClaimantWaitsHalfOfT) {
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

TEST_F(HandOverSyncTest, E2_TheYielderTakesTheRoleBackWhenTheClaimantVanishes) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(preferred_, Role::kStandby, kClaimsRole | kComplete));
  unit.Run(kT - kTick);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.reason(), RoleReason::kPeerSilent);
  EXPECT_EQ(unit.election.stats().took_over_incomplete, 0u);
}

TEST_F(HandOverSyncTest,
       E2_TheYielderTakesTheRoleBackFromAClaimantThatRestarts) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(preferred_, Role::kStandby, kClaimsRole | kComplete));
  unit.Run(absl::Seconds(1));
  EXPECT_THAT(unit.Hear(From(preferred_, Role::kBooting)),
              Contains(Action::kTakeRole));
}

TEST_F(HandOverSyncTest, E2_TheYielderTakesTheRoleBackFromAClaimantThatDied) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(preferred_, Role::kStandby, kClaimsRole | kComplete));
  unit.election.OnPeerDied(unit.now());
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_EQ(unit.election.reason(), RoleReason::kPeerDied);
}

TEST_F(HandOverSyncTest, E2_TheYielderLeavesAClaimantThatIsHeardAnotherT) {
  Unit unit = ActiveUnit(first_);
  const Advert claim =
      From(preferred_, Role::kStandby, kClaimsRole | kComplete);
  unit.HearFor(2 * kT - kTick, claim);
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_EQ(unit.election.history().size(), 2u);  // Active, standby.
  unit.Run(kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
}

TEST_F(HandOverSyncTest, E2_ARestartedClaimantDoesNotTakeWhatWasYielded) {
  Unit unit(preferred_);
  unit.Hear(From(first_, Role::kStandby, kYielded));
  unit.Run(absl::Seconds(1));
  EXPECT_EQ(unit.election.role(), Role::kBooting);
}

TEST_F(HandOverSyncTest,
       E2_WhileClaimingFiftyAdvertsGoOutTenMillisecondsApart) {
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Sync(true, 10);
  EXPECT_EQ(unit.Run(absl::Milliseconds(100)).size(), 10u);
  EXPECT_EQ(unit.Run(absl::Milliseconds(900)).size(), 40u);
  EXPECT_THAT(unit.Run(absl::Seconds(2)), IsEmpty());
}

TEST_F(HandOverSyncTest, E2_TheYielderAdvertsFastUntilItHearsItsSuccessor) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(preferred_, Role::kStandby, kClaimsRole | kComplete));
  EXPECT_EQ(unit.Run(absl::Milliseconds(100)).size(), 10u);
  unit.Hear(From(preferred_, Role::kActive));
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kYielded));
  EXPECT_THAT(unit.Run(absl::Milliseconds(100)).size(), Le(1u));
}

TEST_F(HandOverSyncTest, E2_TheNewActiveUnitAnswersAYielderThatHasNotHeardIt) {
  Unit unit = ActiveUnit(preferred_);
  unit.Run(absl::Milliseconds(500));
  EXPECT_THAT(unit.Hear(From(first_, Role::kStandby, kYielded)),
              ElementsAre(Action::kSendAdvert));
}

TEST_F(HandOverSyncTest, E2_WithoutSyncARoleMovesWithoutATable) {
  first_.syncs = preferred_.syncs = false;
  Unit claimant = StandbyUnit(preferred_, first_);
  EXPECT_TRUE(claimant.election.MakeAdvert().Has(kClaimsRole));
  Unit active = ActiveUnit(first_);
  active.Hear(From(preferred_, Role::kStandby, kClaimsRole));
  EXPECT_EQ(active.election.role(), Role::kStandby);
}

TEST_F(HandOverSyncTest, E2_AUnitThatWasActiveIsCompleteOnlyOnceToldSo) {
  Unit unit = StandbyUnit(second_, first_);
  unit.Sync(true, 10);
  unit.Run(kT);
  ASSERT_EQ(unit.election.role(), Role::kActive);
  unit.Stall(kT);
  unit.election.Tick(unit.now());
  unit.Hear(From(first_, Role::kActive));
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kComplete));
  unit.Sync(true, 20);
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kComplete));
}

TEST_F(HandOverSyncTest, E2_SwitchoverByCommandOffersAndYields) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby, kComplete));
  EXPECT_TRUE(unit.election.RequestSwitchover(unit.now()).ok());
  EXPECT_THAT(unit.Taken(), ElementsAre(Action::kSendAdvert));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kOffersRole));
  EXPECT_THAT(unit.Hear(From(second_, Role::kStandby, kClaimsRole | kComplete)),
              Contains(Action::kYield));
  EXPECT_EQ(unit.election.reason(), RoleReason::kYielded);
}

TEST_F(HandOverSyncTest, E2_AnOfferNobodyTakesLapsesAfterT) {
  Unit unit = ActiveUnit(first_);
  const Advert standby = From(second_, Role::kStandby, kComplete);
  unit.Hear(standby);
  ASSERT_TRUE(unit.election.RequestSwitchover(unit.now()).ok());
  unit.HearFor(kT, standby);
  unit.Hear(standby);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kOffersRole));
}

TEST_F(HandOverSyncTest, E2_SwitchoverIsRefusedWithTheReason) {
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

// -- E6: links ----------------------------------------------------------------

TEST_F(HandOverSyncTest, E6_ALinkDownOffersTheRoleToAPartnerWithAllUp) {
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

TEST_F(HandOverSyncTest, E6_ALinkDownOnBothUnitsMovesNothing) {
  first_.interfaces = second_.interfaces = 2;
  Unit unit = ActiveUnit(first_);
  Advert partner = From(second_, Role::kStandby, kComplete);
  partner.interfaces_up = 1;
  unit.Hear(partner);
  unit.Link(1, false);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kOffersRole));
}

TEST_F(HandOverSyncTest, E6_TheOfferEndsWhenTheLinkReturns) {
  first_.interfaces = second_.interfaces = 2;
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby, kComplete));
  unit.Link(1, false);
  unit.Link(1, true);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kOffersRole));
}

// -- E8: preference -----------------------------------------------------------

TEST_F(HandOverSyncTest, E8_TheFirstTakeoverSpendsThePreference) {
  preferred_.syncs = first_.syncs = false;
  Unit unit = ActiveUnit(preferred_);
  unit.Stall(kT);
  unit.election.Tick(unit.now());
  unit.Hear(From(first_, Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_FALSE(unit.election.MakeAdvert().Has(kClaimsRole));
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kPreferred));
}

TEST_F(HandOverSyncTest, E8_APlannedSwitchoverFromThePreferredUnitLasts) {
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

TEST_F(HandOverSyncTest, E8_ARestartArmsItAgain) {
  Unit unit = StandbyUnit(preferred_, first_);
  unit.Sync(true, 1);
  EXPECT_TRUE(unit.election.MakeAdvert().Has(kClaimsRole));
}

// -- Leaving and stepping down ------------------------------------------------

TEST_F(HandOverSyncTest, LeavingHandsTheRoleOverFirst) {
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

TEST_F(HandOverSyncTest, LeavingWaitsNoLongerThanItsPatience) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby));  // Not complete yet.
  unit.election.Leave(unit.now(), absl::Seconds(5));
  unit.Run(absl::Seconds(5) - kTick);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  EXPECT_THAT(unit.Run(kTick),
              ElementsAre(Action::kYield, Action::kSendAdvert));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
}

TEST_F(HandOverSyncTest, AUnitThatYieldedToLeaveDoesNotTakeTheRoleBack) {
  Unit unit = ActiveUnit(first_);
  unit.Hear(From(second_, Role::kStandby, kComplete));
  unit.election.Leave(unit.now(), absl::Minutes(1));
  unit.Hear(From(second_, Role::kStandby, kClaimsRole | kComplete));
  ASSERT_EQ(unit.election.role(), Role::kStandby);
  EXPECT_THAT(unit.Run(absl::Minutes(2)), Not(Contains(Action::kTakeRole)));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
}

TEST_F(HandOverSyncTest, LeavingAloneIsImmediate) {
  Unit unit = ActiveUnit(first_);
  unit.election.Leave(unit.now(), absl::Seconds(5));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
  EXPECT_THAT(unit.Taken(),
              ElementsAre(Action::kDropRole, Action::kSendAdvert));
}

TEST_F(HandOverSyncTest, LeavingDoesNotWaitForAPartnerThatCannotTakeOver) {
  for (const Role role : {Role::kPassive, Role::kLeaving}) {
    Unit unit = ActiveUnit(first_);
    unit.Hear(From(second_, role));
    unit.election.Leave(unit.now(), absl::Seconds(5));
    EXPECT_EQ(unit.election.role(), Role::kLeaving);
  }
}

TEST_F(HandOverSyncTest, ALeavingStandbyIsGoneAtOnceAndTakesNothing) {
  Unit unit = StandbyUnit(second_, first_);
  unit.election.Leave(unit.now(), absl::Seconds(5));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
  EXPECT_THAT(unit.Run(absl::Minutes(1)), Not(Contains(Action::kTakeRole)));
}

TEST(HandOverTest, ASingleUnitThatLeavesDropsTheRole) {
  Unit unit{Election::Options()};
  unit.election.Leave(unit.now(), absl::Seconds(5));
  EXPECT_THAT(unit.Taken(), ElementsAre(Action::kDropRole));
  EXPECT_EQ(unit.election.role(), Role::kLeaving);
}

TEST(HandOverTest, SteppingDownHoldsOffForTAfterTheLastCall) {
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

}  // namespace
}  // namespace ballast::ha
