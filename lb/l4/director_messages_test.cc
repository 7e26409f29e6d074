// Services whose datagrams go each by what it says: persistence mode UDP_SIP
// (LoadMaster behaviour §4.5, §4.6, §5.2).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "lb/l4/director.h"
#include "lb/l4/director_world.h"
#include "persist/key_store.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;

constexpr char kSip[] = "192.0.2.10:5060";
constexpr char kProxy[] = "192.0.2.7:5060";
constexpr char kOtherProxy[] = "192.0.2.8:5060";
constexpr char kOne[] = "10.0.0.1:5060";
constexpr char kTwo[] = "10.0.0.2:5060";
constexpr absl::Duration kTimeout = absl::Minutes(6);

Bytes ToBytes(absl::string_view text) {
  return Bytes(text.begin(), text.end());
}

// RFC 3261 §24.2, F1, with a call's own name.
Bytes Invite(absl::string_view call, absl::string_view field = "Call-ID") {
  return ToBytes(
      absl::StrCat("INVITE sip:bob@biloxi.com SIP/2.0\r\n"
                   "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8\r\n"
                   "Max-Forwards: 70\r\n"
                   "To: Bob <sip:bob@biloxi.com>\r\n"
                   "From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n",
                   field, ": ", call,
                   "\r\nCSeq: 314159 INVITE\r\n"
                   "Contact: <sip:alice@pc33.atlanta.com>\r\n"
                   "Content-Length: 0\r\n\r\n"));
}

// RFC 4475's, as printed there.
Bytes Torture(const char* name) {
  std::ifstream file(absl::StrCat("persist/testdata/sip_", name, ".bin"),
                     std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::shared_ptr<persist::KeyStore> Keys(uint32_t limit = 1000) {
  auto store = persist::KeyStore::Create({.limit = limit});
  BALLAST_CHECK(store.ok());
  return *std::move(store);
}

config::VirtualService SipService(std::vector<const char*> servers = {kOne,
                                                                      kTwo},
                                  const char* vip = kSip) {
  auto service = Service(vip, std::move(servers), Protocol::kUdp);
  service.persistence = {.enabled = true,
                         .mode = config::PersistenceMode::kUdpSip,
                         .name = "Call-ID",
                         .timeout = kTimeout};
  return service;
}

World::Options Sip(config::VirtualService service = SipService(),
                   std::shared_ptr<persist::KeyStore> keys = Keys()) {
  World::Options options{.services = {std::move(service)}};
  options.director.keys = std::move(keys);
  return options;
}

// The server that a datagram goes to, or why it goes to none.
std::string Placed(World& world, const char* client, const Bytes& message,
                   const char* vip = kSip) {
  const auto outcome = world.FromClient(World::Udp(client, vip, message));
  if (!outcome.sent()) return outcome.ToString();
  EXPECT_TRUE(outcome.SumsRight());
  return outcome.destination().ToString();
}
std::string Replied(World& world, const char* server, const char* client) {
  return world.FromServer(World::Udp(server, client, Invite("reply")))
      .ToString();
}

const ServiceCounters& Counted(const World& world) {
  return *world.director->counters().services.Get(0);
}

TEST(DirectorMessagesTest, CallsOfOneAddressAndPortSpread) {
  World world(Sip());
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, Invite("c")), kOne);
  // What belongs to a call follows it, retransmitted or not.
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(world.director->flow_count(), 2u);  // One to each server.
  EXPECT_EQ(Counted(world).followed.value(), 2u);
  // Both servers' replies come from the service.
  EXPECT_EQ(Replied(world, kOne, kProxy), "192.0.2.10:5060 -> 192.0.2.7:5060");
  EXPECT_EQ(Replied(world, kTwo, kProxy), "192.0.2.10:5060 -> 192.0.2.7:5060");
}

TEST(DirectorMessagesTest, ACallGoesToOneServerWhoeverSendsIt) {
  World world(Sip());
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, kOtherProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(world, kOtherProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, "198.51.100.1:40000", Invite("a")), kOne);
  EXPECT_EQ(Replied(world, kOne, kOtherProxy),
            "192.0.2.10:5060 -> 192.0.2.8:5060");
  // The compact form is the same field (RFC 3261 §7.3.3).
  EXPECT_EQ(Placed(world, "198.51.100.2:5060", Invite("b", "i")), kTwo);
}

TEST(DirectorMessagesTest, AnotherHeaderFieldMayBeTheKey) {
  auto service = SipService();
  service.persistence.name = "From";
  World world(Sip(service));
  // One caller, two calls.
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, kOtherProxy, Invite("b")), kOne);
}

TEST(DirectorMessagesTest, TortureMessagesArePlacedByTheirCalls) {
  World world(Sip());
  for (const char* name : {"wsinv", "intmeth", "esc01", "esc02", "badvers"}) {
    const std::string server = Placed(world, kProxy, Torture(name));
    EXPECT_TRUE(server == kOne || server == kTwo) << name << ": " << server;
    EXPECT_EQ(Placed(world, kOtherProxy, Torture(name)), server) << name;
  }
  // §3.1.1.1 writes its call in folds and blanks.
  EXPECT_EQ(
      Placed(world, "198.51.100.2:5060", Invite("wsinv.ndaksdj@192.0.2.1")),
      Placed(world, kProxy, Torture("wsinv")));
  EXPECT_EQ(Counted(world).keyless.value(), 0u);
}

// §4.5: without the key there is no persistence.
TEST(DirectorMessagesTest, WhatHasNoKeyFollowsItsFlow) {
  const auto keys = Keys();
  World world(Sip(SipService(), keys));
  const Bytes ping = ToBytes("\r\n\r\n");  // RFC 5626 §3.5.1, sent by many.
  const Bytes other = ToBytes("GET / HTTP/1.1\r\nCall-ID: a\r\n\r\n");
  EXPECT_EQ(Placed(world, kProxy, ping), kOne);
  EXPECT_EQ(Placed(world, kProxy, other), kOne);
  EXPECT_EQ(keys->size(), 0u);
  EXPECT_EQ(Placed(world, kOtherProxy, ping), kTwo);  // Scheduled.
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, ping), kOne);
  EXPECT_EQ(keys->size(), 2u);
  EXPECT_EQ(Counted(world).keyless.value(), 4u);
  EXPECT_EQ(Counted(world).followed.value(), 0u);
}

TEST(DirectorMessagesTest, AnEntryEndsAtItsTimeoutAndEachDatagramStartsIt) {
  World world(Sip(SipService({kOne, kTwo, "10.0.0.3:5060"})));
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  world.Advance(kTimeout - absl::Nanoseconds(1));
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  world.Advance(kTimeout - absl::Nanoseconds(1));
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  world.Advance(kTimeout);  // At equality it is over.
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), "10.0.0.3:5060");
}

TEST(DirectorMessagesTest, AServerThatIsDownLosesItsCalls) {
  World world(Sip());
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  world.director->SetHealthy(world.now, world.ServerSlot(kOne), false);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kTwo);
  world.director->SetHealthy(world.now, world.ServerSlot(kOne), true);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kTwo);  // A new entry.
}

TEST(DirectorMessagesTest, ADisabledServerLosesItsCallsADrainingOneLater) {
  World world(Sip());
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  auto service = SipService();
  service.servers[1].state = config::AdminState::kDraining;
  service.servers[1].drain_time = absl::Seconds(60);
  world.Configure({service});
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(world, kOtherProxy, Invite("c")), kOne);
  world.Advance(absl::Seconds(60));
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kOne);
  service.servers[1].state = config::AdminState::kEnabled;
  service.servers[0].state = config::AdminState::kDisabled;
  world.Configure({service});
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
}

TEST(DirectorMessagesTest, AFullServerKeepsTheCallsOfItsFlows) {
  auto service = SipService();
  service.servers[0].connection_limit = 1;
  World world(Sip(service));
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, Invite("c")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);  // By an open flow.
  // A new one would be one too many; the entry stays meanwhile.
  EXPECT_EQ(Placed(world, kOtherProxy, Invite("a")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
}

TEST(DirectorMessagesTest, WithoutAServerTheSorryServerTakesItUnremembered) {
  const auto keys = Keys();
  auto service = SipService({kOne});
  World world(Sip(service, keys));
  world.director->SetHealthy(world.now, world.ServerSlot(kOne), false);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), "no_server");
  EXPECT_EQ(Counted(world).refused.value(), 1u);
  service.sorry_server = {.endpoint = *Endpoint::Parse("10.0.0.9:5060")};
  world.Configure({service});
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), "10.0.0.9:5060");
  EXPECT_EQ(keys->size(), 0u);
  world.director->SetHealthy(world.now, world.ServerSlot(kOne), true);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
}

TEST(DirectorMessagesTest, ADisabledServiceKeepsWhatItHas) {
  World world(Sip());
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  auto service = SipService();
  service.enabled = false;
  world.Configure({service});
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, Invite("c")), "service_disabled");
  EXPECT_EQ(Placed(world, kOtherProxy, Invite("a")), "service_disabled");
  EXPECT_EQ(Placed(world, kOtherProxy, ToBytes("\r\n")), "service_disabled");
}

TEST(DirectorMessagesTest, FragmentsFollowTheirFirst) {
  World world(Sip());
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  const Endpoint from = *Endpoint::Parse(kProxy);
  const Endpoint to = *Endpoint::Parse(kSip);
  Bytes message = Invite("b");
  message.resize(message.size() + 1000, 'v');  // As a long body would.
  const Bytes whole = Udp(from, to, message);
  const Bytes first(whole.begin(), whole.begin() + 800);
  const Bytes rest(whole.begin() + 800, whole.end());
  const auto fragment = [&](const Bytes& part, uint16_t field) {
    return world.FromClient(Ipv4(from.address, to.address, kProtocolUdp, part,
                                 {.id = 77, .fragment = field}));
  };
  EXPECT_EQ(fragment(first, 0x2000).destination().ToString(), kTwo);
  EXPECT_EQ(fragment(rest, 100).destination().address.ToString(), "10.0.0.2");
}

TEST(DirectorMessagesTest, WithDirectReturnTheMacSaysWhich) {
  auto service = SipService({"10.0.0.1:5060", "10.0.0.2:5060"});
  for (auto& server : service.servers) {
    server.forwarding = config::Forwarding::kRoute;
  }
  World world(Sip(service));
  const auto mac = [&](const char* client, absl::string_view call) {
    return world.FromClient(World::Udp(client, kSip, Invite(call)))
        .destination_mac();
  };
  const MacAddress one = MacOf(Ip("10.0.0.1")), two = MacOf(Ip("10.0.0.2"));
  EXPECT_EQ(mac(kProxy, "a"), one);
  EXPECT_EQ(mac(kProxy, "b"), two);
  EXPECT_EQ(mac(kProxy, "a"), one);
  EXPECT_EQ(mac(kProxy, "b"), two);
  EXPECT_EQ(mac(kOtherProxy, "b"), two);
  EXPECT_EQ(world.director->flow_count(), 3u);
  // What such a server sends from its own address is its own affair.
  EXPECT_EQ(Replied(world, kTwo, kProxy), "foreign");
}

TEST(DirectorMessagesTest, Ipv6) {
  constexpr char kSip6[] = "[2001:db8:c::10]:5060";
  World world(
      Sip(SipService({"[2001:db8:5::1]:5060", "[2001:db8:5::2]:5060"}, kSip6)));
  constexpr char kProxy6[] = "[2001:db8:c::7]:5060";
  EXPECT_EQ(Placed(world, kProxy6, Invite("a"), kSip6), "[2001:db8:5::1]:5060");
  EXPECT_EQ(Placed(world, kProxy6, Invite("b"), kSip6), "[2001:db8:5::2]:5060");
  EXPECT_EQ(Placed(world, kProxy6, Invite("a"), kSip6), "[2001:db8:5::1]:5060");
  EXPECT_EQ(Replied(world, "[2001:db8:5::2]:5060", kProxy6),
            "[2001:db8:c::10]:5060 -> [2001:db8:c::7]:5060");
}

// Each with its own idle time; the first one's end leaves the others.
TEST(DirectorMessagesTest, FlowsOfATupleEndEachByItself) {
  auto service = SipService();
  service.idle_timeout = absl::Seconds(100);
  World world(Sip(service));
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  world.Advance(absl::Seconds(60));
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  world.Advance(absl::Seconds(60));
  world.Emit();
  EXPECT_EQ(world.director->flow_count(), 1u);
  EXPECT_EQ(Replied(world, kTwo, kProxy), "192.0.2.10:5060 -> 192.0.2.7:5060");
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  EXPECT_EQ(world.director->flow_count(), 1u);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(world.director->flow_count(), 2u);
}

TEST(DirectorMessagesTest, WithoutRoomForFlowsCallsKeepTheirServers) {
  auto options = Sip();
  options.director.connections_max = 1;
  World world(options);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  for (int i = 0; i < 4; ++i) {
    const char* server = i % 2 == 0 ? kTwo : kOne;
    const std::string call = absl::StrCat("more", i);
    EXPECT_EQ(Placed(world, kProxy, Invite(call)), server);
    EXPECT_EQ(Placed(world, kOtherProxy, Invite(call)), server);
  }
  EXPECT_EQ(Replied(world, kTwo, kOtherProxy),
            "192.0.2.10:5060 -> 192.0.2.8:5060");
  EXPECT_EQ(world.director->flow_count(), 1u);
  EXPECT_GT(Counted(world).stateless.value(), 0u);
}

// Threads, or the units of a pair that tell each other what they enter.
TEST(DirectorMessagesTest, DirectorsWithOneStoreAgree) {
  const auto keys = Keys();
  World one(Sip(SipService(), keys)), two(Sip(SipService(), keys));
  EXPECT_EQ(Placed(one, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(one, kProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(two, kOtherProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(two, kOtherProxy, Invite("a")), kOne);
}

TEST(DirectorMessagesTest, AFullStoreRefusesEntriesNotCalls) {
  const auto keys = Keys(1);
  World world(Sip(SipService(), keys));
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kOne);
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  EXPECT_EQ(keys->stats().refused_full, 2u);
}

TEST(DirectorMessagesTest, RepliesPassAfterATakeover) {
  World world(Sip());
  world.director->SetActive(world.now, false);
  EXPECT_EQ(Replied(world, kTwo, kProxy), "standby");
  world.director->SetActive(world.now, true, /*at_once=*/true);
  world.Emit();
  // Of a call whose flow was not told: its server answers first.
  EXPECT_EQ(Replied(world, kTwo, kProxy), "192.0.2.10:5060 -> 192.0.2.7:5060");
  EXPECT_EQ(Replied(world, "10.0.0.2:53", kProxy), "foreign");
}

TEST(DirectorMessagesTest, OneFlowOfATupleIsTold) {
  World world(Sip());
  world.director->SetSync({.settings = {.threshold = 1, .period = 2}});
  world.director->StartTelling(world.now);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
    EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  }
  std::array<ha::SyncRecord, 16> records;
  const size_t count = world.director->TakeChanges(world.now, records);
  ASSERT_GT(count, 0u);
  for (size_t i = 0; i < count; ++i) {
    EXPECT_EQ(records[i].server.ToString(), kOne);
  }
  EXPECT_EQ(world.director->Mark(world.now).count, 1u);
  ha::StateTable::Cursor cursor;
  EXPECT_EQ(world.director->Export(world.now, cursor, records), 1u);
  EXPECT_EQ(records[0].server.ToString(), kOne);
}

TEST(DirectorMessagesTest, WhatLiesBesideGivesWayWhenTheModeChanges) {
  auto service = SipService();
  service.idle_timeout = absl::Seconds(100);
  World world(Sip(service));
  EXPECT_EQ(Placed(world, kProxy, Invite("a")), kOne);
  world.Advance(absl::Seconds(60));
  EXPECT_EQ(Placed(world, kProxy, Invite("b")), kTwo);
  world.Advance(absl::Seconds(60));
  world.Emit();  // The first is gone.
  service.persistence = {};
  service.servers.erase(service.servers.begin());
  world.Configure({service});
  EXPECT_EQ(Placed(world, kProxy, Invite("c")), kTwo);
  EXPECT_EQ(Placed(world, kProxy, Invite("d")), kTwo);
  EXPECT_EQ(world.director->flow_count(), 1u);
  EXPECT_EQ(Replied(world, kTwo, kProxy), "192.0.2.10:5060 -> 192.0.2.7:5060");
}

// Goal    whatever is sent, when, by whom, each call is where the rules say.
// Method  a map from call to server and time, the health of three servers, and
//         ten thousand datagrams; the scheduler's choice is taken as it is.
TEST(DirectorMessagesTest, CallsAreWhereANaiveModelHasThem) {
  const std::vector<const char*> servers = {kOne, kTwo, "10.0.0.3:5060"};
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 prng(seed);
    const auto below = [&](uint32_t n) { return prng() % n; };
    auto service = SipService(servers);
    service.idle_timeout = absl::Minutes(3);
    World world(Sip(service));
    struct Call {
      std::string server;
      Instant until;
    };
    std::map<std::string, Call> calls;
    std::map<std::string, bool> up;
    for (const char* server : servers) up[server] = true;
    for (int step = 0; step < 2500; ++step) {
      if (below(20) == 0) {
        const char* server = servers[below(3)];
        up[server] = !up[server];
        world.director->SetHealthy(world.now, world.ServerSlot(server),
                                   up[server]);
      }
      if (below(4) == 0) {
        world.Advance(absl::Seconds(below(10) == 0 ? below(400) : below(5)));
        world.Emit();
      }
      const std::string client =
          absl::StrCat("192.0.2.", 7 + below(3), ":", 5060 + below(2));
      const std::string id = absl::StrCat("call", below(12));
      const std::string server = Placed(world, client.c_str(), Invite(id));
      const auto call = calls.find(id);
      if (call != calls.end() && world.now < call->second.until &&
          up[call->second.server]) {
        ASSERT_EQ(server, call->second.server) << step;
      } else if (std::none_of(up.begin(), up.end(),
                              [](const auto& one) { return one.second; })) {
        ASSERT_EQ(server, "no_server") << step;
      } else {
        ASSERT_TRUE(up[server]) << server << " at " << step;
      }
      if (server == "no_server") {
        calls.erase(id);
        continue;
      }
      calls[id] = {server, world.now + kTimeout};
      ASSERT_EQ(Replied(world, server.c_str(), client.c_str()),
                absl::StrCat(kSip, " -> ", client))
          << step;
    }
  }
}

}  // namespace
}  // namespace ballast::l4
