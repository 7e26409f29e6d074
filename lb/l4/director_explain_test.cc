// What Director::Explain() says is what the next packet then gets, and asking
// changes nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/explanation.h"
#include "lb/l4/director.h"
#include "lb/l4/director_world.h"
#include "persist/key_store.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;
using ::testing::Contains;
using ::testing::HasSubstr;

Endpoint At(const std::string& text) { return *Endpoint::Parse(text); }

Explanation Explain(World& world, const std::string& client,
                    const std::string& vip, Protocol protocol = Protocol::kTcp,
                    std::optional<ExplainOrder::Request> request = {}) {
  Explanation explanation;
  world.director->Explain(world.now,
                          {At(client), At(vip), protocol, std::move(request)},
                          &explanation);
  return explanation;
}
// The server, or why there is none.
std::string Answer(const Explanation& explanation) {
  return explanation.server ? explanation.server->ToString()
                            : explanation.reason;
}
// The same of a packet's outcome. With direct return the MAC says it, and the
// port stays what the client asked for.
std::string Got(const World::Outcome& outcome, const std::string& vip) {
  if (!outcome.sent()) return outcome.ToString();
  if (outcome.destination() != At(vip)) return outcome.destination().ToString();
  const Address server =
      Address::V4(0x0a000000 + outcome.destination_mac().bytes[5]);
  return Endpoint{server, 80}.ToString();
}

uint64_t Dropped(const World& world) {
  uint64_t sum = 0;
  for (const Counter& drops : world.director->counters().director.drops) {
    sum += drops.value();
  }
  return sum;
}

TEST(DirectorExplainTest, NoServiceAndStandby) {
  World world(World::OneServer());
  EXPECT_EQ(Answer(Explain(world, kClient, "192.0.2.10:81")), "no_service");
  EXPECT_EQ(Answer(Explain(world, kClient, "192.0.2.99:80")), "no_service");
  EXPECT_EQ(Answer(Explain(world, kClient, kVip, Protocol::kUdp)),
            "no_service");
  world.director->SetActive(world.now, false);
  EXPECT_EQ(Answer(Explain(world, kClient, kVip)), "standby");
}

TEST(DirectorExplainTest, WhyAServerIsPassedOver) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80",
                                "10.0.0.4:80", "10.0.0.5:80"});
  service.servers[0].weight = 0;
  service.servers[1].state = config::AdminState::kDisabled;
  service.servers[2].connection_limit = 1;
  World world({.services = {service}});
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.4:80"), false);
  EXPECT_EQ(world.Connect("192.0.2.7:4000", kVip), At("10.0.0.3:80"));
  const Explanation explanation = Explain(world, "192.0.2.7:4001", kVip);
  EXPECT_EQ(Answer(explanation), "10.0.0.5:80");
  EXPECT_EQ(explanation.reason, "schedule");
  EXPECT_THAT(explanation.steps, Contains("server 10.0.0.1:80: of weight 0"));
  EXPECT_THAT(explanation.steps, Contains("server 10.0.0.2:80: disabled"));
  EXPECT_THAT(explanation.steps,
              Contains("server 10.0.0.3:80: at its limit, 1 of 1 connections"));
  EXPECT_THAT(explanation.steps, Contains("server 10.0.0.4:80: down"));
}

TEST(DirectorExplainTest, ThePersistenceEntryIsShown) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  World world({.services = {service}});
  EXPECT_FALSE(Explain(world, kClient, kVip).persistence.has_value());
  EXPECT_EQ(world.Connect(kClient, kVip), At("10.0.0.1:80"));
  world.Advance(absl::Minutes(1));
  const Explanation explanation = Explain(world, "192.0.2.7:4001", kVip);
  EXPECT_EQ(Answer(explanation), "10.0.0.1:80");
  EXPECT_EQ(explanation.reason, "persistence");
  ASSERT_TRUE(explanation.persistence.has_value());
  EXPECT_EQ(explanation.persistence->mode, "src");
  EXPECT_EQ(explanation.persistence->key, "192.0.2.7");
  EXPECT_EQ(explanation.persistence->server, At("10.0.0.1:80"));
  EXPECT_EQ(explanation.persistence->expires_in, absl::Minutes(5));
  // The connection itself.
  const Explanation open = Explain(world, kClient, kVip);
  EXPECT_EQ(open.reason, "connection");
  ASSERT_TRUE(open.connection.has_value());
  EXPECT_EQ(open.connection->state, "ESTABLISHED");
  EXPECT_EQ(open.connection->idle, absl::Minutes(1));
}

TEST(DirectorExplainTest, AMessageGoesByItsField) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"},
                         Protocol::kUdp);
  service.persistence = {.enabled = true,
                         .mode = config::PersistenceMode::kUdpSip,
                         .name = "Call-ID",
                         .timeout = absl::Minutes(6)};
  World::Options options{.services = {service}};
  options.director.keys = *persist::KeyStore::Create({.limit = 100});
  World world(options);
  const auto call = [&](const char* client, const std::string& id) {
    const ExplainOrder::Request request = {.fields = {"Call-ID: " + id}};
    const std::string expected =
        Answer(Explain(world, client, kVip, Protocol::kUdp, request));
    EXPECT_EQ(Answer(Explain(world, client, kVip, Protocol::kUdp, request)),
              expected);
    const std::string text =
        absl::StrCat("INVITE sip:a@b SIP/2.0\r\nCall-ID: ", id, "\r\n\r\n");
    EXPECT_EQ(Got(world.FromClient(World::Udp(client, kVip,
                                              Bytes(text.begin(), text.end()))),
                  kVip),
              expected);
    return expected;
  };
  const std::string first = call("192.0.2.7:5060", "one");
  EXPECT_NE(call("192.0.2.7:5060", "two"), first);
  EXPECT_EQ(call("192.0.2.8:5060", "one"), first);
  const Explanation known =
      Explain(world, "192.0.2.9:5060", kVip, Protocol::kUdp,
              ExplainOrder::Request{.fields = {"Call-ID: one"}});
  EXPECT_EQ(known.reason, "persistence");
  ASSERT_TRUE(known.persistence.has_value());
  EXPECT_EQ(known.persistence->mode, "udpsip");
  EXPECT_EQ(known.persistence->key.size(), 32u);
  // Without the field it goes where its client's flow goes.
  EXPECT_EQ(Answer(Explain(world, "192.0.2.7:5060", kVip, Protocol::kUdp)),
            first);
}

// Random services, servers that come and go, connections that open and close,
// tables that fill up: whatever comes next, the answer was right.
class Course {
 public:
  explicit Course(uint32_t seed)
      : random_(seed),
        world_({.services = MakeServices(), .director = Limits()}) {}

  void Step() {
    const uint32_t what = Random(10);
    if (what == 0) {
      world_.director->SetHealthy(world_.now,
                                  world_.ServerSlot(RandomServer().c_str()),
                                  Random(2) == 0);
    } else if (what == 1) {
      world_.Advance(absl::Seconds(Random(30)));
      world_.Emit();
    } else if (what == 2) {  // The server refuses, or ends.
      const auto& [client, server] = last_;
      if (!server.empty()) {
        world_.FromServer(World::Tcp(server.c_str(), client.c_str(), "RA"));
      }
    } else if (what == 3) {
      const auto& [client, server] = last_;
      if (!server.empty()) {
        world_.FromServer(World::Tcp(server.c_str(), client.c_str(), "SA"));
      }
    } else if (what == 4) {
      world_.FromClient(World::Tcp(Client().c_str(), kVip, "R"));
    } else {
      Ask(Client(), Random(4) == 0 ? kOther : kVip, Random(4) == 0);
    }
  }
  const std::map<std::string, int>& reasons() const { return reasons_; }

 private:
  static constexpr char kOther[] = "192.0.2.10:90";

  uint32_t Random(uint32_t below) {
    return static_cast<uint32_t>(random_() % below);
  }
  std::string Client() {
    // Sometimes a server itself.
    if (Random(20) == 0) return absl::StrCat("10.0.0.1:", 4000 + Random(3));
    return absl::StrCat("192.0.2.", 20 + Random(6), ":", 4000 + Random(3));
  }
  std::string RandomServer() {
    return absl::StrCat("10.0.0.", 1 + Random(4), ":80");
  }
  Director::Options Limits() {
    return {.connections_max = Random(3) == 0 ? 6 : 1000u,
            .persistence_entries_max = 100,
            .fragments_max = 64,
            .pending_frames_max = 8};
  }
  config::VirtualService MakeService(const char* vip, Protocol protocol) {
    using config::Schedule;
    constexpr Schedule kSchedules[] = {
        Schedule::kRoundRobin,      Schedule::kWeightedRoundRobin,
        Schedule::kLeastConnection, Schedule::kWeightedLeastConnection,
        Schedule::kFixed,           Schedule::kSourceHash,
        Schedule::kResponseTime};
    auto service = Service(
        vip, {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"},
        protocol);
    service.schedule = kSchedules[Random(std::size(kSchedules))];
    service.enabled = Random(12) != 0;
    service.servers_min = 1 + Random(2);
    if (Random(3) == 0) {
      service.persistence = {.enabled = true, .timeout = absl::Minutes(1)};
    }
    if (Random(3) == 0) service.sorry_server = {At("10.0.0.9:80")};
    if (service.schedule == Schedule::kLeastConnection && Random(2) == 0) {
      service.slow_start = absl::Seconds(60);
    }
    const bool direct = Random(5) == 0;
    for (config::RealServer& server : service.servers) {
      server.weight = Random(6) == 0 ? 0 : 1 + Random(3) * 1000;
      if (Random(4) == 0) server.connection_limit = 1 + Random(2);
      if (Random(12) == 0) server.state = config::AdminState::kDisabled;
      if (Random(12) == 0) server.state = config::AdminState::kDraining;
      server.critical = Random(12) == 0;
      if (direct) server.forwarding = config::Forwarding::kRoute;
    }
    return service;
  }
  std::vector<config::VirtualService> MakeServices() {
    return {MakeService(kVip, Protocol::kTcp),
            MakeService(kOther, Protocol::kTcp),
            MakeService(kVip, Protocol::kUdp)};
  }

  void Ask(const std::string& client, const char* vip, bool udp) {
    const Protocol protocol = udp ? Protocol::kUdp : Protocol::kTcp;
    const uint64_t dropped = Dropped(world_);
    const uint32_t entries = world_.director->choice().store().size();
    const Explanation first = Explain(world_, client, vip, protocol);
    const Explanation again = Explain(world_, client, vip, protocol);
    ASSERT_EQ(Answer(first), Answer(again));
    ASSERT_EQ(first.steps, again.steps);
    ASSERT_EQ(Dropped(world_), dropped);
    ASSERT_EQ(world_.director->choice().store().size(), entries);
    const std::string got =
        Got(world_.FromClient(udp ? World::Udp(client.c_str(), vip)
                                  : World::Tcp(client.c_str(), vip, "S")),
            vip);
    ASSERT_EQ(Answer(first), got) << ::testing::PrintToString(first.steps);
    ++reasons_[first.reason];
    if (!udp && first.server) last_ = {client, first.server->ToString()};
  }

  std::mt19937_64 random_;
  World world_;
  std::pair<std::string, std::string> last_;  // A client and its server.
  std::map<std::string, int> reasons_;
};

TEST(DirectorExplainTest, TheAnswerIsWhatTheNextPacketGets) {
  std::map<std::string, int> reasons;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    Course course(seed);
    for (int i = 0; i < 120; ++i) {
      course.Step();
      ASSERT_FALSE(::testing::Test::HasFailure())
          << "seed " << seed << ", " << i;
    }
    for (const auto& [reason, count] : course.reasons()) {
      reasons[reason] += count;
    }
  }
  // All that can be came up.
  for (const char* reason :
       {"connection", "persistence", "schedule", "sorry_server", "stateless",
        "no_server", "service_disabled", "connection_table_full",
        "flow_ambiguous", "source_is_destination"}) {
    EXPECT_GT(reasons[reason], 0) << reason;
  }
}

}  // namespace
}  // namespace ballast::l4
