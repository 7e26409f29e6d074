// What the director does with packets, seen from its two networks. Frames are
// made and checked by frame_builder, which shares no code with the director.
#include "lb/l4/director.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "lb/l4/director_world.h"

namespace ballast::l4 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using World = DirectorWorld;

config::VirtualService Routed(config::VirtualService service) {
  for (auto& server : service.servers) {
    server.forwarding = config::Forwarding::kRoute;
  }
  return service;
}

// ---- Forwarding ---------------------------------------------------------

TEST(DirectorTest, NatRewritesBothWays) {
  World world(World::OneServer());
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
  World world(World::OneServer());
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

TEST(DirectorTest, AServerIsNotSentWhatItSentItself) {
  World world({.services = {Service(kVip, {"10.0.0.1:8080"}),
                            Service("192.0.2.11:80", {"10.0.0.1:80"})}});
  EXPECT_EQ(world.FromServer(World::Tcp("10.0.0.1:4000", kVip, "S")).ToString(),
            "source_is_destination");
  EXPECT_EQ(world.director->flow_count(), 0u);
  EXPECT_TRUE(world.FromServer(World::Tcp("10.0.0.2:4000", kVip, "S")).sent());
}

// ---- What is no flow ---------------------------------------------------

TEST(DirectorTest, AFlowBeginsWithASyn) {
  World world(World::OneServer());
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "A")).ToString(),
            "not_syn");
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "SA")).ToString(),
            "not_syn");
  EXPECT_EQ(world.drops(DropReason::kNotSyn), 2u);
  EXPECT_EQ(world.director->flow_count(), 0u);
}

TEST(DirectorTest, WithoutPuntWhatIsNoFlowIsDroppedWithItsReason) {
  World world(World::OneServer());
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
  World::Options options = World::OneServer();
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
  World world(World::OneServer());
  world.Connect(kClient, kVip);
  auto service = Service(kVip, {"10.0.0.1:8080"});
  service.enabled = false;
  world.Configure({service});
  EXPECT_EQ(world.FromClient(World::Tcp("192.0.2.8:1", kVip, "S")).ToString(),
            "service_disabled");
  EXPECT_TRUE(world.FromClient(World::Tcp(kClient, kVip, "A")).sent());
}

TEST(DirectorTest, AStandbyForwardsAndAnswersNothing) {
  World::Options options = World::OneServer();
  options.active = false;
  World world(options);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
            "standby");
  EXPECT_THAT(world.Emit(), IsEmpty());
}

// ---- TTL, MTU, ICMP ----------------------------------------------------

TEST(DirectorTest, TtlOneIsAnsweredByTimeExceeded) {
  World world(World::OneServer());
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
  World::Options options = World::OneServer();
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

// A server with direct return has the VIP on its loopback and takes what comes
// from there for forged (Linux: "martian source"; RFC 1812 §5.3.7). Routers
// speak from the link the packet came by (§4.3.2.4).
TEST(DirectorTest, TooBigForTheClientsLinkIsToldByTheServersGateway) {
  World::Options options = World::OneServer();
  options.client_mtu = 1400;
  options.gateways = {"192.0.2.250", "10.0.0.254"};
  World world(options);
  world.Connect(kClient, kVip);
  const auto reply = world.FromServer(
      World::Tcp("10.0.0.1:8080", kClient, "A", 5001, 1001, Bytes(1380)));
  ASSERT_TRUE(reply.sent());
  EXPECT_EQ(reply.port, World::kServerPort);
  EXPECT_EQ(reply.packet.icmp_type, 3);
  EXPECT_EQ(LoadBig16(reply.frame.data + reply.packet.l4 + 6), 1400);
  EXPECT_EQ(reply.source().address, *Address::Parse("10.0.0.254"));
  EXPECT_EQ(reply.destination().address, *Address::Parse("10.0.0.1"));
  EXPECT_TRUE(reply.SumsRight());
}

TEST(DirectorTest, ASuperFrameIsMeasuredByItsSegments) {
  World::Options options = World::OneServer();
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
  World world(World::OneServer());
  EXPECT_EQ(world.FromClient(TooBig("192.0.2.254", kVip, kClient)).ToString(),
            "icmp_unmatched");
}

TEST(DirectorTest, EchoToAFloatingAddressIsAnswered) {
  World world(World::OneServer());
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
  World world(World::OneServer());
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

// A server of direct return asks for its gateway from the VIP it has on its
// loopback (Linux with arp_announce 0), on the servers' link.
TEST(DirectorTest, AVirtualAddressSeenOnTheServersLinkIsNoConflict) {
  World::Options options = World::OneServer();
  options.active = false;
  World world(options);
  world.director->SetActive(world.now, true);
  world.Emit();
  world.SendFrame(ArpRequest("192.0.2.10", "10.0.0.254"), 1);
  world.Advance(absl::Seconds(1));
  while (!world.Emit().empty()) world.Advance(absl::Seconds(1));
  EXPECT_EQ(world.director->counters().director.address_conflicts.value(), 0u);
  EXPECT_TRUE(world.director->claim().claimed(Ip("192.0.2.10")));
}

TEST(DirectorTest, AnAddressInUseIsNotClaimed) {
  World::Options options = World::OneServer();
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
  World::Options options = World::OneServer();
  options.neighbours_known = false;
  World world(options);
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
            "held");
  EXPECT_THAT(world.director->TakeWantedHops(),
              ElementsAre(NeighbourKey{1, Ip("10.0.0.1")}));
  EXPECT_THAT(world.Emit(), IsEmpty());
  world.SetView(true);
  const auto emitted = world.Emit();
  ASSERT_THAT(emitted, SizeIs(1));
  EXPECT_EQ(emitted[0].ToString(), "192.0.2.7:4000 -> 10.0.0.1:8080");
  EXPECT_EQ(emitted[0].destination_mac(), MacOf(Ip("10.0.0.1")));
}

TEST(DirectorTest, AFrameWaitsASecondAndNoLonger) {
  World::Options options = World::OneServer();
  options.neighbours_known = false;
  World world(options);
  world.FromClient(World::Tcp(kClient, kVip, "S"));
  world.Advance(absl::Seconds(1));
  const auto emitted = world.Emit();
  ASSERT_THAT(emitted, SizeIs(1));
  EXPECT_EQ(emitted[0].ToString(), "neighbour_unresolved");
}

TEST(DirectorTest, WaitingFramesAreBounded) {
  World::Options options = World::OneServer();
  options.neighbours_known = false;
  World world(options);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
              "held");
  }
  EXPECT_EQ(world.FromClient(World::Tcp(kClient, kVip, "S")).ToString(),
            "neighbour_queue_full");
}

}  // namespace
}  // namespace ballast::l4
