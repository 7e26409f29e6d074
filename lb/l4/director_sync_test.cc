// What a director tells its partner: when, and in which words.
//
// Expected records and packet numbers are a real kernel's, as the description
// of its protocol has them: "IPVS connection synchronisation" §4 (flags), §5
// (states), §6.1 (when it asks), §6.3 (which packets), §8.3 (takeover).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/l4/director_pair.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;
using ha::SyncRecord;
using Kind = ha::SyncRecord::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void Tell(World& world, ha::SyncSettings settings,
          TemplateRule templates = TemplateRule::kWhenOld) {
  world.director->SetSync({.settings = settings,
                           .gone = templates == TemplateRule::kWhenOld,
                           .templates = templates});
  world.director->StartTelling(world.now);
}

// TCP by NAT and by direct return, and UDP.
World::Options OfEachKind() {
  return {.services = {Service(kVip, {"10.0.0.1:8080"}),
                       Direct(kDirectVip, "10.0.0.2:80"),
                       Service(kUdpVip, {"10.0.0.1:53"}, Protocol::kUdp),
                       Service(kVip6, {"[2001:db8:5::1]:8080"})}};
}

// The numbers of the client's packets after which a record came, of `count`
// packets: SYN, then ACKs `gap` apart.
std::vector<int> PacketsTold(ha::SyncSettings settings, int count,
                             absl::Duration gap = absl::ZeroDuration()) {
  World world(World::OneServer());
  Tell(world, settings);
  std::vector<int> told;
  for (int n = 1; n <= count; ++n) {
    world.FromClient(World::Tcp(kClient, kVip, n == 1 ? "S" : "A"));
    if (n == 1) world.FromServer(World::Tcp("10.0.0.1:8080", kClient, "SA"));
    if (!TakeChanges(world).empty()) told.push_back(n);
    world.Advance(gap);
    world.Emit();
  }
  return told;
}

// ---- When ------------------------------------------------------------------

TEST(DirectorSyncTest, TellsAtThePacketsAKernelTellsAt) {
  EXPECT_THAT(PacketsTold({3, 50, 0}, 160), ElementsAre(3, 53, 103, 153));
  EXPECT_THAT(PacketsTold({0, 2, 0}, 7), ElementsAre(2, 4, 6));
  EXPECT_THAT(PacketsTold({1, 4, 0}, 10), ElementsAre(5, 9));
  EXPECT_THAT(PacketsTold({0, 1, 0}, 4), ElementsAre(2, 3, 4));
  EXPECT_THAT(PacketsTold({3, 0, 0}, 160), ElementsAre(3));
  EXPECT_THAT(PacketsTold({0, 0, 0}, 160), IsEmpty());
  EXPECT_THAT(PacketsTold({3, 0, 2}, 9, absl::Seconds(1)),
              ElementsAre(2, 4, 6, 8));
}

TEST(DirectorSyncTest, TellsUdpByItsCountAlone) {
  World world(OfEachKind());
  Tell(world, {3, 50, 0});
  std::vector<int> told;
  for (int n = 1; n <= 60; ++n) {
    world.FromClient(World::Udp(kClient, kUdpVip));
    world.FromServer(World::Udp("10.0.0.1:53", kClient));
    if (!TakeChanges(world).empty()) told.push_back(n);
  }
  EXPECT_THAT(told, ElementsAre(3, 53));
}

TEST(DirectorSyncTest, TellsAChangeByTheServerAtTheClientsNextPacket) {
  World world(World::OneServer());
  Tell(world, {3, 50, 0});
  world.Connect(kClient, kVip);
  world.FromServer(World::Tcp("10.0.0.1:8080", kClient, "FA"));
  EXPECT_THAT(TakeChanges(world), IsEmpty());
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  auto changes = TakeChanges(world);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].state, 4);  // FIN_WAIT.
  world.FromClient(World::Tcp(kClient, kVip, "FA"));
  changes = TakeChanges(world);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].state, 5);  // TIME_WAIT.
}

TEST(DirectorSyncTest, TellsNothingUnlessAskedTo) {
  World world(World::OneServer());
  world.director->SetSync({.settings = {0, 1, 0}});
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_THAT(TakeChanges(world), IsEmpty());
  EXPECT_EQ(world.director->Mark(world.now), ha::TableSummary{});
  world.director->StartTelling(world.now);
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  world.director->StopTelling(world.now);
  EXPECT_THAT(TakeChanges(world), IsEmpty());  // Dropped with the telling.
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_THAT(TakeChanges(world), IsEmpty());
}

TEST(DirectorSyncTest, PacketsReportedInALumpTellAsIfSeenOneByOne) {
  World world(World::OneServer());
  Tell(world, {3, 50, 0});
  world.Connect(kClient, kVip);  // Two packets.
  const auto flow =
      world.director->FindFlow({E(kClient), E(kVip), Protocol::kTcp});
  const auto absorb = [&](uint32_t packets) {
    EXPECT_TRUE(world.director->Absorb(world.now, flow->handle, packets, 60,
                                       world.now));
    return TakeChanges(world).size();
  };
  EXPECT_EQ(absorb(1), 1u);   // 3.
  EXPECT_EQ(absorb(49), 0u);  // 4..52.
  EXPECT_EQ(absorb(30), 1u);  // 53..82.
  EXPECT_EQ(absorb(0), 0u);
}

// ---- In which words --------------------------------------------------------

TEST(DirectorSyncTest, ARecordIsTheKernelsWordForWord) {
  World world(OfEachKind());
  Tell(world, {3, 50, 0});
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  SyncRecord record;
  record.kind = Kind::kConnection;
  record.protocol = 6;
  record.state = 1;
  record.flags = 0;
  record.timeout_s = 660;  // The service's idle timeout, LoadMaster's default.
  record.client = E(kClient);
  record.virtual_service = E(kVip);
  record.server = E("10.0.0.1:8080");
  EXPECT_THAT(TakeChanges(world), ElementsAre(record));

  world.Connect(kClient6, kVip6);
  world.FromClient(World::Tcp(kClient6, kVip6, "A"));
  record.v6 = true;
  record.client = E(kClient6);
  record.virtual_service = E(kVip6);
  record.server = E("[2001:db8:5::1]:8080");
  EXPECT_THAT(TakeChanges(world), ElementsAre(record));
}

struct Said {
  uint32_t flags;
  uint32_t state;
  uint32_t timeout_s;

  friend bool operator==(const Said&, const Said&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Said& said) {
    return out << absl::StrCat(absl::Hex(said.flags), " state ", said.state,
                               " for ", said.timeout_s);
  }
};

std::vector<Said> WhatIsSaid(World& world) {
  std::vector<Said> said;
  for (const SyncRecord& record : TakeChanges(world)) {
    said.push_back({record.flags, record.state, record.timeout_s});
  }
  return said;
}

TEST(DirectorSyncTest, FlagsStatesAndTimeoutsAreTheKernels) {
  World world(OfEachKind());
  Tell(world, {3, 50, 0});
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_THAT(WhatIsSaid(world), ElementsAre(Said{0x0000, 1, 660}));
  world.FromClient(World::Tcp(kClient, kVip, "FA"));
  EXPECT_THAT(WhatIsSaid(world), ElementsAre(Said{0x0100, 7, 60}));
  world.FromServer(World::Tcp("10.0.0.1:8080", kClient, "FA"));
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_THAT(WhatIsSaid(world), ElementsAre(Said{0x0100, 5, 120}));

  world.Connect("192.0.2.7:4001", kVip);
  world.FromClient(World::Tcp("192.0.2.7:4001", kVip, "R"));
  EXPECT_THAT(WhatIsSaid(world), ElementsAre(Said{0x0100, 6, 10}));

  world.Connect(kClient, kDirectVip);
  world.FromClient(World::Tcp(kClient, kDirectVip, "A"));
  EXPECT_THAT(WhatIsSaid(world), ElementsAre(Said{0x0083, 1, 660}));
  world.FromClient(World::Tcp(kClient, kDirectVip, "FA"));
  EXPECT_THAT(WhatIsSaid(world), ElementsAre(Said{0x0183, 4, 120}));

  for (int n = 0; n < 3; ++n) world.FromClient(World::Udp(kClient, kUdpVip));
  EXPECT_THAT(WhatIsSaid(world), ElementsAre(Said{0x0100, 0, 660}));
}

TEST(DirectorSyncTest, WhatCameBySyncSaysSoForEver) {
  DirectorPair pair(OfEachKind());
  pair.a->director->StartTelling(pair.a->now);
  pair.a->Connect(kClient, kVip);
  pair.a->FromClient(World::Tcp(kClient, kVip, "A"));
  pair.Replicate();
  pair.TakeOver();
  pair.a->director->StartTelling(pair.a->now);
  // Received entries count from the threshold: the next is 53, 50 on. A FIN is
  // told at once (§8.3).
  for (int n = 1; n < 50; ++n) {
    pair.a->FromClient(World::Tcp(kClient, kVip, "A"));
    ASSERT_THAT(TakeChanges(*pair.a), IsEmpty()) << n;
  }
  pair.a->FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_THAT(WhatIsSaid(*pair.a), ElementsAre(Said{0x0020, 1, 660}));
  pair.a->FromClient(World::Tcp(kClient, kVip, "FA"));
  EXPECT_THAT(WhatIsSaid(*pair.a), ElementsAre(Said{0x0120, 7, 60}));
}

TEST(DirectorSyncTest, TheWholeTableHasDetail) {
  World world(OfEachKind());
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "A", 5000, 7000, Bytes(10)));
  world.Connect(kClient6, kVip6);
  world.FromClient(World::Tcp("192.0.2.7:4001", kVip, "S"));  // Half open.
  world.Advance(absl::Milliseconds(1500));
  world.director->StartTelling(world.now);
  EXPECT_EQ(world.director->state_size(), 3u);
  const auto all = ExportAll(world);
  ASSERT_THAT(all, SizeIs(2));  // Half open ones are worth nothing (§5).
  EXPECT_TRUE(all[0].has_detail);
  EXPECT_EQ(all[0].idle_ms, 1500u);
  EXPECT_EQ(all[0].client_packets, 3u);
  EXPECT_EQ(all[0].client_next_sequence, 5010u);
  EXPECT_EQ(all[0].client_acknowledged, 7000u);
  EXPECT_TRUE(all[1].v6);
  EXPECT_EQ(world.director->Mark(world.now).count, 2u);
}

// ---- The end ---------------------------------------------------------------

TEST(DirectorSyncTest, TheEndOfAToldFlowIsToldAndNoOthers) {
  World world(OfEachKind());
  Tell(world, {3, 50, 0});
  world.Connect(kClient, kVip);
  world.Connect("192.0.2.7:4001", kVip);
  world.FromClient(World::Tcp(kClient, kVip, "R"));  // Told.
  EXPECT_EQ(world.director->Mark(world.now).count, 1u);
  TakeChanges(world);
  world.Advance(absl::Seconds(700));
  world.Emit();
  ASSERT_EQ(world.director->flow_count(), 0u);
  SyncRecord gone;
  gone.kind = Kind::kGone;
  gone.protocol = 6;
  gone.client = E(kClient);
  gone.virtual_service = E(kVip);
  EXPECT_THAT(TakeChanges(world), ElementsAre(gone));
  EXPECT_EQ(world.director->Mark(world.now), ha::TableSummary{});
}

TEST(DirectorSyncTest, LinuxIsToldOfNoEnd) {
  World world(OfEachKind());
  Tell(world, {3, 50, 0}, TemplateRule::kEachPacket);
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "R"));
  EXPECT_THAT(TakeChanges(world), SizeIs(1));
  world.Advance(absl::Seconds(700));
  world.Emit();
  EXPECT_THAT(TakeChanges(world), IsEmpty());
}

TEST(DirectorSyncTest, ASynThatBeginsAnewEndsTheOldFlowFirst) {
  World world(OfEachKind());
  Tell(world, {3, 50, 0});
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "R"));
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  const auto changes = TakeChanges(world);
  ASSERT_THAT(changes, SizeIs(3));
  EXPECT_EQ(changes[0].state, 6);
  EXPECT_EQ(changes[1].kind, Kind::kGone);
  EXPECT_EQ(changes[2].state, 1);
  EXPECT_EQ(world.director->Mark(world.now).count, 1u);
}

// ---- The queue -------------------------------------------------------------

TEST(DirectorSyncTest, WhatFindsNoRoomIsCountedAndNotTold) {
  World::Options options = World::OneServer();
  options.director.changes_max = 2;
  World world(options);
  Tell(world, {0, 1, 0});
  for (int i = 0; i < 3; ++i) {
    world.Connect(absl::StrCat("192.0.2.7:", 4000 + i).c_str(), kVip);
  }
  EXPECT_EQ(world.director->changes_lost(), 1u);
  EXPECT_EQ(world.director->Mark(world.now).count, 2u);
  const auto changes = TakeChanges(world);
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_EQ(changes[0].client, E("192.0.2.7:4000"));
  world.FromClient(World::Tcp("192.0.2.7:4002", kVip, "A"));
  EXPECT_THAT(TakeChanges(world), SizeIs(1));
  EXPECT_EQ(world.director->changes_lost(), 1u);
  EXPECT_EQ(world.director->Mark(world.now).count, 3u);
}

TEST(DirectorSyncTest, TakingStopsOnceAtTheMark) {
  World world(World::OneServer());
  Tell(world, {0, 1, 0});
  DirectorStateTable table(*world.director);
  std::array<SyncRecord, 8> records;
  world.Connect(kClient, kVip);
  const ha::TableSummary sum = table.Mark(world.now);
  EXPECT_EQ(sum.count, 1u);
  world.Connect("192.0.2.7:4001", kVip);
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_EQ(table.TakeChanges(world.now, records), 1u);
  EXPECT_EQ(sum.digest, IdentityHash(records[0]));
  EXPECT_EQ(table.TakeChanges(world.now, records), 0u);
  EXPECT_EQ(table.TakeChanges(world.now, records), 2u);
  EXPECT_EQ(table.TakeChanges(world.now, records), 0u);
}

TEST(DirectorSyncTest, AChangeOvertakenByTheExportIsTakenBack) {
  DirectorPair pair(OfEachKind(), {0, 1, 0});
  pair.Transfer();
  pair.a->Connect(kClient, kVip);
  pair.Replicate();
  // It ends, and another of the same name begins and is not told: the end is
  // still on its way when the table is given.
  pair.a->FromClient(World::Tcp(kClient, kVip, "R"));
  pair.a->director->SetSync({.settings = {3, 0, 0}});
  pair.a->Connect(kClient, kVip);
  const auto table = ExportAll(*pair.a);
  ASSERT_THAT(table, SizeIs(1));
  pair.Apply(table);
  pair.Replicate();
  EXPECT_EQ(pair.b->director->flow_count(), 1u);
  EXPECT_TRUE(pair.SumsAgree());
}

// ---- Persistence entries ---------------------------------------------------

World::Options Persistent() {
  World::Options options = OfEachKind();
  for (auto& service : options.services) {
    service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  }
  return options;
}

TEST(DirectorSyncTest, ATemplateIsTheKernelsWordForWord) {
  World world(Persistent());
  Tell(world, {0, 1, 0}, TemplateRule::kEachPacket);
  world.FromClient(World::Tcp(kClient, kVip, "S"));
  SyncRecord record;
  record.kind = Kind::kTemplate;
  record.protocol = 6;
  record.state = 0;  // Not yet assured.
  record.flags = 0x1100;
  record.timeout_s = 360;
  record.client = {E(kClient).address, 0};
  record.virtual_service = E(kVip);
  record.server = E("10.0.0.1:8080");
  EXPECT_THAT(TakeChanges(world), ElementsAre(record));
  world.FromServer(World::Tcp("10.0.0.1:8080", kClient, "SA"));
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  record.state = 1;
  auto changes = TakeChanges(world);
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_EQ(changes[1], record);  // The parent after its child (§7).

  world.FromClient(World::Tcp(kClient, kDirectVip, "S"));
  changes = TakeChanges(world);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].flags, 0x1183u);
}

TEST(DirectorSyncTest, LinuxHearsOfATemplateAtEveryPacket) {
  // "60 packets, 62 entries" by the default settings (§6.1).
  World world(Persistent());
  Tell(world, {3, 50, 0}, TemplateRule::kEachPacket);
  world.Connect(kClient, kVip);
  for (int n = 3; n <= 60; ++n) {
    world.FromClient(World::Tcp(kClient, kVip, "A"));
  }
  EXPECT_THAT(TakeChanges(world), SizeIs(62));
}

TEST(DirectorSyncTest, LinuxHearsOfATemplateInVersion0BehindItsConnection) {
  // §6.1: version 0 asks the parent only if the child was queued; §10's golden
  // message of version 0 is such a sequence.
  World world(Persistent());
  Tell(world, {3, 50, 0}, TemplateRule::kEachRecord);
  world.Connect(kClient, kVip);
  for (int n = 3; n <= 60; ++n) {
    world.FromClient(World::Tcp(kClient, kVip, "A"));
  }
  std::vector<Kind> kinds;
  for (const SyncRecord& record : TakeChanges(world)) {
    kinds.push_back(record.kind);
  }
  EXPECT_THAT(kinds, ElementsAre(Kind::kConnection, Kind::kTemplate,
                                 Kind::kConnection, Kind::kTemplate));
}

TEST(DirectorSyncTest, LinuxHearsOfATemplateByItsOwnCount) {
  // 3 0 0: at its own packet 3 only, which here is the client's second
  // connection's first (§6.3).
  World world(Persistent());
  Tell(world, {3, 0, 0}, TemplateRule::kEachPacket);
  world.Connect(kClient, kVip);
  EXPECT_THAT(TakeChanges(world), IsEmpty());
  world.FromClient(World::Tcp("192.0.2.7:4001", kVip, "S"));
  const auto changes = TakeChanges(world);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].kind, Kind::kTemplate);
}

TEST(DirectorSyncTest, OursHearsOfATemplateWithItsConnectionWhenItIsNews) {
  World world(Persistent());
  Tell(world, {3, 50, 0});
  const auto templates = [&] {
    size_t count = 0;
    for (const auto& record : TakeChanges(world)) {
      count += record.kind == Kind::kTemplate;
    }
    return count;
  };
  const auto connect = [&](int port) {
    const std::string client = absl::StrCat("192.0.2.7:", port);
    world.Connect(client.c_str(), kVip);
    EXPECT_EQ(templates(), 0u);
    world.FromClient(World::Tcp(client.c_str(), kVip, "A"));
    return templates();
  };
  world.Advance(absl::Seconds(1));
  EXPECT_EQ(connect(4000), 1u);
  world.Advance(absl::Seconds(44));
  EXPECT_EQ(connect(4001), 0u);  // Younger by less than 360 s / 8.
  world.Advance(absl::Seconds(1));
  EXPECT_EQ(connect(4002), 1u);
}

}  // namespace
}  // namespace ballast::l4
