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
#include <memory>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bench/flow_world.h"
#include "ha/sync_record.h"
#include "io/base/address.h"
#include "lb/l4/director.h"
#include "lb/l4/flow_tuple.h"

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
constexpr size_t kStretches = 64;              // Of kRing packets, a turn.

template <typename A>
class World {
 public:
  World(uint32_t flows, bool direct, bool sync)
      : director_(MakeDirector<A>(
            {.connections_max = flows, .table_key = {1, 2, 3}}, direct)),
        tuples_(kAccesses),
        frames_(kAccesses) {
    director_->SetActive(kNow, true, /*at_once=*/true);
    ImportFlows<A>(*director_, flows, direct);
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
      const double before = ThreadSeconds();
      Fill();
      const double filled = ThreadSeconds();
      ring_.Process(*director_, kNow);
      const double done = ThreadSeconds();
      turn.fill += filled - before;
      turn.director += done - filled;
      while (const size_t told = director_->TakeChanges(kNow, told_)) {
        turn.told += told;
      }
      ring_.CheckSent();
    }
    at_ = start;
    for (size_t i = 0; i < kStretches; ++i) {
      std::copy_n(&tuples_[at_], kRing, keys_.begin());
      at_ = (at_ + kRing) % kAccesses;
      uint64_t sum = 0;
      const double before = ThreadSeconds();
      for (const FlowTuple<A>& key : keys_) sum += map_.find(key)->second;
      benchmark::DoNotOptimize(sum);
      turn.find += ThreadSeconds() - before;
    }
    return turn;
  }

 private:
  static constexpr size_t kRing = FrameRing<A>::kSize;

  void Fill() {
    for (size_t i = 0; i < kRing; ++i) ring_.Set(i, frames_[at_ + i]);
    at_ = (at_ + kRing) % kAccesses;
  }

  std::unique_ptr<Director> director_;
  absl::flat_hash_map<FlowTuple<A>, uint64_t> map_;
  std::vector<FlowTuple<A>> tuples_;
  std::vector<std::array<uint8_t, kFrameSize<A>>> frames_;
  FrameRing<A> ring_;
  std::array<FlowTuple<A>, kRing> keys_;
  std::array<ha::SyncRecord, 64> told_;
  size_t at_ = 0;
};

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
  constexpr double kPackets = FrameRing<A>::kSize * kStretches;
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
