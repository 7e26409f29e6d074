// Rules H1..H16 of the LoadMaster behaviour document §2.3, by name, and what is
// shown of them.
#include "ha/election.h"

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/advert.h"
#include "ha/election_testing.h"

namespace ballast::ha {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

// -- H1..H16 ------------------------------------------------------------------

TEST(ElectionTest, H1_ModeNoneServesFromTheStartAndSaysNothing) {
  Unit unit{Election::Options()};
  EXPECT_THAT(unit.at_start(), ElementsAre(Action::kTakeRole));
  EXPECT_EQ(unit.election.role(), Role::kSingle);
  EXPECT_EQ(unit.election.deadline(), Instant::Never());
  EXPECT_EQ(unit.election.lease(), Instant::Never());
  EXPECT_EQ(unit.election.own_icon(unit.now()).reason, "HA not configured");
  EXPECT_STREQ(IconName(unit.election.own_icon(unit.now()).icon), "");
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
  options.reboot_on_link_failure = true;
  Unit active = ActiveUnit(options);
  EXPECT_THAT(active.LinkLost(), Contains(Action::kReboot));
  EXPECT_THAT(active.LinkLost(), Not(Contains(Action::kReboot)));

  Unit standby = StandbyUnit(options, First());
  EXPECT_THAT(standby.LinkLost(), Contains(Action::kReboot));

  // It has nothing to lose yet.
  Unit booting(options);
  EXPECT_THAT(booting.LinkLost(), Not(Contains(Action::kReboot)));
}

TEST(ElectionTest, H13_APreferredServerExcludesTheReboot) {
  Election::Options options = Second();
  options.reboot_on_link_failure = true;
  options.preferred = true;
  Unit unit = ActiveUnit(options);
  EXPECT_THAT(unit.LinkLost(), Not(Contains(Action::kReboot)));
}

TEST(ElectionTest, H13_WithoutTheSettingALostLinkRebootsNothing) {
  Unit unit = ActiveUnit(Second());
  EXPECT_THAT(unit.LinkLost(), Not(Contains(Action::kReboot)));
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
