// What a director does with what its partner tells it.
//
// The rules of a Linux backup are cited as "IPVS connection synchronisation"
// §8.2, step by step; those between our own units are marked "ours".
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

// ---- A Linux backup's rules ------------------------------------------------

TEST(DirectorToldTest, ARecordMakesAFlowInItsState) {
  World world(Standby(Several()));
  EXPECT_EQ(Apply(world, Record()).created, 1u);
  const auto flow = Flow(world);
  ASSERT_TRUE(flow.has_value());
  EXPECT_EQ(flow->server, E(kServer));
  EXPECT_EQ(flow->state, TcpState::kEstablished);
  EXPECT_EQ(flow->client_packets, 3u);  // Step 7: the local threshold.
  EXPECT_EQ(flow->forwarding, config::Forwarding::kNat);
  EXPECT_NE(flow->origin, 0);
  EXPECT_EQ(Counters(world).open.value(), 1u);
  EXPECT_EQ(Counters(world).active.value(), 1u);
}

TEST(DirectorToldTest, OurConfigurationSaysHowToForward) {
  // Step 4: a sender's NAT became the local server's direct routing.
  World world(Standby(Several()));
  SyncRecord record = Record(kClient, kDirectVip, "10.0.0.2:80");
  EXPECT_EQ(Apply(world, record).created, 1u);
  EXPECT_EQ(Flow(world, kClient, kDirectVip)->forwarding,
            config::Forwarding::kRoute);
  record = Record();
  record.flags = ha::kForwardDirect | ha::kNoOutput;
  EXPECT_EQ(Apply(world, record).created, 1u);
  EXPECT_EQ(Flow(world)->forwarding, config::Forwarding::kNat);
}

TEST(DirectorToldTest, TheServersPortIsTriedAsGivenThenAsAny) {
  World world(
      Standby({.services = {Service(kVip, {"10.0.0.1:0", "10.0.0.1:8080"}),
                            Service("192.0.2.10:81", {"10.0.0.1:0"})}}));
  Apply(world, Record());
  EXPECT_EQ(Flow(world)->server_slot, world.ServerSlot("10.0.0.1:8080"));
  Apply(world, Record(kClient, "192.0.2.10:81", "10.0.0.1:81"));
  const auto flow = Flow(world, kClient, "192.0.2.10:81");
  ASSERT_TRUE(flow.has_value());
  EXPECT_EQ(flow->server, E("10.0.0.1:81"));
}

TEST(DirectorToldTest, AServerWithoutWeightOrHealthStillTakesItsOwn) {
  auto service = Service(kVip, {kServer});
  service.servers[0].weight = 0;
  World world(Standby({.services = {service}}));
  world.director->SetHealthy(world.now, world.ServerSlot(kServer), false);
  EXPECT_EQ(Apply(world, Record()).created, 1u);
}

TEST(DirectorToldTest, AnUpdateMovesStateAndTheInactiveBit) {
  World world(Standby(Several()));
  Apply(world, Record());
  SyncRecord record = Record();
  record.state = 4;
  record.flags = ha::kInactive;
  record.timeout_s = 120;
  EXPECT_EQ(Apply(world, record).updated, 1u);  // Step 3.
  EXPECT_EQ(Flow(world)->state, TcpState::kFinWait);
  EXPECT_EQ(Counters(world).open.value(), 1u);
  EXPECT_EQ(Counters(world).active.value(), 0u);
}

TEST(DirectorToldTest, AnotherServerReplacesUnlessTheRecordIsInactive) {
  World world(Standby(Several()));  // Step 2.
  Apply(world, Record());
  SyncRecord record = Record(kClient, kVip, "10.0.0.2:8080");
  record.flags = ha::kInactive;
  record.state = 4;
  EXPECT_EQ(Apply(world, record).stale, 1u);
  EXPECT_EQ(Flow(world)->server, E(kServer));
  record.flags = 0;
  record.state = 1;
  EXPECT_EQ(Apply(world, record).created, 1u);
  EXPECT_EQ(Flow(world)->server, E("10.0.0.2:8080"));
  EXPECT_EQ(world.director->flow_count(), 1u);
  EXPECT_EQ(Counters(world).open.value(), 0u);
}

TEST(DirectorToldTest, OursReplacesInactiveOnesOfAWholeTableToo) {
  World world(Standby(Several()));
  Apply(world, Record());
  SyncRecord record = Record(kClient, kVip, "10.0.0.2:8080");
  record.flags = ha::kInactive;
  record.state = 4;
  record.has_detail = true;
  EXPECT_EQ(Apply(world, record).created, 1u);
  EXPECT_EQ(Flow(world)->server, E("10.0.0.2:8080"));
}

TEST(DirectorToldTest, ARecordEndsWhenItIsNotRenewedForItsTimeout) {
  // Step 8: its own seconds, started again by every record.
  World world(Standby(Several()));
  SyncRecord record = Record();
  record.timeout_s = 100;
  Apply(world, record);
  world.Advance(absl::Seconds(99));
  world.Emit();
  Apply(world, record);
  world.Advance(absl::Seconds(99));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  world.Advance(absl::Seconds(2));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 0u);
  // 0: the local timeout of the state.
  record.timeout_s = 0;
  record.state = 6;
  Apply(world, record);
  world.Advance(absl::Seconds(9));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  world.Advance(absl::Seconds(2));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 0u);
}

TEST(DirectorToldTest, UdpAndIpv6AreToldAlike) {
  World world(Standby(Several()));
  SyncRecord udp = Record(kClient, kUdpVip, "10.0.0.1:53");
  udp.protocol = 17;
  udp.state = 0;
  udp.flags = ha::kInactive;
  EXPECT_EQ(Apply(world, udp).created, 1u);
  EXPECT_EQ(
      Apply(world, Record(kClient6, kVip6, "[2001:db8:5::1]:8080")).created,
      1u);
  TakeOver(world);
  EXPECT_EQ(world.FromServer(World::Udp("10.0.0.1:53", kClient)).ToString(),
            absl::StrCat(kUdpVip, " -> ", kClient));
  EXPECT_EQ(world.FromClient(World::Tcp(kClient6, kVip6, "A")).destination(),
            E("[2001:db8:5::1]:8080"));
}

TEST(DirectorToldTest, WhatCouldNeverBeServedIsRefused) {
  World world(Standby(Several()));
  const auto refused = [&](auto change) {
    SyncRecord record = Record();
    change(record);
    return Apply(world, record).refused == 1;
  };
  EXPECT_TRUE(refused([](SyncRecord& r) { r.protocol = 132; }));
  EXPECT_TRUE(refused([](SyncRecord& r) { r.state = 11; }));
  EXPECT_TRUE(refused([](SyncRecord& r) { r.protocol = 17; }));  // State 1.
  EXPECT_TRUE(refused([](SyncRecord& r) { r.flags = ha::kOnePacket; }));
  EXPECT_TRUE(refused([](SyncRecord& r) { r.flags = ha::kNoClientPort; }));
  EXPECT_TRUE(refused([](SyncRecord& r) { r.v6 = true; }));
  EXPECT_TRUE(refused([](SyncRecord& r) { r.server = E("[::1]:80"); }));
  EXPECT_TRUE(refused([](SyncRecord& r) { r.client = r.server; }));
  EXPECT_EQ(world.director->flow_count(), 0u);
  EXPECT_EQ(world.director->unbound_count(), 0u);
}

// ---- The end, by the partner's word (ours) ---------------------------------

TEST(DirectorToldTest, AFollowedPartnersFlowsEndByItsWordAlone) {
  World world(Standby(Several()));
  world.director->SetFollowing(world.now, true);
  Apply(world, Record());
  for (int hour = 0; hour < 48; ++hour) {
    world.Advance(absl::Hours(1));
    world.Emit();
  }
  EXPECT_EQ(world.director->flow_count(), 1u);
  EXPECT_EQ(Apply(world, Gone(Record())).removed, 1u);
  EXPECT_EQ(world.director->flow_count(), 0u);
  EXPECT_EQ(Counters(world).open.value(), 0u);
  EXPECT_EQ(Apply(world, Gone(Record())).removed, 0u);
}

TEST(DirectorToldTest, NothingDiesOfOldAgeAtATakeover) {
  World world(Standby(Several()));
  world.director->SetFollowing(world.now, true);
  SyncRecord record = Record();
  record.timeout_s = 660;
  Apply(world, record);
  Apply(world, Record("192.0.2.7:4001"));
  world.Advance(absl::Hours(30));
  world.Emit();
  world.Advance(absl::Minutes(5));
  TakeOver(world);
  // Its idle time counts from here.
  world.Advance(absl::Seconds(659));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 2u);
  const auto sent = world.FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_EQ(sent.destination(), E(kServer));
  EXPECT_EQ(Flow(world)->state, TcpState::kEstablished);
  // That one is ours now, with our timeout; the silent one goes.
  world.Advance(absl::Seconds(242));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  world.Advance(absl::Seconds(420));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 0u);
}

TEST(DirectorToldTest, NorOfALinuxMastersRecords) {
  World world(Standby(Several()));
  SyncRecord record = Record();
  record.timeout_s = 660;
  Apply(world, record);
  world.Advance(absl::Seconds(600));
  world.Emit();
  world.director->SetActive(world.now, true, /*at_once=*/true);
  world.Advance(absl::Seconds(659));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  world.Advance(absl::Seconds(2));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 0u);
}

TEST(DirectorToldTest, AFlowGoesOnThroughTheOtherUnit) {
  DirectorPair pair(Several());
  pair.a->director->StartTelling(pair.a->now);
  std::vector<Endpoint> servers;
  for (int i = 0; i < 4; ++i) {
    const std::string client = absl::StrCat("192.0.2.7:", 4000 + i);
    servers.push_back(pair.a->Connect(client.c_str(), kVip));
    pair.a->FromClient(World::Tcp(client.c_str(), kVip, "A"));
  }
  EXPECT_EQ(pair.Replicate().created, 4u);
  EXPECT_TRUE(pair.SumsAgree());
  EXPECT_EQ(pair.b->FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "standby");
  pair.TakeOver();
  for (int i = 0; i < 4; ++i) {
    const std::string client = absl::StrCat("192.0.2.7:", 4000 + i);
    EXPECT_EQ(
        pair.a->FromClient(World::Tcp(client.c_str(), kVip, "A")).destination(),
        servers[i]);
    EXPECT_EQ(pair.a
                  ->FromServer(World::Tcp(servers[i].ToString().c_str(),
                                          client.c_str(), "A"))
                  .ToString(),
              absl::StrCat(kVip, " -> ", client));
  }
  EXPECT_EQ(pair.b->FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "standby");
}

TEST(DirectorToldTest, ResetsCarryTheNumbersTheTableCameWith) {
  auto service = Service(kVip, {kServer});
  DirectorPair pair({.services = {service}, .drop_on_fail = true});
  pair.a->Connect(kClient, kVip);
  pair.a->FromClient(World::Tcp(kClient, kVip, "A", 5000, 7000, Bytes(10)));
  pair.Transfer();
  pair.TakeOver();
  pair.a->director->SetHealthy(pair.a->now, pair.a->ServerSlot(kServer), false);
  std::vector<uint32_t> numbers;
  for (const auto& outcome : pair.a->Emit()) {
    const uint8_t* tcp = outcome.bytes.data() + outcome.packet.l4;
    if (outcome.packet.kind == PacketKind::kTcp) {
      numbers.push_back(LoadBig32(tcp + 4));
    }
  }
  // To the client what it acknowledged, to the server what the client sends.
  EXPECT_THAT(numbers, ::testing::ElementsAre(7000, 5010));
}

TEST(DirectorToldTest, AStandbyResetsNothing) {
  DirectorPair pair(
      {.services = {Service(kVip, {kServer})}, .drop_on_fail = true});
  pair.a->Connect(kClient, kVip);
  pair.Transfer();
  pair.b->director->SetHealthy(pair.b->now, pair.b->ServerSlot(kServer), false);
  EXPECT_THAT(pair.b->Emit(), IsEmpty());
  EXPECT_EQ(pair.b->director->flow_count(), 1u);
}

}  // namespace
}  // namespace ballast::l4
