// What a director does with a partner's whole table, with what is not
// configured here, with a healed split, with persistence entries, and after its
// lease. All but the Linux template is between our own units.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/bytes.h"
#include "lb/l4/director_pair.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;
using ha::ApplyCounts;
using ha::SyncRecord;
using Kind = ha::SyncRecord::Kind;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// ---- Replacing a whole table (ours) ----------------------------------------

TEST(DirectorReplaceTest, AWholeTableReplacesWhatCameBeforeAndWhatWasOurs) {
  DirectorPair pair(Several());
  for (int i = 0; i < 3; ++i) {
    pair.a->Connect(absl::StrCat("192.0.2.7:", 4000 + i).c_str(), kVip);
  }
  pair.a->Connect(kClient6, kVip6);
  EXPECT_EQ(pair.Transfer().created, 4u);
  EXPECT_TRUE(pair.SumsAgree());
  // b serves for a while: a flow of its own; of a's, one ends.
  pair.TakeOver();
  pair.a->Connect("192.0.2.8:1", kVip);
  pair.a->FromClient(World::Tcp("192.0.2.7:4000", kVip, "R"));
  pair.Advance(absl::Seconds(12));
  // Back again: that unit's whole table replaces the first's.
  EXPECT_EQ(pair.b->director->flow_count(), 4u);
  const ApplyCounts counts = pair.Transfer();
  EXPECT_EQ(counts.created, 1u);
  EXPECT_EQ(counts.updated, 3u);
  EXPECT_TRUE(pair.SumsAgree());
  pair.Advance(absl::Milliseconds(5));
  EXPECT_EQ(pair.b->director->flow_count(), 4u);
  EXPECT_FALSE(Flow(*pair.b, "192.0.2.7:4000").has_value());
}

TEST(DirectorReplaceTest, AnIncompleteTableRemovesNothing) {
  DirectorPair pair(Several());
  pair.a->Connect(kClient, kVip);
  pair.Transfer();
  pair.b->director->BeginReplace(pair.b->now);
  pair.b->director->EndReplace(pair.b->now, false);
  pair.Advance(absl::Milliseconds(5));
  EXPECT_EQ(pair.b->director->flow_count(), 1u);
}

TEST(DirectorReplaceTest, ATakeoverKeepsWhatWasStillToBeRemoved) {
  DirectorPair pair(Several());
  pair.a->Connect(kClient, kVip);
  pair.Transfer();
  pair.b->director->BeginReplace(pair.b->now);
  pair.b->director->EndReplace(pair.b->now, true);
  pair.TakeOver();  // Before the first Emit().
  EXPECT_EQ(pair.a->director->flow_count(), 1u);
}

TEST(DirectorReplaceTest, AFullTableMakesRoomForWhatIsToldAnew) {
  World::Options options = Several();
  options.director.connections_max = 4;
  DirectorPair pair(options);
  for (int i = 0; i < 4; ++i) {
    pair.a->Connect(absl::StrCat("192.0.2.7:", 4000 + i).c_str(), kVip);
  }
  pair.Transfer();
  pair.Advance(
      absl::Seconds(700));  // They end at a, and b does not hear of it.
  ASSERT_EQ(pair.a->director->flow_count(), 0u);
  for (int i = 0; i < 4; ++i) {
    pair.a->Connect(absl::StrCat("192.0.2.8:", 4000 + i).c_str(), kVip);
  }
  EXPECT_EQ(pair.Transfer().created, 4u);
  EXPECT_TRUE(pair.SumsAgree());
}

TEST(DirectorReplaceTest, EpochsMayComeRoundAgain) {
  DirectorPair pair(Several());
  pair.a->Connect(kClient, kVip);
  for (int i = 0; i < 256; ++i) {
    pair.Transfer();
    // Told in the first of them and not again in the 254 that follow: it
    // closes, and a SYN half opens it.
    if (i == 0) {
      pair.a->FromClient(World::Tcp(kClient, kVip, "FA"));
      pair.a->FromClient(World::Tcp(kClient, kVip, "S"));
    }
    ASSERT_TRUE(pair.SumsAgree()) << i;
    ASSERT_EQ(pair.a->director->Mark(pair.a->now).count, i == 0 ? 1u : 0u) << i;
    TakeChanges(*pair.a);
  }
  // The 256th has the first one's number.
  pair.Advance(absl::Seconds(100));
  EXPECT_EQ(pair.a->director->flow_count(), 0u);
  EXPECT_EQ(pair.b->director->flow_count(), 0u);
  EXPECT_EQ(pair.a->director->Mark(pair.a->now).count, 0u);
}

// ---- What is not configured here -------------------------------------------

TEST(DirectorReplaceTest, AnUnknownServersFlowIsBoundWhenTheServerAppears) {
  World world(Standby({.services = {Service(kVip, {"10.0.0.2:8080"})}}));
  world.director->SetFollowing(world.now, true);
  SyncRecord record = Record();
  record.has_detail = true;
  record.client_packets = 77;
  EXPECT_EQ(Apply(world, record).unbound, 1u);
  EXPECT_EQ(
      Apply(world, Record(kClient, "192.0.2.12:80", "10.0.0.3:80")).unbound,
      1u);
  EXPECT_EQ(world.director->flow_count(), 0u);
  const ha::TableSummary sum = world.director->Mark(world.now);
  EXPECT_EQ(sum.count, 2u);
  world.Configure(Several().services);
  EXPECT_EQ(world.director->flow_count(), 1u);
  EXPECT_EQ(world.director->unbound_count(), 1u);
  EXPECT_EQ(Flow(world)->client_packets, 77u);
  EXPECT_EQ(world.director->Mark(world.now), sum);
  TakeOver(world);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).destination(),
            E(kServer));
}

TEST(DirectorReplaceTest, WhatIsUnboundEndsByThePartnersWordOrItsTimeout) {
  World world(Standby({.services = {}}));
  world.director->SetFollowing(world.now, true);
  Apply(world, Record());
  Apply(world, Record("192.0.2.7:4001"));
  world.Advance(absl::Hours(2));
  world.Emit();
  EXPECT_EQ(world.director->unbound_count(), 2u);
  EXPECT_EQ(Apply(world, Gone(Record())).removed, 1u);
  EXPECT_EQ(world.director->unbound_count(), 1u);
  EXPECT_EQ(world.director->Mark(world.now).count, 1u);
  TakeOver(world);
  world.Advance(absl::Seconds(899));
  world.Emit();
  EXPECT_EQ(world.director->unbound_count(), 1u);
  world.Advance(absl::Seconds(1));
  world.Emit();
  EXPECT_EQ(world.director->unbound_count(), 0u);
  EXPECT_EQ(world.director->Mark(world.now).count, 0u);
}

TEST(DirectorReplaceTest, AFullStoreOfTheUnboundRefuses) {
  World::Options options = Standby({.services = {}});
  options.director.unbound_max = 1;
  World world(options);
  EXPECT_EQ(Apply(world, Record()).unbound, 1u);
  EXPECT_EQ(Apply(world, Record("192.0.2.7:4001")).refused, 1u);
  EXPECT_EQ(Apply(world, Record()).unbound, 1u);
  EXPECT_EQ(world.director->Mark(world.now).count, 1u);
}

TEST(DirectorReplaceTest, AServerThatGoesHereFirstLeavesItsFlowsUnbound) {
  DirectorPair pair(Several());
  pair.a->Connect(kClient, kVip);
  pair.a->Connect(kClient6, kVip6);
  pair.Transfer();
  pair.b->Configure({Service(kVip6, {"[2001:db8:5::1]:8080"})});
  pair.Advance(absl::Milliseconds(5));
  EXPECT_EQ(pair.b->director->flow_count(), 1u);
  EXPECT_EQ(pair.b->director->unbound_count(), 1u);
  EXPECT_TRUE(pair.SumsAgree());
  pair.b->Configure(Several().services);
  EXPECT_EQ(pair.b->director->flow_count(), 2u);
  EXPECT_TRUE(pair.SumsAgree());
}

TEST(DirectorReplaceTest, ANewFlowTakesAnUnboundOnesPlace) {
  World world(Standby({.services = {Service(kVip, {"10.0.0.2:8080"})}}));
  Apply(world, Record());
  TakeOver(world);
  world.director->StartTelling(world.now);
  EXPECT_THAT(ExportAll(world), SizeIs(1));
  world.Connect(kClient, kVip);
  EXPECT_EQ(world.director->unbound_count(), 0u);
  const auto changes = TakeChanges(world);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].kind, Kind::kGone);
}

// ---- A healed split (ours) -------------------------------------------------

TEST(DirectorReplaceTest, AnActiveUnitTakesOnlyWhatItLacksOrWhatIsFresher) {
  World world(Several());
  world.Connect(kClient, kVip);  // To 10.0.0.1.
  world.Advance(absl::Seconds(10));
  world.Emit();
  SyncRecord record = Record(kClient, kVip, "10.0.0.2:8080");
  EXPECT_EQ(Apply(world, record).stale, 1u);
  record.has_detail = true;
  record.idle_ms = 10'000;
  EXPECT_EQ(Apply(world, record).stale, 1u);
  EXPECT_EQ(Apply(world, Gone(record)).stale, 1u);
  EXPECT_EQ(Flow(world)->server, E(kServer));
  EXPECT_EQ(Apply(world, Record("192.0.2.7:4001")).created, 1u);
  record.idle_ms = 9'999;
  EXPECT_EQ(Apply(world, record).created, 1u);
  EXPECT_EQ(Flow(world)->server, E("10.0.0.2:8080"));
  world.director->BeginReplace(world.now);
  world.director->EndReplace(world.now, true);
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 2u);
}

// ---- Persistence entries ---------------------------------------------------

World::Options Persistent() {
  World::Options options = Several();
  for (auto& service : options.services) {
    service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  }
  return options;
}

TEST(DirectorReplaceTest, ClientsFindTheirServersAfterATakeover) {
  DirectorPair pair(Persistent());
  std::vector<Endpoint> servers;
  for (int i = 1; i < 5; ++i) {
    servers.push_back(pair.a->Connect(
        absl::StrCat("192.0.2.", 20 + i, ":4000").c_str(), kVip));
  }
  pair.Transfer();
  // And one that is told while it happens.
  const Endpoint last = pair.a->Connect("192.0.2.30:4000", kVip);
  pair.a->FromClient(World::Tcp("192.0.2.30:4000", kVip, "A"));
  EXPECT_EQ(pair.Replicate().created, 2u);
  pair.Advance(absl::Seconds(300));
  pair.TakeOver();
  for (int i = 1; i < 5; ++i) {
    EXPECT_EQ(pair.a->Connect(absl::StrCat("192.0.2.", 20 + i, ":4001").c_str(),
                              kVip),
              servers[i - 1]);
  }
  EXPECT_EQ(pair.a->Connect("192.0.2.30:4001", kVip), last);
}

TEST(DirectorReplaceTest, AnEntryKeepsTheAgeItHasAtThePartner) {
  DirectorPair pair(Persistent());
  pair.a->Connect(kClient, kVip);
  pair.Advance(absl::Seconds(200));
  pair.Transfer();
  EXPECT_EQ(pair.b->director->choice().store().size(), 1u);
  pair.Advance(absl::Seconds(155));
  EXPECT_EQ(pair.b->director->choice().store().size(), 1u);
  pair.Advance(absl::Seconds(8));
  EXPECT_EQ(pair.b->director->choice().store().size(), 0u);
}

TEST(DirectorReplaceTest, ALinuxTemplateBeginsWhenItIsHeard) {
  World world(Standby(Persistent()));
  SyncRecord record = Record();
  record.kind = Kind::kTemplate;
  record.flags = 0x1100;
  record.client.port = 0;
  record.timeout_s = 60;
  EXPECT_EQ(Apply(world, record).created, 1u);
  EXPECT_EQ(Apply(world, record).updated, 1u);
  TakeOver(world);
  world.Advance(absl::Seconds(59));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(world.Connect(absl::StrCat("192.0.2.7:", 4000 + i).c_str(), kVip),
              E(kServer));
  }
}

TEST(DirectorReplaceTest, AnEntryOfAnUnknownServerWaitsForIt) {
  World world(Standby({.services = {}}));
  SyncRecord record = Record();
  record.kind = Kind::kTemplate;
  record.client.port = 0;
  record.timeout_s = 360;
  EXPECT_EQ(Apply(world, record).unbound, 1u);
  EXPECT_EQ(world.director->Mark(world.now).count, 0u);  // Not in the sum.
  world.Advance(absl::Seconds(350));
  world.Emit();
  world.Configure(Persistent().services);
  EXPECT_EQ(world.director->unbound_count(), 0u);
  EXPECT_EQ(world.director->choice().store().size(), 1u);
  // Its age counts from when it was told.
  world.Advance(absl::Seconds(13));
  world.Emit();
  EXPECT_EQ(world.director->choice().store().size(), 0u);
}

// ---- The lease -------------------------------------------------------------

TEST(DirectorReplaceTest, AfterItsLeaseAUnitForwardsAndAnswersNothing) {
  World world(Several());
  world.Connect(kClient, kVip);
  world.director->SetLease(world.now + absl::Milliseconds(60));
  world.Advance(absl::Milliseconds(59));
  EXPECT_TRUE(world.FromClient(World::Tcp(kClient, kVip, "A")).sent());
  world.SetView(/*neighbours_known=*/false);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "held");
  world.SetView(/*neighbours_known=*/true);
  world.Advance(absl::Milliseconds(1));
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "lease_expired");
  const auto out = world.Emit();
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out[0].ToString(), "lease_expired");
  world.director->SetLease(Instant::Never());
  EXPECT_TRUE(world.FromClient(World::Tcp(kClient, kVip, "A")).sent());
}

}  // namespace
}  // namespace ballast::l4
