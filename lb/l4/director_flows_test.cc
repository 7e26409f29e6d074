// The life of the director's flows: timeouts, reloads, a full table, views and
// records of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "lb/l4/director.h"
#include "lb/l4/director_world.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;

// ---- Life of a flow --------------------------------------------------------

TEST(DirectorTest, AnIdleFlowEndsAtTheServicesTimeout) {
  auto service = Service(kVip, {"10.0.0.1:8080"});
  service.idle_timeout = absl::Seconds(100);
  World world({.services = {service}});
  world.Connect(kClient, kVip);
  world.Advance(absl::Seconds(99));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  EXPECT_TRUE(world.FromClient(World::Tcp(kClient, kVip, "A")).sent());
  world.Advance(absl::Seconds(99));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  world.Advance(absl::Seconds(2));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 0u);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "not_syn");
}

TEST(DirectorTest, AClosedFlowEndsAfterItsStatesTimeout) {
  World world(World::OneServer());
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "R"));
  world.Advance(absl::Seconds(9));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  world.Advance(absl::Seconds(3));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 0u);
}

TEST(DirectorTest, ASynOnAClosedFlowBeginsAnew) {
  World world({.services = {Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"})}});
  const Endpoint first = world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "R"));
  EXPECT_NE(world.Connect(kClient, kVip), first);
  EXPECT_EQ(world.director->flow_count(), 1u);
}

// The server's FIN goes another way: the client's is all there is to see.
TEST(DirectorTest, WithDirectReturnASynAfterTheClientsFinBeginsAnew) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  for (auto& server : service.servers) {
    server.forwarding = config::Forwarding::kRoute;
  }
  World world({.services = {service}});
  const auto sent_to = [&](const char* flags) {
    return world.FromClient(World::Tcp(kClient, kVip, flags)).destination_mac();
  };
  const MacAddress first = MacOf(*Address::Parse("10.0.0.1"));
  EXPECT_EQ(sent_to("S"), first);
  EXPECT_EQ(sent_to("S"), first);  // Sent again, it goes where it went.
  EXPECT_EQ(sent_to("A"), first);
  EXPECT_EQ(sent_to("FA"), first);
  EXPECT_EQ(sent_to("A"), first);
  EXPECT_EQ(sent_to("S"), MacOf(*Address::Parse("10.0.0.2")));
  EXPECT_EQ(world.director->flow_count(), 1u);
}

TEST(DirectorTest, AReloadTouchesNoFlowThatNeedNotMove) {
  World world({.services = {Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"})}});
  ASSERT_EQ(world.Connect(kClient, kVip).ToString(), "10.0.0.1:80");
  // Its server is removed, others come, the order changes.
  auto service = Service(kVip, {"10.0.0.3:80", "10.0.0.2:80"});
  service.schedule = config::Schedule::kLeastConnection;
  world.Configure({Service("192.0.2.11:80", {"10.0.0.4:80"}), service});
  world.Emit();
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "192.0.2.7:4000 -> 10.0.0.1:80");
  EXPECT_EQ(
      world.FromServer(World::Tcp("10.0.0.1:80", kClient, "A")).ToString(),
      "192.0.2.10:80 -> 192.0.2.7:4000");
  world.Configure({service});
  EXPECT_TRUE(world.FromClient(World::Tcp(kClient, kVip, "A")).sent());
}

TEST(DirectorTest, AServerInTheSlotOfAnotherCountsFromZero) {
  World world({.services = {Service(kVip, {"10.0.0.1:80"})}});
  world.Connect(kClient, kVip);
  world.FromClient(World::Tcp(kClient, kVip, "R"));
  const Slot slot = world.ServerSlot("10.0.0.1:80");
  world.Configure({});
  world.Emit();  // The flow goes.
  world.Configure({});
  world.Configure({Service("192.0.2.10:81", {"10.0.0.2:81"})});
  ASSERT_EQ(world.ServerSlot("10.0.0.2:81"), slot);
  const ServerCounters& server = *world.director->counters().servers.Get(slot);
  EXPECT_EQ(server.connections.value(), 0u);
  EXPECT_EQ(server.packets_in.value(), 0u);
  world.Connect(kClient, "192.0.2.10:81");
  EXPECT_EQ(server.connections.value(), 1u);
  EXPECT_EQ(server.open.value(), 1u);
}

TEST(DirectorTest, ARemovedServicesFlowsEnd) {
  World world({.services = {Service(kVip, {"10.0.0.1:80"}),
                            Service("192.0.2.10:81", {"10.0.0.1:81"})}});
  world.Connect(kClient, kVip);
  world.Connect("192.0.2.7:4001", "192.0.2.10:81");
  world.Configure({Service("192.0.2.10:81", {"10.0.0.1:81"})});
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "no_service");
}

// ---- A full table ----------------------------------------------------------

World::Options Tiny(std::vector<config::VirtualService> services) {
  World::Options options{.services = std::move(services)};
  options.director.connections_max = 2;
  return options;
}

TEST(DirectorTest, AFullTableForwardsNewFlowsByHashAndHarmsNoOther) {
  World world(Tiny({Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"})}));
  world.Connect("192.0.2.7:1", kVip);
  world.Connect("192.0.2.7:2", kVip);
  for (int i = 0; i < 20; ++i) {
    const std::string client = absl::StrCat("192.0.2.8:", 100 + i);
    // Syn, reply and the rest of the flow find the same server.
    const Endpoint server = world.Connect(client.c_str(), kVip);
    EXPECT_EQ(
        world.FromClient(World::Tcp(client.c_str(), kVip, "A")).destination(),
        server);
  }
  EXPECT_EQ(world.director->flow_count(), 2u);
  EXPECT_TRUE(world.FromClient(World::Tcp("192.0.2.7:1", kVip, "A")).sent());
  EXPECT_EQ(world.drops(DropReason::kConnectionTableFull), 0u);
  EXPECT_GT(world.director->counters().services.Get(0)->stateless.value(), 60u);
}

TEST(DirectorTest, AFullTableRefusesWhatNoHashCanServe) {
  // Both services share a server and port: its replies could be of either.
  World world(Tiny({Service(kVip, {"10.0.0.1:80"}),
                    Service("192.0.2.10:81", {"10.0.0.1:80"})}));
  world.Connect("192.0.2.7:1", kVip);
  world.Connect("192.0.2.7:2", kVip);
  EXPECT_EQ(world.FromClient(World::Tcp("192.0.2.7:3", kVip, "S")).ToString(),
            "connection_table_full");
  EXPECT_EQ(world.director->counters().services.Get(0)->refused.value(), 1u);
}

TEST(DirectorTest, ASynFloodLeavesEstablishedFlowsAlone) {
  World::Options options = World::OneServer();
  options.director.connections_max = 100;
  World world(options);
  world.Connect(kClient, kVip);
  for (int i = 0; i < 5000; ++i) {
    world.FromClient(World::Tcp(
        absl::StrCat("198.51.", i / 250 % 250, ".", i % 250, ":7").c_str(),
        kVip, "S"));
  }
  EXPECT_EQ(world.director->flow_count(), 100u);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "192.0.2.7:4000 -> 10.0.0.1:8080");
}

// ---- Views, records, the fast path ------------------------------------------

class RecordingSink : public FlowSink {
 public:
  void OnFlow(FlowEvent event, const FlowView& flow) override {
    events.push_back(event);
    last = flow;
  }
  std::vector<FlowEvent> events;
  FlowView last;
};

TEST(DirectorTest, ASinkHearsOfEveryFlowAndAbsorbKeepsItAlive) {
  RecordingSink sink;
  World::Options options = World::OneServer();
  options.director.sink = &sink;
  World world(options);
  world.Connect(kClient, kVip);
  ASSERT_FALSE(sink.events.empty());
  EXPECT_EQ(sink.events.front(), FlowEvent::kAdded);
  EXPECT_EQ(sink.last.state, TcpState::kEstablished);
  EXPECT_EQ(sink.last.server.ToString(), "10.0.0.1:8080");
  const FlowHandle handle = sink.last.handle;
  const size_t events = sink.events.size();

  world.Advance(absl::Seconds(600));
  EXPECT_TRUE(world.director->Absorb(world.now, handle, 1000, 1 << 20,
                                     world.now - absl::Seconds(1)));
  EXPECT_EQ(sink.events.size(), events);  // Reports are no events.
  world.Advance(absl::Seconds(600));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  const auto view = world.director->FindFlow(
      {*Endpoint::Parse(kClient), *Endpoint::Parse(kVip), Protocol::kTcp});
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->client_packets, 1002u);

  world.Advance(absl::Seconds(100));
  world.Emit();
  EXPECT_EQ(sink.events.back(), FlowEvent::kRemoved);
  EXPECT_FALSE(world.director->Absorb(world.now, handle, 1, 1, world.now));
}

TEST(DirectorTest, FlowsAndPersistenceMoveToAnotherDirector) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  auto service6 = Service(kVip6, {"[2001:db8:5::1]:80"});
  World before({.services = {service, service6}});
  const Endpoint server = before.Connect(kClient, kVip);
  before.Connect(kClient6, kVip6);
  before.Advance(absl::Seconds(10));

  World after({.services = {service6, service}});
  Director::ExportCursor cursor;
  std::array<FlowRecord, 3> records;
  size_t imported = 0;
  while (!cursor.done) {
    const size_t count = before.director->Export(before.now, cursor, records);
    for (size_t i = 0; i < count; ++i) {
      std::array<uint8_t, kFlowRecordSize> bytes;
      EncodeFlowRecord(records[i], bytes);
      const auto record = DecodeFlowRecord(bytes);
      ASSERT_TRUE(record.has_value());
      EXPECT_TRUE(after.director->Import(after.now, *record));
      ++imported;
    }
  }
  EXPECT_EQ(imported, 3u);
  EXPECT_EQ(after.FromClient(World::Tcp(kClient, kVip, "A")).destination(),
            server);
  EXPECT_TRUE(after.FromClient(World::Tcp(kClient6, kVip6, "A")).sent());
  for (int i = 1; i < 4; ++i) {
    const std::string next = absl::StrCat("192.0.2.7:", 4000 + i);
    EXPECT_EQ(after.Connect(next.c_str(), kVip), server);
  }
}

TEST(DirectorTest, ALongFlowRenewsItsEntryOnceADayIfAsked) {
  for (const bool refresh : {true, false}) {
    auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
    service.persistence = {
        .enabled = true, .timeout = absl::Hours(24 * 4), .refresh = refresh};
    World world({.services = {service}});
    const Endpoint server = world.Connect(kClient, kVip);
    for (int minute = 0; minute < 5 * 24 * 60; minute += 10) {
      world.Advance(absl::Minutes(10));
      ASSERT_TRUE(world.FromClient(World::Tcp(kClient, kVip, "A")).sent());
      world.Emit();
    }
    // Five days on an entry of four: only the renewed one still holds.
    EXPECT_EQ(world.director->choice().store().size(), refresh ? 1u : 0u);
    if (refresh) {
      EXPECT_EQ(world.Connect("192.0.2.7:4001", kVip), server);
      EXPECT_EQ(world.Connect("192.0.2.7:4002", kVip), server);
    }
  }
}

TEST(DirectorTest, ANewServerInAnOldOnesSlotInheritsNoClients) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  World world({.services = {service}});
  ASSERT_EQ(world.Connect(kClient, kVip).ToString(), "10.0.0.1:80");
  world.FromClient(World::Tcp(kClient, kVip, "R"));
  world.Advance(absl::Seconds(12));
  world.Emit();  // The flow is gone, the entry is not.
  service.servers.erase(service.servers.begin());
  world.Configure({service});
  world.Configure({service});  // Its slot is free from here on.
  service.servers.push_back({.endpoint = *Endpoint::Parse("10.0.0.3:80")});
  world.Configure({service});
  ASSERT_EQ(world.ServerSlot("10.0.0.3:80"), 0);
  EXPECT_EQ(world.Connect("192.0.2.7:4001", kVip).ToString(), "10.0.0.2:80");
}

TEST(DirectorTest, CountersEqualWhatPassed) {
  World world(World::OneServer());
  world.Connect(kClient, kVip);  // 2 packets in, 1 out.
  const ServerCounters& server = *world.director->counters().servers.Get(
      world.ServerSlot("10.0.0.1:8080"));
  EXPECT_EQ(server.connections.value(), 1u);
  EXPECT_EQ(server.open.value(), 1u);
  EXPECT_EQ(server.active.value(), 1u);
  EXPECT_EQ(server.packets_in.value(), 2u);
  EXPECT_EQ(server.packets_out.value(), 1u);
  EXPECT_EQ(server.bytes_in.value(), 80u);
  EXPECT_EQ(server.bytes_out.value(), 40u);
  const DirectorCounters& all = world.director->counters().director;
  uint64_t drops = 0;
  for (const Counter& counter : all.drops) drops += counter.value();
  EXPECT_EQ(all.received.value(), 3u);
  EXPECT_EQ(all.forwarded.value(), 3u);
  EXPECT_EQ(drops, 0u);
}

}  // namespace
}  // namespace ballast::l4
