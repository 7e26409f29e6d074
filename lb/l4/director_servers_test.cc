// Which server the director gives a flow, and what becomes of flows when
// servers come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "lb/l4/director.h"
#include "lb/l4/director_world.h"

namespace ballast::l4 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using World = DirectorWorld;

// ---- Servers -------------------------------------------------------------

TEST(DirectorTest, RoundRobinOverTheHealthy) {
  World world({.services = {Service(
                   kVip, {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"})}});
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.2:80"), false);
  std::map<std::string, int> count;
  for (int i = 0; i < 30; ++i) {
    const std::string client = absl::StrCat("192.0.2.7:", 5000 + i);
    ++count[world.FromClient(World::Tcp(client.c_str(), kVip, "S"))
                .destination()
                .ToString()];
  }
  EXPECT_EQ(count["10.0.0.1:80"], 15);
  EXPECT_EQ(count["10.0.0.3:80"], 15);
}

TEST(DirectorTest, AWeightThatMovesSharesOutNewFlowsAndTouchesNoOpenOne) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.schedule = config::Schedule::kAdaptive;
  World world({.services = {service}});
  const auto send = [&](int client, const char* flags) {
    const std::string from = absl::StrCat("192.0.2.7:", client);
    return world.FromClient(World::Tcp(from.c_str(), kVip, flags))
        .destination()
        .ToString();
  };
  const std::string first = send(4001, "S");
  const std::string second = send(4002, "S");
  EXPECT_NE(first, second);
  const Slot one = world.ServerSlot("10.0.0.1:80");
  world.director->SetWeight(one, 250);
  std::map<std::string, int> count;
  for (int i = 0; i < 50; ++i) ++count[send(5000 + i, "S")];
  EXPECT_EQ(count["10.0.0.1:80"], 10);
  EXPECT_EQ(count["10.0.0.2:80"], 40);
  world.Configure({service});  // A reload keeps it.
  world.director->SetWeight(one, 0);
  count.clear();
  for (int i = 0; i < 10; ++i) ++count[send(6000 + i, "S")];
  EXPECT_EQ(count["10.0.0.2:80"], 10);
  EXPECT_EQ(send(4001, "A"), first);
  EXPECT_EQ(send(4002, "A"), second);
  world.director->SetWeight(world.ServerSlot("10.0.0.2:80"), 0);
  EXPECT_EQ(
      world.FromClient(World::Tcp("192.0.2.7:7000", kVip, "S")).ToString(),
      "no_server");
}

TEST(DirectorTest, NoServerMeansTheSorryServerOrADrop) {
  auto service = Service(kVip, {"10.0.0.1:80"});
  World world({.services = {service}});
  const Slot slot = world.ServerSlot("10.0.0.1:80");
  world.director->SetHealthy(world.now, slot, false);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
            "no_server");
  service.sorry_server = {.endpoint = *Endpoint::Parse("10.0.0.9:81")};
  world.Configure({service});
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
            "192.0.2.7:4000 -> 10.0.0.9:81");
}

TEST(DirectorTest, TooFewServersOrACriticalOneDownTakeTheServiceDown) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"});
  service.servers_min = 2;
  World world({.services = {service}});
  int n = 0;
  const auto next = [&] {
    const std::string client = absl::StrCat("192.0.2.7:", 6000 + n++);
    return world.FromClient(World::Tcp(client.c_str(), kVip, "S")).sent();
  };
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.1:80"), false);
  EXPECT_TRUE(next());
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.2:80"), false);
  EXPECT_FALSE(next());
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.1:80"), true);
  EXPECT_TRUE(next());
  service.servers[1].critical = true;
  world.Configure({service});
  EXPECT_FALSE(next());
}

TEST(DirectorTest, AConnectionLimitSendsTheNextFlowElsewhere) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.schedule = config::Schedule::kFixed;
  service.servers[0].weight = 2000;
  service.servers[0].connection_limit = 1;
  World world({.services = {service}});
  EXPECT_EQ(world.Connect("192.0.2.7:1", kVip).ToString(), "10.0.0.1:80");
  EXPECT_EQ(world.Connect("192.0.2.7:2", kVip).ToString(), "10.0.0.2:80");
  // Its flow ends: there is room again.
  world.FromClient(World::Tcp("192.0.2.7:1", kVip, "R"));
  EXPECT_EQ(world.Connect("192.0.2.7:3", kVip).ToString(), "10.0.0.1:80");
}

TEST(DirectorTest, LeastConnectionCountsOtherThreadsFlows) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.schedule = config::Schedule::kLeastConnection;
  World world({.services = {service}});
  AllCounters other;
  other.servers.Reserve(world.ServerSlot("10.0.0.1:80")).active.Add(5);
  const AllCounters* others[] = {&other};
  world.director->UpdateForeign(others);
  for (int i = 0; i < 5; ++i) {
    const std::string client = absl::StrCat("192.0.2.7:", 5000 + i);
    EXPECT_EQ(world.Connect(client.c_str(), kVip).ToString(), "10.0.0.2:80");
  }
  EXPECT_EQ(world.Connect("192.0.2.7:6000", kVip).ToString(), "10.0.0.1:80");
}

TEST(DirectorTest, AServersRefusalIsKeptFromTheClientIfAnotherCanServe) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  World world({.services = {service}});
  ASSERT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
            "192.0.2.7:4000 -> 10.0.0.1:80");
  EXPECT_EQ(
      world.FromServer(World::Tcp("10.0.0.1:80", kClient, "RA")).ToString(),
      "server_refused");
  EXPECT_THAT(world.director->TakeRefused(),
              ElementsAre(world.ServerSlot("10.0.0.1:80")));
  // The client's SYN comes again, and so do others: the server is avoided.
  EXPECT_EQ(world.Connect(kClient, kVip).ToString(), "10.0.0.2:80");
  EXPECT_EQ(world.Connect("192.0.2.8:1", kVip).ToString(), "10.0.0.2:80");
  world.Advance(ServerChoice::kAvoid);
  world.Emit();
  EXPECT_EQ(world.Connect("192.0.2.9:1", kVip).ToString(), "10.0.0.1:80");
}

TEST(DirectorTest, ARefusalNobodyElseCanMakeGoodReachesTheClient) {
  World world(World::OneServer());
  world.FromClient(World::Tcp(kClient, kVip, "S"));
  EXPECT_TRUE(
      world.FromServer(World::Tcp("10.0.0.1:8080", kClient, "RA")).sent());
  // Of a wildcard service the client asked for a port that is closed.
  World wild(
      {.services = {Service("192.0.2.10:0", {"10.0.0.1:0", "10.0.0.2:0"})}});
  wild.FromClient(World::Tcp(kClient, "192.0.2.10:99", "S"));
  EXPECT_TRUE(wild.FromServer(World::Tcp("10.0.0.1:99", kClient, "RA")).sent());
  EXPECT_THAT(wild.director->TakeRefused(), IsEmpty());
}

TEST(DirectorTest, AResetOfAnAnsweredFlowIsTheClientsToHear) {
  World world({.services = {Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"})}});
  ASSERT_EQ(world.Connect(kClient, kVip).ToString(), "10.0.0.1:80");
  EXPECT_TRUE(world.FromServer(World::Tcp("10.0.0.1:80", kClient, "R")).sent());
}

TEST(DirectorTest, ASynRepeatedToASilentServerThatWentDownFindsAnother) {
  World world({.services = {Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"})}});
  const Bytes syn = World::Tcp(kClient, kVip, "S");
  ASSERT_EQ(world.FromClient(syn).ToString(), "192.0.2.7:4000 -> 10.0.0.1:80");
  EXPECT_EQ(world.FromClient(syn).ToString(), "192.0.2.7:4000 -> 10.0.0.1:80");
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.1:80"), false);
  EXPECT_EQ(world.FromClient(syn).ToString(), "192.0.2.7:4000 -> 10.0.0.2:80");
  EXPECT_EQ(world.director->flow_count(), 1u);
}

// A server that was killed has reset the client's connection where the director
// could not see it: the client may come back from the same port.
TEST(DirectorTest, WithDirectReturnASynToAServerThatWentDownFindsAnother) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  for (auto& server : service.servers) {
    server.forwarding = config::Forwarding::kRoute;
  }
  World world({.services = {service}});
  const auto sent_to = [&](const char* flags) {
    return world.FromClient(World::Tcp(kClient, kVip, flags)).destination_mac();
  };
  const MacAddress first = MacOf(*Address::Parse("10.0.0.1"));
  ASSERT_EQ(sent_to("S"), first);
  ASSERT_EQ(sent_to("A"), first);
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.1:80"), false);
  EXPECT_EQ(sent_to("A"), first);  // What is open is left to it.
  EXPECT_EQ(sent_to("S"), MacOf(*Address::Parse("10.0.0.2")));
  EXPECT_EQ(world.director->flow_count(), 1u);
}

TEST(DirectorTest, PersistenceKeepsAClientOnItsServer) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  World world({.services = {service}});
  const Endpoint first = world.Connect("192.0.2.7:1", kVip);
  for (int i = 2; i < 6; ++i) {
    EXPECT_EQ(world.Connect(absl::StrCat("192.0.2.7:", i).c_str(), kVip),
              first);
  }
  EXPECT_NE(world.Connect("192.0.2.8:1", kVip), first);
  // At the timeout it has expired; round robin's turn is the first again.
  world.Connect("192.0.2.9:1", kVip);
  world.Advance(absl::Minutes(6));
  EXPECT_NE(world.Connect("192.0.2.7:9", kVip), first);
  // What has expired is given back unasked.
  EXPECT_GT(world.director->choice().store().size(), 0u);
  world.Advance(absl::Minutes(6) + absl::Seconds(2));
  world.Emit();
  EXPECT_EQ(world.director->choice().store().size(), 0u);
}

TEST(DirectorTest, ADisabledServerLosesItsPersistenceAndKeepsItsFlows) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  World world({.services = {service}});
  ASSERT_EQ(world.Connect(kClient, kVip).ToString(), "10.0.0.1:80");
  service.servers[0].state = config::AdminState::kDisabled;
  world.Configure({service});
  EXPECT_EQ(world.Connect("192.0.2.7:4001", kVip).ToString(), "10.0.0.2:80");
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "192.0.2.7:4000 -> 10.0.0.1:80");
}

TEST(DirectorTest, ADrainingServerIsReachedByItsOldClientsUntilDrainTime) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.persistence = {.enabled = true, .timeout = absl::Minutes(60)};
  World world({.services = {service}});
  ASSERT_EQ(world.Connect(kClient, kVip).ToString(), "10.0.0.1:80");
  service.servers[0].state = config::AdminState::kDraining;
  service.servers[0].drain_time = absl::Seconds(300);
  world.Configure({service});
  for (int i = 1; i < 4; ++i) {
    EXPECT_EQ(world.Connect(absl::StrCat("192.0.2.8", i, ":1").c_str(), kVip)
                  .ToString(),
              "10.0.0.2:80");
  }
  world.Advance(absl::Seconds(299));
  EXPECT_EQ(world.Connect("192.0.2.7:4001", kVip).ToString(), "10.0.0.1:80");
  world.Advance(absl::Seconds(1));
  EXPECT_EQ(world.Connect("192.0.2.7:4002", kVip).ToString(), "10.0.0.2:80");
}

TEST(DirectorTest, AtDrainEndFlowsEndWithAResetToBothEnds) {
  auto service = Service(kVip, {"10.0.0.1:8080"});
  World world({.services = {service}});
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "A", 1001, 5001, Bytes(100)));
  service.servers[0].state = config::AdminState::kDraining;
  service.servers[0].drain_time = absl::Seconds(60);
  service.servers[0].drop_at_drain_end = true;
  world.Configure({service});
  world.Advance(absl::Seconds(2));
  world.Emit();  // The second announcement of the VIP.
  world.Advance(absl::Seconds(57));
  EXPECT_THAT(world.Emit(), IsEmpty());
  world.Advance(absl::Seconds(1));
  const auto resets = world.Emit();
  ASSERT_THAT(resets, SizeIs(2));
  std::set<std::string> ends;
  for (const auto& reset : resets) {
    ends.insert(reset.ToString());
    EXPECT_TRUE((reset.packet.tcp_flags & kTcpRst) != 0);
    EXPECT_TRUE(reset.SumsRight());
    // The number the receiver expects next: what the client has acknowledged,
    // and the end of what it has sent.
    const uint32_t sequence = LoadBig32(reset.frame.data + reset.packet.l4 + 4);
    EXPECT_EQ(sequence, reset.port == World::kClientPort ? 5001u : 1101u);
  }
  EXPECT_THAT(ends, ElementsAre("192.0.2.10:80 -> 192.0.2.7:4000",
                                "192.0.2.7:4000 -> 10.0.0.1:8080"));
  // Whoever still speaks is told again.
  const auto again =
      world.FromClient(World::Tcp(kClient, kVip, "A", 1101, 7000));
  EXPECT_EQ(again.ToString(), "192.0.2.10:80 -> 192.0.2.7:4000");
  EXPECT_TRUE((again.packet.tcp_flags & kTcpRst) != 0);
  EXPECT_EQ(LoadBig32(again.frame.data + again.packet.l4 + 4), 7000u);
}

TEST(DirectorTest, DropOnFailResetsTheFlowsOfAFailedServer) {
  World::Options options = World::OneServer();
  options.drop_on_fail = true;
  World world(options);
  world.Connect(kClient, kVip);
  EXPECT_THAT(world.Emit(), IsEmpty());
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.1:8080"),
                             false);
  EXPECT_THAT(world.Emit(), SizeIs(2));
}

TEST(DirectorTest, WithoutDropOnFailTheFlowsOfAFailedServerAreLeft) {
  World world(World::OneServer());
  world.Connect(kClient, kVip);
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.1:8080"),
                             false);
  EXPECT_THAT(world.Emit(), IsEmpty());
  EXPECT_TRUE(world.FromClient(World::Tcp(kClient, kVip, "A")).sent());
}

}  // namespace
}  // namespace ballast::l4
