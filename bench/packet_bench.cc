// Questions  What do parsing a frame and rewriting it cost, away from tables
//            and memory? (The director step's budget is some 100 ns.)
//            Does a checksum delta kept beside the connection pay?
// Method     fixed seed; 64 frames of 60 bytes with random ends, warm; each
//            rewrite is undone by the next, so frames stay as they are.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/checksum.h"
#include "io/base/flow_key.h"
#include "io/base/frame.h"
#include "lb/l4/packet.h"
#include "lb/l4/rewrite.h"

namespace ballast::l4 {
namespace {

constexpr size_t kFrames = 64;

struct Traffic {
  std::vector<std::array<uint8_t, 128>> memory;
  std::vector<Frame> frames;
  std::vector<Packet> packets;
};

Traffic MakeTraffic(bool v6) {
  std::mt19937 prng(42);
  Traffic traffic;
  traffic.memory.resize(kFrames);
  for (auto& bytes : traffic.memory) {
    bytes.fill(0);
    const uint16_t ip_size = v6 ? kIpv6HeaderSize : kIpv4HeaderSize;
    uint8_t* ip = &bytes[kEthernetHeaderSize];
    uint8_t* tcp = ip + ip_size;
    StoreBig16(&bytes[12], v6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
    ip[0] = v6 ? 0x60 : 0x45;
    if (v6) {
      ip[5] = 20;
      ip[6] = kProtocolTcp;
      ip[7] = 64;
      ip[8] = ip[24] = 0x20;
      StoreBig32(ip + 20, prng());
      StoreBig32(ip + 36, prng());
    } else {
      ip[3] = 40;
      ip[8] = 64;
      ip[9] = kProtocolTcp;
      StoreBig32(ip + 12, 0x0a000001 + prng() % 0xffff);
      StoreBig32(ip + 16, 0xc0000201 + prng() % 8);
      StoreBig16(ip + 10, Checksum({ip, kIpv4HeaderSize}));
    }
    StoreBig16(tcp, static_cast<uint16_t>(prng()));
    StoreBig16(tcp + 2, 80);
    tcp[12] = 0x50;
    tcp[13] = kTcpAck;
    Frame frame;
    frame.data = bytes.data();
    frame.length = std::max<uint32_t>(60, kEthernetHeaderSize + ip_size + 20);
    Packet packet;
    BALLAST_CHECK(Parse(frame, &packet) == DropReason::kNone);
    traffic.frames.push_back(frame);
    traffic.packets.push_back(packet);
  }
  return traffic;
}

void BM_Parse(benchmark::State& state) {
  Traffic traffic = MakeTraffic(state.range(0) == 6);
  for (auto _ : state) {
    for (size_t i = 0; i < kFrames; ++i) {
      benchmark::DoNotOptimize(Parse(traffic.frames[i], &traffic.packets[i]));
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kFrames);
}
BENCHMARK(BM_Parse)->ArgName("ip")->Arg(4)->Arg(6);

// Destination (the way in), TTL, MAC addresses: all that NAT changes.
void Rewrite(benchmark::State& state, bool keep_delta) {
  const bool v6 = state.range(0) == 6;
  Traffic traffic = MakeTraffic(v6);
  std::array<uint8_t, 16> server{};
  server[0] = v6 ? 0xfd : 10;
  server[3] = 9;
  const MacAddress mac{{2, 0, 0, 0, 0, 3}};
  // There and back: the second rewrite restores what the first replaced.
  struct Flow {
    std::array<uint8_t, 16> vip;
    NatDelta there, back;
  };
  std::vector<Flow> flows(kFrames);
  for (size_t i = 0; i < kFrames; ++i) {
    std::memcpy(flows[i].vip.data(),
                DestinationBytes(traffic.frames[i], traffic.packets[i]),
                traffic.packets[i].address_size());
    flows[i].there =
        MakeNatDelta(flows[i].vip.data(), 80, server.data(), 8080, v6);
    flows[i].back =
        MakeNatDelta(server.data(), 8080, flows[i].vip.data(), 80, v6);
  }
  std::vector<Packet> returning = traffic.packets;
  for (Packet& packet : returning) packet.destination_port = 8080;
  bool there = true;
  for (auto _ : state) {
    for (size_t i = 0; i < kFrames; ++i) {
      Frame& frame = traffic.frames[i];
      const Packet& packet = there ? traffic.packets[i] : returning[i];
      const uint8_t* to = there ? server.data() : flows[i].vip.data();
      const uint16_t port = there ? 8080 : 80;
      if (keep_delta) {
        RewriteDestination(frame, packet, to, port,
                           there ? flows[i].there : flows[i].back);
      } else {
        RewriteDestination(frame, packet, to, port);
      }
      DecrementTtl(frame, packet);
      SetMacs(frame, mac, mac);
    }
    there = !there;
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kFrames);
}
void BM_RewriteWithDelta(benchmark::State& state) { Rewrite(state, true); }
void BM_RewriteFromFrame(benchmark::State& state) { Rewrite(state, false); }
BENCHMARK(BM_RewriteWithDelta)->ArgName("ip")->Arg(4)->Arg(6);
BENCHMARK(BM_RewriteFromFrame)->ArgName("ip")->Arg(4)->Arg(6);

}  // namespace
}  // namespace ballast::l4
