// The steering program and the directors behind it fit together: each packet of
// a flow, from either end, its errors and its fragments come to the one thread
// that has the flow, and are sent on from there.
//
// Model  one director a thread. A frame goes where the program says. What a
//        director sends to a server or a client is answered by that end, or by
//        a router on the way: answers and errors are made from the bytes it
//        sent, by swapping the ends, not from what this test believes.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/packet_filter_interpreter.h"
#include "io/packet_steering.h"
#include "lb/l4/director_world.h"
#include "lb/l4/frame_builder.h"
#include "lb/l4/packet.h"

namespace ballast::run {
namespace {

using l4::Bytes;
using l4::Concat;
using l4::DirectorWorld;
using Outcome = DirectorWorld::Outcome;

constexpr uint32_t kThreads = 16;

struct Site {
  Endpoint service;
  std::vector<Endpoint> servers;
  Protocol protocol = Protocol::kTcp;
  bool direct = false;
};

class SteeringTest : public ::testing::Test {
 protected:
  SteeringTest() {
    std::vector<config::VirtualService> services;
    for (int i = 0; i < 12; ++i) {
      Site site = RandomSite(i);
      services.push_back({.address = site.service.address,
                          .port = site.service.port,
                          .protocol = site.protocol});
      for (const Endpoint& server : site.servers) {
        services.back().servers.push_back(
            {.endpoint = server,
             .forwarding = site.direct ? config::Forwarding::kRoute
                                       : config::Forwarding::kNat});
      }
      sites_.push_back(std::move(site));
    }
    for (uint32_t i = 0; i < kThreads; ++i) {
      worlds_.push_back(std::make_unique<DirectorWorld>(
          DirectorWorld::Options{.services = services, .punt = true}));
    }
    steering_.thread_count = kThreads;
    steering_.seed = static_cast<uint32_t>(prng_());
    for (const auto& floating : worlds_[0]->plan->model().floating_addresses) {
      steering_.floating.push_back(floating.address);
    }
    program_ = *CompilePacketSteering(steering_);
  }

  Site RandomSite(int i) {
    Site site;
    const bool v6 = i % 2 != 0;
    site.direct = i % 4 >= 2;
    site.protocol = i % 3 == 0 ? Protocol::kUdp : Protocol::kTcp;
    const std::string address = v6 ? absl::StrCat("2001:db8:c::a", i)
                                   : absl::StrCat("192.0.2.", 200 + i);
    site.service = {l4::Ip(address), 80};
    for (uint32_t n = 1 + prng_() % 3; n > 0; --n) {
      const int host = 10 * i + static_cast<int>(n);
      site.servers.push_back(
          {l4::Ip(v6 ? absl::StrCat("2001:db8:5::", absl::Hex(host))
                     : absl::StrCat("10.0.0.", host)),
           static_cast<uint16_t>(site.direct ? 80 : 8080)});
    }
    return site;
  }

  // Each of another port, so that no two flows are one.
  Endpoint RandomClient(bool v6) {
    ++client_port_;
    if (v6) {  // Of the client's network: there is no route to others.
      return {
          l4::Ip(absl::StrCat("2001:db8:c::", absl::Hex(1 + prng_() % 0x9f))),
          client_port_};
    }
    if (prng_() % 4 == 0) {
      return {l4::Ip(absl::StrCat("192.0.2.", 1 + prng_() % 199)),
              client_port_};
    }
    const auto high = static_cast<uint32_t>(11 + prng_() % 100);  // Not 10/8.
    return {Address::V4(high << 24 | (prng_() & 0xffffff)), client_port_};
  }

  uint32_t ThreadOfFrame(const Bytes& ip) const {
    const uint32_t type = ip[0] >> 4 == 4 ? 0x0800 : 0x86dd;
    return RunFilter(program_, ip, {.protocol = type});
  }

  // Arrives on `port`; must come to the client's thread and be sent on.
  Outcome Arrive(const Bytes& ip, uint16_t port, const Address& client,
                 const char* what) {
    const uint32_t thread = ThreadOfFrame(ip);
    EXPECT_EQ(thread, steering_.ThreadOf(client))
        << what << " of " << client.ToString();
    Outcome outcome = worlds_[thread]->Send(ip, port);
    EXPECT_TRUE(outcome.sent())
        << what << " of " << client.ToString() << ": " << outcome.ToString();
    return outcome;
  }

  static Bytes Packet(const Endpoint& from, const Endpoint& to,
                      Protocol protocol, uint8_t tcp_flags) {
    return protocol == Protocol::kTcp
               ? l4::IpPacket(from.address, to.address, l4::kProtocolTcp,
                              l4::Tcp(from, to, {.flags = tcp_flags}))
               : l4::IpPacket(from.address, to.address, l4::kProtocolUdp,
                              l4::Udp(from, to, Bytes(8)));
  }
  // "Packet too big" about what was sent, by a router on its way.
  static Bytes TooBigAbout(const Outcome& sent, const Address& router) {
    const Bytes quoted(sent.bytes.begin() + l4::kEthernetHeaderSize,
                       sent.bytes.end());
    const Address to = sent.source().address;
    const Bytes rest = Concat({{0, 0, 0x05, 0x14}, quoted});
    return to.is_v4() ? l4::Ipv4(router, to, l4::kProtocolIcmp,
                                 l4::Icmp(router, to, 3, 4, rest))
                      : l4::Ipv6(router, to, l4::kProtocolIcmpV6,
                                 l4::Icmp(router, to, 2, 0, rest));
  }

  std::mt19937 prng_{20221122};
  uint16_t client_port_ = 1024;
  std::vector<Site> sites_;
  std::vector<std::unique_ptr<DirectorWorld>> worlds_;
  PacketSteering steering_;
  std::vector<sock_filter> program_;
};

TEST_F(SteeringTest, AFlowItsRepliesAndItsErrorsMeetOnOneThread) {
  for (int round = 0; round < 600; ++round) {
    const Site& site = sites_[prng_() % sites_.size()];
    const bool v6 = !site.service.address.is_v4();
    const Endpoint client = RandomClient(v6);
    const Address client_router = l4::Ip(v6 ? "2001:db8:c::fe" : "192.0.2.254");
    const Address server_router = l4::Ip(v6 ? "2001:db8:5::fe" : "10.0.0.254");
    SCOPED_TRACE(absl::StrCat("round ", round, ": ", client.ToString(), " -> ",
                              site.service.ToString(),
                              site.direct ? " direct" : " nat"));

    const Outcome request =
        Arrive(Packet(client, site.service, site.protocol, l4::kTcpSyn),
               DirectorWorld::kClientPort, client.address, "request");
    ASSERT_TRUE(request.sent());
    ASSERT_EQ(request.port, DirectorWorld::kServerPort);
    if (site.direct) {
      // The server answers past us; the error about that answer comes here.
      Outcome answer = request;
      const Bytes reply = Packet(request.destination(), request.source(),
                                 site.protocol, l4::kTcpSyn | l4::kTcpAck);
      l4::TestFrame frame(l4::Framed(reply));
      answer.frame = frame.frame;
      answer.bytes = frame.bytes();
      ASSERT_EQ(Parse(answer.frame, &answer.packet), l4::DropReason::kNone);
      const Outcome error =
          Arrive(TooBigAbout(answer, client_router), DirectorWorld::kClientPort,
                 client.address, "error");
      EXPECT_EQ(error.port, DirectorWorld::kServerPort);
      continue;
    }
    const Outcome reply =
        Arrive(Packet(request.destination(), request.source(), site.protocol,
                      l4::kTcpSyn | l4::kTcpAck),
               DirectorWorld::kServerPort, client.address, "reply");
    ASSERT_EQ(reply.port, DirectorWorld::kClientPort);
    EXPECT_EQ(reply.source(), site.service);
    EXPECT_EQ(reply.destination(), client);

    const Outcome to_server =
        Arrive(TooBigAbout(reply, client_router), DirectorWorld::kClientPort,
               client.address, "error about the reply");
    EXPECT_EQ(to_server.port, DirectorWorld::kServerPort);
    const Outcome to_client =
        Arrive(TooBigAbout(request, server_router), DirectorWorld::kServerPort,
               client.address, "error about the request");
    EXPECT_EQ(to_client.port, DirectorWorld::kClientPort);
  }
}

TEST_F(SteeringTest, LaterFragmentsMeetTheirFirst) {
  for (int round = 0; round < 200; ++round) {
    const Site& site = sites_[round % 2 == 0 ? 0 : 6];  // IPv4 and UDP.
    ASSERT_EQ(site.protocol, Protocol::kUdp);
    const Endpoint client = RandomClient(/*v6=*/false);
    const auto send = [&](const Endpoint& from, const Endpoint& to,
                          uint16_t port, const char* what) {
      const Bytes whole = l4::Udp(from, to, Bytes(64));
      const auto part = [&](size_t begin, size_t end, uint16_t field) {
        return Arrive(
            l4::Ipv4(from.address, to.address, l4::kProtocolUdp,
                     Bytes(whole.begin() + begin, whole.begin() + end),
                     {.id = static_cast<uint16_t>(round), .fragment = field}),
            port, client.address, what);
      };
      const Outcome first = part(0, 40, 0x2000);
      part(40, whole.size(), 5);
      return first;
    };
    const Outcome request = send(client, site.service,
                                 DirectorWorld::kClientPort, "from the client");
    ASSERT_TRUE(request.sent());
    if (site.direct) continue;
    send(request.destination(), request.source(), DirectorWorld::kServerPort,
         "from the server");
  }
}

TEST_F(SteeringTest, WhatTheHostIsGivenAndAnswersIsTheClientsToo) {
  for (int round = 0; round < 200; ++round) {
    const Site& site = sites_[prng_() % sites_.size()];
    const Endpoint client = RandomClient(!site.service.address.is_v4());
    const Endpoint listener = {site.service.address, 443};  // No L4 service.
    const Outcome punted =
        Arrive(Packet(client, listener, Protocol::kTcp, l4::kTcpSyn),
               DirectorWorld::kClientPort, client.address, "request");
    ASSERT_TRUE(punted.sent());
    EXPECT_EQ(punted.port, DirectorWorld::kPuntPort);
    const Outcome reply =
        Arrive(Packet(punted.destination(), punted.source(), Protocol::kTcp,
                      l4::kTcpSyn | l4::kTcpAck),
               DirectorWorld::kPuntPort, client.address, "reply");
    EXPECT_EQ(reply.port, DirectorWorld::kClientPort);
  }
}

}  // namespace
}  // namespace ballast::run
