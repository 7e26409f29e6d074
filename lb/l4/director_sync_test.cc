// What a director tells its partner: when, and in which words.
//
// Expected records and packet numbers are of a real kernel, as the protocol's
// description has them: "IPVS connection synchronisation" §4 (flags), §6.3
// (which packets), §8.2 (what a receiver does), §10 (whole messages).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/l4/director_state_table.h"
#include "lb/l4/director_world.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;
using ha::SyncRecord;
using Kind = ha::SyncRecord::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<SyncRecord> Changes(World& world) {
  DirectorStateTable table(*world.director);
  std::vector<SyncRecord> all;
  std::array<SyncRecord, 7> some;
  while (const size_t count = table.TakeChanges(world.now, some)) {
    all.insert(all.end(), some.begin(), some.begin() + count);
  }
  return all;
}

void Tell(World& world, ha::SyncSettings settings, bool plain = false) {
  world.director->SetSync(
      {.settings = settings, .gone = !plain, .template_every_packet = plain});
  world.director->StartTelling(world.now);
}

// The numbers of the client's packets after which records of the connection
// came, of `count` packets: SYN, then ACKs `gap` apart.
std::vector<int> PacketsTold(ha::SyncSettings settings, int count,
                             absl::Duration gap = absl::ZeroDuration()) {
  World world(World::OneServer());
  Tell(world, settings);
  std::vector<int> told;
  for (int n = 1; n <= count; ++n) {
    world.FromClient(World::Tcp(kClient, kVip, n == 1 ? "S" : "A"));
    if (n == 1) {
      world.FromServer(World::Tcp("10.0.0.1:8080", kClient, "SA"));
    }
    if (!Changes(world).empty()) told.push_back(n);
    world.Advance(gap);
    world.Emit();
  }
  return told;
}

// ---- When ------------------------------------------------------------------

TEST(DirectorSyncTest, TellsAtThePacketsAKernelTellsAt) {
  // {T, P, F}: what goes out for a TCP connection (§6.3).
  EXPECT_THAT(PacketsTold({3, 50, 0}, 160), ElementsAre(3, 53, 103, 153));
  EXPECT_THAT(PacketsTold({0, 2, 0}, 7), ElementsAre(2, 4, 6));
  EXPECT_THAT(PacketsTold({1, 4, 0}, 10), ElementsAre(5, 9));
  EXPECT_THAT(PacketsTold({0, 1, 0}, 4), ElementsAre(2, 3, 4));
  EXPECT_THAT(PacketsTold({3, 0, 0}, 160), ElementsAre(3));
  EXPECT_THAT(PacketsTold({0, 0, 0}, 160), IsEmpty());
  EXPECT_THAT(PacketsTold({3, 0, 2}, 9, absl::Seconds(1)),
              ElementsAre(2, 4, 6, 8));
}

TEST(DirectorSyncTest, TellsClosingStatesAtTheClientsNextPacket) {
  World world(World::OneServer());
  Tell(world, {3, 50, 0});
  world.Connect(kClient, kVip);
  EXPECT_THAT(Changes(world), IsEmpty());
  // The server closes first: found at the client's next packet (§6.1).
  world.FromServer(World::Tcp("10.0.0.1:8080", kClient, "FA"));
  EXPECT_THAT(Changes(world), IsEmpty());
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  auto changes = Changes(world);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].state, static_cast<int>(TcpState::kFinWait));
  EXPECT_EQ(changes[0].timeout_s, 120u);
  world.FromClient(World::Tcp(kClient, kVip, "FA"));
  changes = Changes(world);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].state, static_cast<int>(TcpState::kTimeWait));
}

TEST(DirectorSyncTest, TellsNothingUnlessToldTo) {
  World world(World::OneServer());
  world.Connect(kClient, kVip);
  for (int i = 0; i < 10; ++i) {
    world.FromClient(World::Tcp(kClient, kVip, "A"));
  }
  EXPECT_THAT(Changes(world), IsEmpty());
  EXPECT_EQ(world.director->Mark(world.now), ha::TableSummary{});
  Tell(world, {0, 1, 0});
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  world.director->StopTelling(world.now);
  EXPECT_THAT(Changes(world), IsEmpty());
  world.FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_THAT(Changes(world), IsEmpty());
}

// ---- Both ends -------------------------------------------------------------

// Unit a leads, unit b follows.
class PairTest : public ::testing::Test {
 protected:
  static World::Options Standby(World::Options options) {
    options.active = false;
    return options;
  }
  void Build(World::Options options) {
    a = std::make_unique<World>(options);
    b = std::make_unique<World>(Standby(options));
    for (World* world : {a.get(), b.get()}) {
      world->director->SetSync({.settings = {3, 50, 0}});
    }
    b->director->SetFollowing(b->now, true);
  }
  // Everything of a's to b.
  ha::ApplyCounts Transfer() {
    DirectorStateTable from(*a->director), to(*b->director);
    ha::ApplyCounts counts;
    from.StartTelling(a->now);
    to.BeginReplace(b->now);
    DirectorStateTable::Cursor cursor;
    std::array<SyncRecord, 5> records;
    while (!cursor.done) {
      const size_t count = from.Export(a->now, cursor, records);
      counts += to.Apply(b->now, std::span(records).first(count));
    }
    to.EndReplace(b->now, true);
    return counts;
  }
  ha::ApplyCounts Replicate() {
    const auto changes = Changes(*a);
    return b->director->Apply(b->now, changes);
  }
  void Advance(absl::Duration duration) {
    a->Advance(duration);
    b->Advance(duration);
    a->Emit();
    b->Emit();
  }
  void TakeOver() {
    a->director->SetActive(a->now, false);
    b->director->SetFollowing(b->now, false);
    b->director->SetActive(b->now, true, true);
    b->Emit();
  }
  void ExpectEqualSums(uint64_t count) {
    const auto a_sum = a->director->Mark(a->now);
    Replicate();
    EXPECT_EQ(a_sum.count, count);
    EXPECT_EQ(a_sum, b->director->Mark(b->now));
  }

  std::unique_ptr<World> a, b;
};

TEST_F(PairTest, AToldFlowGoesOnThroughTheOtherUnit) {
  Build({.services = {Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"})}});
  a->director->StartTelling(a->now);
  const Endpoint server = a->Connect(kClient, kVip);
  a->FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_EQ(Replicate().created, 1u);
  ExpectEqualSums(1);
  EXPECT_EQ(b->FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "standby");
  TakeOver();
  const auto sent = b->FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_EQ(sent.destination(), server);
  const std::string text = server.ToString();
  EXPECT_EQ(b->FromServer(World::Tcp(text.c_str(), kClient, "A")).ToString(),
            absl::StrCat(kVip, " -> ", kClient));
  EXPECT_EQ(a->FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "standby");
}

TEST_F(PairTest, AWholeTableMovesAndItsSumsAgree) {
  Build({.services = {Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"}),
                      Service(kVip6, {"[2001:db8:5::1]:80"})}});
  for (int i = 0; i < 20; ++i) {
    a->Connect(absl::StrCat("192.0.2.7:", 4000 + i).c_str(), kVip);
    a->Connect(absl::StrCat("[2001:db8:c::7]:", 4000 + i).c_str(), kVip6);
  }
  EXPECT_EQ(Transfer().created, 40u);
  ExpectEqualSums(40);
  EXPECT_EQ(b->director->flow_count(), 40u);
}

TEST_F(PairTest, TheEndOfAToldFlowIsTold) {
  Build(World::OneServer());
  a->director->StartTelling(a->now);
  a->Connect(kClient, kVip);
  a->FromClient(World::Tcp(kClient, kVip, "R"));
  EXPECT_EQ(Replicate().created, 1u);
  ExpectEqualSums(1);
  Advance(absl::Seconds(12));
  EXPECT_EQ(a->director->flow_count(), 0u);
  EXPECT_EQ(b->director->flow_count(), 1u);  // By the partner's word alone.
  EXPECT_EQ(Replicate().removed, 1u);
  EXPECT_EQ(b->director->flow_count(), 0u);
  ExpectEqualSums(0);
}

}  // namespace
}  // namespace ballast::l4
