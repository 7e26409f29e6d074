// What the director does with frames, seen from its two networks. Frames are
// made and checked by frame_builder, which shares no code with the director.
#include "lb/l4/director.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "lb/l4/director_world.h"

namespace ballast::l4 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using World = DirectorWorld;

constexpr char kVip[] = "192.0.2.10:80";
constexpr char kClient[] = "192.0.2.7:4000";
constexpr char kVip6[] = "[2001:db8:c::10]:80";
constexpr char kClient6[] = "[2001:db8:c::7]:4000";

World::Options OneServer() {
  return {.services = {Service(kVip, {"10.0.0.1:8080"})}};
}

config::VirtualService Routed(config::VirtualService service) {
  for (auto& server : service.servers) {
    server.forwarding = config::Forwarding::kRoute;
  }
  return service;
}

// ---- Forwarding ---------------------------------------------------------

TEST(DirectorTest, NatRewritesBothWays) {
  World world(OneServer());
  const auto syn = world.FromClient(World::Tcp(kClient, kVip, "S"));
  EXPECT_EQ(syn.ToString(), "192.0.2.7:4000 -> 10.0.0.1:8080");
  EXPECT_EQ(syn.port, World::kServerPort);
  EXPECT_EQ(syn.destination_mac(), MacOf(*Address::Parse("10.0.0.1")));
  EXPECT_TRUE(syn.SumsRight());
  EXPECT_EQ(syn.packet.ttl, 63);
  const auto reply =
      world.FromServer(World::Tcp("10.0.0.1:8080", kClient, "SA"));
  EXPECT_EQ(reply.ToString(), "192.0.2.10:80 -> 192.0.2.7:4000");
  EXPECT_EQ(reply.port, World::kClientPort);
  EXPECT_EQ(reply.destination_mac(), MacOf(*Address::Parse("192.0.2.7")));
  EXPECT_TRUE(reply.SumsRight());
  EXPECT_EQ(reply.packet.ttl, 63);
}

TEST(DirectorTest, NatOverIpv6) {
  World world({.services = {Service(kVip6, {"[2001:db8:5::1]:8080"})}});
  const auto syn = world.FromClient(World::Tcp(kClient6, kVip6, "S"));
  EXPECT_EQ(syn.ToString(), "[2001:db8:c::7]:4000 -> [2001:db8:5::1]:8080");
  EXPECT_TRUE(syn.SumsRight());
  const auto reply =
      world.FromServer(World::Tcp("[2001:db8:5::1]:8080", kClient6, "SA"));
  EXPECT_EQ(reply.ToString(), "[2001:db8:c::10]:80 -> [2001:db8:c::7]:4000");
  EXPECT_TRUE(reply.SumsRight());
}

TEST(DirectorTest, AClientBehindARouterIsAnsweredThroughIt) {
  World world(OneServer());
  const char* far = "198.51.100.3:999";
  world.FromClient(World::Tcp(far, kVip, "S"));
  const auto reply = world.FromServer(World::Tcp("10.0.0.1:8080", far, "SA"));
  EXPECT_EQ(reply.destination_mac(), MacOf(*Address::Parse("192.0.2.254")));
}

TEST(DirectorTest, UdpBothWays) {
  World world({.services = {Service("192.0.2.10:53", {"10.0.0.1:5353"},
                                    Protocol::kUdp)}});
  const auto query = world.FromClient(World::Udp(kClient, "192.0.2.10:53"));
  EXPECT_EQ(query.ToString(), "192.0.2.7:4000 -> 10.0.0.1:5353");
  EXPECT_TRUE(query.SumsRight());
  const auto answer = world.FromServer(World::Udp("10.0.0.1:5353", kClient));
  EXPECT_EQ(answer.ToString(), "192.0.2.10:53 -> 192.0.2.7:4000");
  EXPECT_TRUE(answer.SumsRight());
}

TEST(DirectorTest, DirectReturnChangesMacAndTtlOnly) {
  World world({.services = {Routed(Service(kVip, {"10.0.0.1:80"}))}});
  const Bytes packet = World::Tcp(kClient, kVip, "S");
  const auto syn = world.FromClient(packet);
  EXPECT_EQ(syn.ToString(), "192.0.2.7:4000 -> 192.0.2.10:80");
  EXPECT_EQ(syn.destination_mac(), MacOf(*Address::Parse("10.0.0.1")));
  EXPECT_TRUE(syn.SumsRight());
  const Bytes before = Framed(packet);
  std::set<size_t> changed;
  for (size_t i = 14; i < before.size(); ++i) {
    if (before[i] != syn.bytes[i]) changed.insert(i - 14);
  }
  EXPECT_THAT(changed, ElementsAre(8, 10));  // TTL and the sum's high byte.
}

TEST(DirectorTest, AWildcardServiceKeepsThePort) {
  World world({.services = {Service("192.0.2.10:0", {"10.0.0.1:0"})}});
  EXPECT_EQ(
      world.FromClient(World::Tcp(kClient, "192.0.2.10:4711", "S")).ToString(),
      "192.0.2.7:4000 -> 10.0.0.1:4711");
  EXPECT_EQ(
      world.FromServer(World::Tcp("10.0.0.1:4711", kClient, "SA")).ToString(),
      "192.0.2.10:4711 -> 192.0.2.7:4000");
}

// ---- What is no flow ---------------------------------------------------

TEST(DirectorTest, AFlowBeginsWithASyn) {
  World world(OneServer());
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "not_syn");
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "SA")).ToString(),
            "not_syn");
  EXPECT_EQ(world.drops(DropReason::kNotSyn), 2u);
  EXPECT_EQ(world.director->flow_count(), 0u);
}

TEST(DirectorTest, WithoutPuntWhatIsNoFlowIsDroppedWithItsReason) {
  World world(OneServer());
  EXPECT_EQ(
      world.FromClient(World::Tcp(kClient, "192.0.2.10:81", "S")).ToString(),
      "no_service");
  EXPECT_EQ(world.FromServer(World::Tcp("10.0.0.1:9", "198.51.100.9:80", "S"))
                .ToString(),
            "foreign");
  Bytes other = Framed(World::Tcp(kClient, kVip, "S"));
  other[5] ^= 1;  // Somebody else's MAC.
  EXPECT_EQ(world.SendFrame(other, 0).ToString(), "foreign");
}

TEST(DirectorTest, WithPuntTheHostGetsItAndAnswers) {
  World::Options options = OneServer();
  options.punt = true;
  World world(options);
  const auto request =
      world.FromClient(World::Tcp(kClient, "192.0.2.10:81", "S"));
  EXPECT_EQ(request.port, World::kPuntPort);
  EXPECT_EQ(request.destination_mac(), kHostMac);
  EXPECT_EQ(request.ToString(), "192.0.2.7:4000 -> 192.0.2.10:81");
  EXPECT_EQ(request.packet.ttl, 64);
  const auto reply =
      world.Send(World::Tcp("192.0.2.10:81", kClient, "SA"), World::kPuntPort);
  EXPECT_EQ(reply.port, World::kClientPort);
  EXPECT_EQ(reply.destination_mac(), MacOf(*Address::Parse("192.0.2.7")));
  // A server's own traffic through its gateway, too.
  const auto outbound =
      world.FromServer(World::Tcp("10.0.0.1:9", "198.51.100.9:80", "S"));
  EXPECT_EQ(outbound.port, World::kPuntPort);
}

TEST(DirectorTest, ADisabledServiceTakesNothingNewAndKeepsItsFlows) {
  World world(OneServer());
  world.Connect(kClient, kVip);
  auto service = Service(kVip, {"10.0.0.1:8080"});
  service.enabled = false;
  world.Configure({service});
  EXPECT_EQ(world.FromClient(World::Tcp("192.0.2.8:1", kVip, "S")).ToString(),
            "service_disabled");
  EXPECT_TRUE(world.FromClient(World::Tcp(kClient, kVip, "A")).sent());
}

TEST(DirectorTest, AStandbyForwardsAndAnswersNothing) {
  World::Options options = OneServer();
  options.active = false;
  World world(options);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
            "standby");
  EXPECT_THAT(world.Emit(), IsEmpty());
}

// ---- TTL, MTU, ICMP ----------------------------------------------------

TEST(DirectorTest, TtlOneIsAnsweredByTimeExceeded) {
  World world(OneServer());
  const Endpoint from = *Endpoint::Parse(kClient), to = *Endpoint::Parse(kVip);
  const auto reply =
      world.FromClient(Ipv4(from.address, to.address, kProtocolTcp,
                            Tcp(from, to, {.flags = kTcpSyn}), {.ttl = 1}));
  ASSERT_TRUE(reply.sent());
  EXPECT_EQ(reply.port, World::kClientPort);
  EXPECT_EQ(reply.packet.kind, PacketKind::kIcmpError);
  EXPECT_EQ(reply.packet.icmp_type, 11);
  EXPECT_EQ(reply.source().address, to.address);
  EXPECT_EQ(reply.destination().address, from.address);
  EXPECT_TRUE(reply.SumsRight());
  EXPECT_EQ(world.director->flow_count(), 0u);
}

TEST(DirectorTest, TooBigForTheServersLinkIsToldToTheClient) {
  World::Options options = OneServer();
  options.server_mtu = 1400;
  World world(options);
  world.Connect(kClient, kVip);
  const auto reply =
      world.FromClient(World::Tcp(kClient, kVip, "A", 1001, 5001, Bytes(1380)));
  ASSERT_TRUE(reply.sent());
  EXPECT_EQ(reply.packet.kind, PacketKind::kIcmpError);
  EXPECT_EQ(reply.packet.icmp_type, 3);
  EXPECT_EQ(LoadBig16(reply.frame.data + reply.packet.l4 + 6), 1400);
}

TEST(DirectorTest, ASuperFrameIsMeasuredByItsSegments) {
  World::Options options = OneServer();
  options.server_mtu = 1400;
  World world(options);
  world.Connect(kClient, kVip);
  Bytes bytes =
      Framed(World::Tcp(kClient, kVip, "A", 1001, 5001, Bytes(20000)));
  std::copy(kOurMac.bytes.begin(), kOurMac.bytes.end(), bytes.begin());
  const auto offload = [](uint16_t segment) {
    return Offload{.segmentation = Offload::Segmentation::kTcpV4,
                   .segment_size = segment};
  };
  const auto small = world.SendFrame(bytes, 0, offload(1360));
  EXPECT_EQ(small.ToString(), "192.0.2.7:4000 -> 10.0.0.1:8080");
  EXPECT_EQ(small.frame.offload.segment_size, 1360);
  const auto large = world.SendFrame(bytes, 0, offload(1361));
  EXPECT_EQ(large.packet.kind, PacketKind::kIcmpError);
}

// An ICMP "fragmentation needed" from `reporter` that quotes a TCP packet.
Bytes TooBig(const char* reporter, const char* quoted_source,
             const char* quoted_destination) {
  const Endpoint source = *Endpoint::Parse(quoted_source);
  const Endpoint destination = *Endpoint::Parse(quoted_destination);
  const Bytes quoted = IpPacket(source.address, destination.address,
                                kProtocolTcp, Tcp(source, destination));
  const Address from = *Address::Parse(reporter);
  if (from.is_v4()) {
    return Ipv4(
        from, source.address, kProtocolIcmp,
        Icmp(from, source.address, 3, 4, Concat({{0, 0, 0x05, 0x14}, quoted})));
  }
  return Ipv6(
      from, source.address, kProtocolIcmpV6,
      Icmp(from, source.address, 2, 0, Concat({{0, 0, 0x05, 0x14}, quoted})));
}

struct PmtuCase {
  const char* name;
  const char *client, *vip, *server, *client_router, *server_router;
};
class DirectorPathMtuTest : public ::testing::TestWithParam<PmtuCase> {};

TEST_P(DirectorPathMtuTest, AnErrorReachesTheEndThatSentThePacket) {
  const PmtuCase& c = GetParam();
  World world({.services = {Service(c.vip, {c.server})}});
  world.Connect(c.client, c.vip);
  const Endpoint client = *Endpoint::Parse(c.client);
  const Endpoint vip = *Endpoint::Parse(c.vip);
  const Endpoint server = *Endpoint::Parse(c.server);

  // A router on the client's side could not pass on a reply.
  const auto to_server =
      world.FromClient(TooBig(c.client_router, c.vip, c.client));
  ASSERT_TRUE(to_server.sent()) << to_server.ToString();
  EXPECT_EQ(to_server.port, World::kServerPort);
  EXPECT_EQ(to_server.destination().address, server.address);
  EXPECT_EQ(EmbeddedSourceAddress(to_server.frame, to_server.packet),
            server.address);
  EXPECT_EQ(to_server.packet.embedded.source_port, server.port);
  EXPECT_EQ(to_server.packet.embedded.destination_port, client.port);
  EXPECT_TRUE(to_server.SumsRight());

  // A router on the servers' side could not pass on a request.
  const auto to_client =
      world.FromServer(TooBig(c.server_router, c.client, c.server));
  ASSERT_TRUE(to_client.sent()) << to_client.ToString();
  EXPECT_EQ(to_client.port, World::kClientPort);
  EXPECT_EQ(to_client.destination().address, client.address);
  EXPECT_EQ(EmbeddedDestinationAddress(to_client.frame, to_client.packet),
            vip.address);
  EXPECT_EQ(to_client.packet.embedded.destination_port, vip.port);
  EXPECT_TRUE(to_client.SumsRight());
}

INSTANTIATE_TEST_SUITE_P(
    , DirectorPathMtuTest,
    ::testing::Values(PmtuCase{"V4", kClient, kVip, "10.0.0.1:8080",
                               "192.0.2.254", "10.0.0.99"},
                      PmtuCase{"V6", kClient6, kVip6, "[2001:db8:5::1]:8080",
                               "2001:db8:c::fe", "2001:db8:5::63"}),
    [](const auto& info) { return info.param.name; });

TEST(DirectorTest, AnErrorAboutNoFlowIsDropped) {
  World world(OneServer());
  EXPECT_EQ(world.FromClient(TooBig("192.0.2.254", kVip, kClient)).ToString(),
            "icmp_unmatched");
}

TEST(DirectorTest, EchoToAFloatingAddressIsAnswered) {
  World world(OneServer());
  const Address client = Ip("192.0.2.7"), vip = Ip("192.0.2.10");
  const auto reply = world.FromClient(
      Ipv4(client, vip, kProtocolIcmp,
           Icmp(client, vip, 8, 0, {0x12, 0x34, 0, 1, 'h', 'i'})));
  ASSERT_TRUE(reply.sent());
  EXPECT_EQ(reply.packet.icmp_type, 0);
  EXPECT_EQ(reply.source().address, vip);
  EXPECT_TRUE(reply.SumsRight());
}

TEST(DirectorTest, FragmentsFollowTheirFirst) {
  World world({.services = {Service("192.0.2.10:53", {"10.0.0.1:5353"},
                                    Protocol::kUdp)}});
  const Endpoint from = *Endpoint::Parse(kClient);
  const Endpoint to = *Endpoint::Parse("192.0.2.10:53");
  const Bytes whole = Udp(from, to, Bytes(64));
  const Bytes first(whole.begin(), whole.begin() + 40);
  const Bytes rest(whole.begin() + 40, whole.end());
  const auto fragment = [&](const Bytes& part, uint16_t field) {
    return world.FromClient(Ipv4(from.address, to.address, kProtocolUdp, part,
                                 {.id = 77, .fragment = field}));
  };
  EXPECT_EQ(fragment(rest, 5).ToString(), "fragment_unknown");
  EXPECT_TRUE(fragment(first, 0x2000).sent());
  const auto later = fragment(rest, 5);
  ASSERT_TRUE(later.sent());
  EXPECT_EQ(later.destination().address, *Address::Parse("10.0.0.1"));
  EXPECT_TRUE(IpSumRight(later.frame, later.packet.l3));
}

// ---- Neighbours --------------------------------------------------------

Bytes ArpRequest(const char* sender, const char* target) {
  const Address from = Ip(sender), to = Ip(target);
  const MacAddress mac = MacOf(from);
  Bytes arp = FromHex("0001 0800 06 04 0001");
  arp.insert(arp.end(), mac.bytes.begin(), mac.bytes.end());
  arp.insert(arp.end(), from.wire().begin(), from.wire().end());
  arp.insert(arp.end(), 6, 0);
  arp.insert(arp.end(), to.wire().begin(), to.wire().end());
  Bytes frame(6, 0xff);
  frame.insert(frame.end(), mac.bytes.begin(), mac.bytes.end());
  frame.insert(frame.end(), {0x08, 0x06});
  frame.insert(frame.end(), arp.begin(), arp.end());
  return frame;
}

TEST(DirectorTest, ArpIsAnsweredForFloatingAddressesOnTheirNetworkOnly) {
  World world(OneServer());
  const auto reply = world.SendFrame(ArpRequest("192.0.2.7", "192.0.2.10"), 0);
  ASSERT_TRUE(reply.sent()) << reply.ToString();
  EXPECT_EQ(reply.port, 0);
  EXPECT_EQ(reply.destination_mac(), MacOf(Ip("192.0.2.7")));
  EXPECT_EQ(reply.bytes[21], 2);  // A reply.
  EXPECT_TRUE(std::equal(kOurMac.bytes.begin(), kOurMac.bytes.end(),
                         reply.bytes.begin() + 22));
  EXPECT_EQ(
      world.SendFrame(ArpRequest("192.0.2.7", "192.0.2.11"), 0).ToString(),
      "foreign");
  EXPECT_EQ(world.SendFrame(ArpRequest("10.0.0.1", "192.0.2.10"), 1).ToString(),
            "foreign");
}

TEST(DirectorTest, AnAddressInUseIsNotClaimed) {
  World::Options options = OneServer();
  options.active = false;
  World world(options);
  world.director->SetActive(world.now, true);
  EXPECT_THAT(world.Emit(), SizeIs(1));  // The first probe.
  world.SendFrame(ArpRequest("192.0.2.10", "192.0.2.10"), 0);
  world.Advance(absl::Seconds(5));
  EXPECT_THAT(world.Emit(), IsEmpty());
  EXPECT_EQ(
      world.SendFrame(ArpRequest("192.0.2.7", "192.0.2.10"), 0).ToString(),
      "foreign");
  EXPECT_GE(world.director->counters().director.address_conflicts.value(), 1u);
}

TEST(DirectorTest, AFrameWaitsForItsNeighbourAndThenGoes) {
  World::Options options = OneServer();
  options.neighbours_known = false;
  World world(options);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
            "held");
  EXPECT_THAT(world.director->TakeUnresolved(),
              ElementsAre(NeighbourKey{1, Ip("10.0.0.1")}));
  EXPECT_THAT(world.Emit(), IsEmpty());
  world.SetView(true);
  const auto emitted = world.Emit();
  ASSERT_THAT(emitted, SizeIs(1));
  EXPECT_EQ(emitted[0].ToString(), "192.0.2.7:4000 -> 10.0.0.1:8080");
  EXPECT_EQ(emitted[0].destination_mac(), MacOf(Ip("10.0.0.1")));
}

TEST(DirectorTest, AFrameWaitsASecondAndNoLonger) {
  World::Options options = OneServer();
  options.neighbours_known = false;
  World world(options);
  world.FromClient(World::Tcp(kClient, kVip, "S"));
  world.Advance(absl::Seconds(1));
  const auto emitted = world.Emit();
  ASSERT_THAT(emitted, SizeIs(1));
  EXPECT_EQ(emitted[0].ToString(), "neighbour_unresolved");
}

TEST(DirectorTest, WaitingFramesAreBounded) {
  World::Options options = OneServer();
  options.neighbours_known = false;
  World world(options);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
              "held");
  }
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
            "neighbour_queue_full");
}

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
  World world(OneServer());
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
  World::Options options = OneServer();
  options.drop_on_fail = true;
  World world(options);
  world.Connect(kClient, kVip);
  EXPECT_THAT(world.Emit(), IsEmpty());
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.1:8080"),
                             false);
  EXPECT_THAT(world.Emit(), SizeIs(2));
}

TEST(DirectorTest, WithoutDropOnFailTheFlowsOfAFailedServerAreLeft) {
  World world(OneServer());
  world.Connect(kClient, kVip);
  world.director->SetHealthy(world.now, world.ServerSlot("10.0.0.1:8080"),
                             false);
  EXPECT_THAT(world.Emit(), IsEmpty());
  EXPECT_TRUE(world.FromClient(World::Tcp(kClient, kVip, "A")).sent());
}

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
  World world(OneServer());
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
  World::Options options = OneServer();
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
  World::Options options = OneServer();
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
  service.servers.push_back({.endpoint = *Endpoint::Parse("10.0.0.3:80")});
  world.Configure({service});
  ASSERT_EQ(world.ServerSlot("10.0.0.3:80"), 0);
  EXPECT_EQ(world.Connect("192.0.2.7:4001", kVip).ToString(), "10.0.0.2:80");
}

TEST(DirectorTest, CountersEqualWhatPassed) {
  World world(OneServer());
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
