// Question   What does the director's whole step cost in memory - parse, find,
//            track, count, rewrite, choose the next hop - against a bare
//            absl::flat_hash_map::find loop that only looks the same packets'
//            tuples up, in the same random order?
// Method     established TCP flows without data; 64 frames a batch. Under NAT
//            half of the packets come from servers, and the peer's map holds
//            both directions; under direct return only clients send and the map
//            holds one. Both take turns of 32,768 packets in the same run.
//            Rewriting spoils a frame, so a ring of 512 buffers is filled anew
//            between timed stretches of 512 packets, as packet I/O would; the
//            peer's keys are laid ready in the same way. The time is the
//            thread's own on its processor. With sync the director tells a
//            partner of its flows by the default settings (packets 3, 53, 103
//            ... of each client); taking the records is not timed here.
// Counters   director_ns, find_ns: medians over the turns, by packet. ratio:
//            median of find over director in neighbouring turns, above 1 when
//            the director is faster. fill_ns: the untimed filling, by packet.
//            told: records by packet.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ha/sync_record.h"
#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/checksum.h"
#include "io/base/frame.h"
#include "lb/config/model.h"
#include "lb/l4/director.h"
#include "lb/l4/flow_tuple.h"
#include "lb/l4/next_hop.h"
#include "lb/l4/packet.h"
#include "lb/l4/plan.h"

namespace ballast::l4 {

template <typename H>
H AbslHashValue(H h, const AddressV6& a) {
  return H::combine(std::move(h), a.high, a.low);
}
template <typename H, typename A>
H AbslHashValue(H h, const FlowTuple<A>& t) {
  return H::combine(std::move(h), t.source, t.destination, t.source_port,
                    t.destination_port, t.protocol);
}

namespace {

constexpr size_t kAccesses = size_t{1} << 20;  // Walked round and round.
constexpr size_t kRing = 512;
constexpr size_t kStretches = 64;  // Of kRing packets, a turn.
constexpr uint32_t kServers = 16;
constexpr uint16_t kVipPort = 80;
constexpr uint16_t kServerPort = 8080;
constexpr MacAddress kOurMac = {{2, 0, 0, 0, 0, 1}};
constexpr MacAddress kOtherMac = {{2, 0, 0, 0, 0, 9}};
constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

// The last 32 bits of an address in the benchmark's networks.
template <typename A>
Address AddressOf(uint32_t bits) {
  if constexpr (sizeof(A) == 4) {
    return Address::V4(bits);
  } else {
    std::array<uint8_t, 16> bytes = {0x20, 0x01, 0x0d, 0xb8};
    StoreBig32(&bytes[12], bits);
    return Address::V6(bytes);
  }
}

template <typename A>
Address Vip() {
  return AddressOf<A>(0xc0000201);
}
template <typename A>
Endpoint Server(uint32_t flow, bool direct) {
  return {AddressOf<A>(0xac100000 + flow % kServers),
          direct ? kVipPort : kServerPort};
}
template <typename A>
Endpoint Client(uint32_t flow) {
  return {AddressOf<A>(0x0a000000 + flow % 0xffff1),
          static_cast<uint16_t>(1024 + flow / 0xffff1 * 7 + flow % 50000)};
}

template <typename A>
FlowTuple<A> TupleOf(const Endpoint& from, const Endpoint& to) {
  return {PackAddress<A>(from.address), PackAddress<A>(to.address), from.port,
          to.port, kProtocolTcp};
}

template <typename A>
constexpr size_t kIpHeader = sizeof(A) == 4 ? kIpv4HeaderSize : kIpv6HeaderSize;
template <typename A>
constexpr size_t kFrameSize = kEthernetHeaderSize + kIpHeader<A> + 20;

// An acknowledgement of `tuple`. The TCP checksum is not looked at.
template <typename A>
std::array<uint8_t, kFrameSize<A>> FrameOf(const FlowTuple<A>& tuple) {
  std::array<uint8_t, kFrameSize<A>> frame{};
  std::copy(kOurMac.bytes.begin(), kOurMac.bytes.end(), &frame[0]);
  std::copy(kOtherMac.bytes.begin(), kOtherMac.bytes.end(), &frame[6]);
  uint8_t* ip = &frame[kEthernetHeaderSize];
  if constexpr (sizeof(A) == 4) {
    StoreBig16(&frame[12], kEtherTypeIpv4);
    ip[0] = 0x45;
    StoreBig16(ip + 2, kIpHeader<A> + 20);
    ip[8] = 64;
    ip[9] = kProtocolTcp;
    StorePacked(ip + 12, tuple.source);
    StorePacked(ip + 16, tuple.destination);
    StoreBig16(ip + 10, static_cast<uint16_t>(~ChecksumFold(ChecksumSum(
                            std::span<const uint8_t>(ip, kIpHeader<A>)))));
  } else {
    StoreBig16(&frame[12], kEtherTypeIpv6);
    ip[0] = 0x60;
    StoreBig16(ip + 4, 20);
    ip[6] = kProtocolTcp;
    ip[7] = 64;
    StorePacked(ip + 8, tuple.source);
    StorePacked(ip + 24, tuple.destination);
  }
  uint8_t* tcp = ip + kIpHeader<A>;
  StoreBig16(tcp, tuple.source_port);
  StoreBig16(tcp + 2, tuple.destination_port);
  tcp[12] = 5 << 4;
  tcp[13] = kTcpAck;
  return frame;
}

template <typename A>
std::unique_ptr<Director> MakeDirector(uint32_t flows, bool direct) {
  auto model = std::make_shared<config::Model>();
  config::VirtualService service{.address = Vip<A>(), .port = kVipPort};
  for (uint32_t i = 0; i < kServers; ++i) {
    service.servers.push_back({.endpoint = Server<A>(i, direct),
                               .forwarding = direct
                                                 ? config::Forwarding::kRoute
                                                 : config::Forwarding::kNat});
  }
  model->floating_addresses = {{.address = Vip<A>(), .service = true}};
  model->services = {service};
  auto plan = PlanBuilder().Build(model, kNow, [](Slot) { return false; });
  BALLAST_CHECK(plan.ok());

  const uint8_t family = sizeof(A) * 8 - 32;  // Of the bits AddressOf() fills.
  const auto prefix = [&](uint32_t bits, uint8_t length) {
    return Prefix{AddressOf<A>(bits),
                  static_cast<uint8_t>(length == 0 ? 0 : family + length)};
  };
  const Address gateway = AddressOf<A>(0xc00002fe);
  std::vector<Port> ports = {{.name = "client", .mac = kOurMac},
                             {.name = "server", .mac = kOurMac}};
  std::vector<Route> routes = {{prefix(0xc0000200, 24), 0, std::nullopt, 0},
                               {prefix(0, 0), 0, gateway, 0},
                               {prefix(0xac100000, 16), 1, std::nullopt, 0}};
  absl::flat_hash_map<NeighbourKey, MacAddress> neighbours;
  neighbours[{0, gateway}] = kOtherMac;
  for (uint32_t i = 0; i < kServers; ++i) {
    neighbours[{1, Server<A>(i, direct).address}] = kOtherMac;
  }
  auto director = Director::Create(
      {.connections_max = flows, .table_key = {1, 2, 3}}, *plan,
      std::make_shared<ForwardingView>(std::move(ports), std::move(routes),
                                       std::move(neighbours)),
      kNow);
  BALLAST_CHECK(director.ok());
  (*director)->SetActive(kNow, true, /*at_once=*/true);
  for (uint32_t i = 0; i < flows; ++i) {
    FlowRecord record{
        .client_side = {Client<A>(i), {Vip<A>(), kVipPort}, Protocol::kTcp},
        .server = Server<A>(i, direct),
        .forwarding =
            direct ? config::Forwarding::kRoute : config::Forwarding::kNat,
        .state = TcpState::kEstablished,
        .service_port = kVipPort};
    BALLAST_CHECK((*director)->Import(kNow, record));
  }
  return *std::move(director);
}

template <typename A>
class World {
 public:
  World(uint32_t flows, bool direct, bool sync)
      : director_(MakeDirector<A>(flows, direct)),
        tuples_(kAccesses),
        frames_(kAccesses),
        ring_(kRing) {
    if (sync) director_->StartTelling(kNow);
    const Endpoint vip{Vip<A>(), kVipPort};
    map_.reserve(direct ? flows : 2 * flows);
    const auto forward = [&](uint32_t i) {
      return TupleOf<A>(Client<A>(i), vip);
    };
    const auto reverse = [&](uint32_t i) {
      return TupleOf<A>(Server<A>(i, direct), Client<A>(i));
    };
    for (uint32_t i = 0; i < flows; ++i) {
      map_[forward(i)] = i;
      if (!direct) map_[reverse(i)] = i;
    }
    std::mt19937 prng(42);
    for (size_t i = 0; i < kAccesses; ++i) {
      const uint32_t flow = prng() % flows;
      tuples_[i] = !direct && prng() % 2 == 0 ? reverse(flow) : forward(flow);
      frames_[i] = FrameOf<A>(tuples_[i]);
    }
  }

  // A turn each, over the same packets. Seconds.
  struct Turn {
    double director = 0;
    double find = 0;
    double fill = 0;
    size_t told = 0;
  };
  Turn Run() {
    Turn turn;
    const size_t start = at_;
    for (size_t i = 0; i < kStretches; ++i) {
      const double before = Seconds();
      Fill();
      const double filled = Seconds();
      for (size_t n = 0; n < kRing; n += Director::kBatchMax) {
        director_->Process(
            kNow, std::span(batch_).subspan(n, Director::kBatchMax),
            std::span(verdicts_).subspan(n, Director::kBatchMax));
      }
      const double done = Seconds();
      turn.fill += filled - before;
      turn.director += done - filled;
      while (const size_t told = director_->TakeChanges(kNow, told_)) {
        turn.told += told;
      }
      for (const Verdict& verdict : verdicts_) {
        BALLAST_CHECK(verdict.action == Verdict::Action::kSend);
      }
    }
    at_ = start;
    for (size_t i = 0; i < kStretches; ++i) {
      std::copy_n(&tuples_[at_], kRing, keys_.begin());
      at_ = (at_ + kRing) % kAccesses;
      uint64_t sum = 0;
      const double before = Seconds();
      for (const FlowTuple<A>& key : keys_) sum += map_.find(key)->second;
      benchmark::DoNotOptimize(sum);
      turn.find += Seconds() - before;
    }
    return turn;
  }

 private:
  struct alignas(2048) Buffer {
    std::array<uint8_t, 2048> bytes;
  };
  static constexpr uint32_t kHeadroom = 64;

  static double Seconds() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + time.tv_nsec * 1e-9;
  }

  void Fill() {
    for (size_t i = 0; i < kRing; ++i) {
      uint8_t* data = &ring_[i].bytes[kHeadroom];
      std::memcpy(data, frames_[at_ + i].data(), kFrameSize<A>);
      batch_[i] = {.data = data,
                   .length = kFrameSize<A>,
                   .headroom = kHeadroom,
                   .tailroom = 2048 - kHeadroom - kFrameSize<A>,
                   .port = 0};
    }
    at_ = (at_ + kRing) % kAccesses;
  }

  std::unique_ptr<Director> director_;
  absl::flat_hash_map<FlowTuple<A>, uint64_t> map_;
  std::vector<FlowTuple<A>> tuples_;
  std::vector<std::array<uint8_t, kFrameSize<A>>> frames_;
  std::vector<Buffer> ring_;
  std::array<Frame, kRing> batch_;
  std::array<Verdict, kRing> verdicts_;
  std::array<FlowTuple<A>, kRing> keys_;
  std::array<ha::SyncRecord, 64> told_;
  size_t at_ = 0;
};

double Median(std::vector<double>& values) {
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// A world is kept between the runs that calibrate a benchmark.
template <typename A>
World<A>& Kept(uint32_t flows, bool direct, bool sync) {
  static std::tuple<uint32_t, bool, bool> kept_for;
  static std::unique_ptr<World<A>> kept;
  if (kept == nullptr || kept_for != std::tuple(flows, direct, sync)) {
    kept.reset();
    kept = std::make_unique<World<A>>(flows, direct, sync);
    kept_for = {flows, direct, sync};
  }
  return *kept;
}

template <typename A>
void BM_DirectorStep(benchmark::State& state) {
  World<A>& world = Kept<A>(static_cast<uint32_t>(state.range(0)),
                            state.range(1) != 0, state.range(2) != 0);
  size_t told = 0;
  std::vector<double> director, find, fill, ratio;
  constexpr double kPackets = kRing * kStretches;
  for (auto _ : state) {
    const auto turn = world.Run();
    state.SetIterationTime(turn.director);
    director.push_back(turn.director * 1e9 / kPackets);
    find.push_back(turn.find * 1e9 / kPackets);
    fill.push_back(turn.fill * 1e9 / kPackets);
    ratio.push_back(turn.find / turn.director);
    told += turn.told;
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kPackets));
  state.counters["director_ns"] = Median(director);
  state.counters["find_ns"] = Median(find);
  state.counters["fill_ns"] = Median(fill);
  state.counters["ratio"] = Median(ratio);
  state.counters["told"] =
      static_cast<double>(told) / (kPackets * state.iterations());
}

#define BALLAST_SIZES                   \
  ArgNames({"flows", "direct", "sync"}) \
      ->Args({1000, 0, 0})              \
      ->Args({1000, 1, 0})              \
      ->Args({1000, 0, 1})              \
      ->Args({1000000, 0, 0})           \
      ->Args({1000000, 1, 0})           \
      ->Args({1000000, 0, 1})           \
      ->Args({10000000, 0, 0})          \
      ->Args({10000000, 1, 0})          \
      ->UseManualTime()                 \
      ->Unit(benchmark::kMillisecond)

BENCHMARK_TEMPLATE(BM_DirectorStep, AddressV4)->BALLAST_SIZES;
BENCHMARK_TEMPLATE(BM_DirectorStep, AddressV6)->BALLAST_SIZES;

}  // namespace
}  // namespace ballast::l4
