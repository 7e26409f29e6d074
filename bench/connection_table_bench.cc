// Questions  What does finding a packet's connection cost, in batches of 64,
//            against a bare absl::flat_hash_map::find loop over the same tuples
//            in the same random order? What do inserting, erasing and expiring
//            cost? What do huge pages change?
// Method     fixed seeds; tables and tuples made before the timed loop. The
//            peer maps tuples to a number: both directions, as NAT needs, or
//            (both:0) only the client's, half the size. Ours always holds both
//            and reads the connection's line.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "io/base/check.h"
#include "io/base/siphash.h"
#include "lb/l4/connection.h"
#include "lb/l4/connection_table.h"
#include "lb/l4/flow_hash.h"
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

constexpr size_t kBatch = 64;
constexpr size_t kAccesses = size_t{1} << 20;  // Walked round and round.
constexpr SipKey kKey = {0x0123456789abcdef, 0xfedcba9876543210};

template <typename A>
A AddressOf(uint32_t bits) {
  if constexpr (sizeof(A) == 4) {
    return __builtin_bswap32(bits);
  } else {
    return {0x0000000000b80d20, __builtin_bswap64(bits)};
  }
}

// Flow i: one of 2^24 clients, one VIP, one of 16 servers.
template <typename A>
Connection<A> FlowNumber(uint32_t i) {
  Connection<A> c;
  c.client = AddressOf<A>(0x0a000000 + i % 0xffff1);
  c.client_port = static_cast<uint16_t>(1024 + i / 0xffff1 * 7 + i % 50000);
  c.vip = AddressOf<A>(0xc0000201);
  c.vip_port = 80;
  c.server = AddressOf<A>(0xac100000 + i % 16);
  c.server_port = 8080;
  c.protocol = 6;
  return c;
}

template <typename A>
std::vector<FlowTuple<A>> RandomAccesses(uint32_t flows, bool both) {
  std::mt19937 prng(42);
  std::vector<FlowTuple<A>> accesses(kAccesses);
  for (auto& tuple : accesses) {
    const Connection<A> c = FlowNumber<A>(prng() % flows);
    tuple = both && prng() % 2 == 0 ? c.Reverse() : c.Forward();
  }
  return accesses;
}

template <typename A>
ConnectionTable<A> Filled(uint32_t flows, uint32_t limit, bool huge_pages) {
  auto table = ConnectionTable<A>::Create(
      {.limit = limit, .key = kKey, .huge_pages = huge_pages});
  BALLAST_CHECK(table.ok());
  for (uint32_t i = 0; i < flows; ++i) {
    BALLAST_CHECK(table->Insert(0, FlowNumber<A>(i), 60'000).connection);
  }
  return *std::move(table);
}

// A world of one kind is kept between the runs that calibrate a benchmark.
template <typename World>
World& Kept(uint32_t flows, bool flag, World (*make)(uint32_t, bool)) {
  static std::pair<uint32_t, bool> kept_for;
  static std::unique_ptr<World> kept;
  if (kept == nullptr || kept_for != std::pair(flows, flag)) {
    kept.reset();
    kept = std::make_unique<World>(make(flows, flag));
    kept_for = {flows, flag};
  }
  return *kept;
}

template <typename A>
struct PeerWorld {
  absl::flat_hash_map<FlowTuple<A>, uint32_t> map;
  std::vector<FlowTuple<A>> accesses;
};

template <typename A>
PeerWorld<A> MakePeer(uint32_t flows, bool both) {
  PeerWorld<A> world;
  world.map.reserve(both ? 2 * flows : flows);
  for (uint32_t i = 0; i < flows; ++i) {
    const Connection<A> c = FlowNumber<A>(i);
    world.map[c.Forward()] = i;
    if (both) world.map[c.Reverse()] = i;
  }
  world.accesses = RandomAccesses<A>(flows, both);
  return world;
}

template <typename A>
void BM_FlatHashMapFind(benchmark::State& state) {
  auto& world = Kept<PeerWorld<A>>(static_cast<uint32_t>(state.range(0)),
                                   state.range(1) != 0, MakePeer<A>);
  size_t at = 0;
  for (auto _ : state) {
    uint64_t sum = 0;
    for (size_t i = 0; i < kBatch; ++i) {
      const auto it = world.map.find(world.accesses[at + i]);
      sum += it->second;
    }
    benchmark::DoNotOptimize(sum);
    at = (at + kBatch) % kAccesses;
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kBatch));
}

template <typename A>
struct OurWorld {
  ConnectionTable<A> table;
  std::vector<FlowTuple<A>> accesses;
};

template <typename A>
OurWorld<A> MakeOurs(uint32_t flows, bool huge_pages) {
  return {Filled<A>(flows, flows, huge_pages),
          RandomAccesses<A>(flows, /*both=*/true)};
}

// As the director does it.
template <typename A>
void BM_TableFindBatch(benchmark::State& state) {
  auto& world = Kept<OurWorld<A>>(static_cast<uint32_t>(state.range(0)),
                                  state.range(1) != 0, MakeOurs<A>);
  std::array<uint64_t, kBatch> hashes;
  std::array<uint32_t, kBatch> hints;
  size_t at = 0;
  for (auto _ : state) {
    uint64_t sum = 0;
    const FlowTuple<A>* tuples = &world.accesses[at];
    for (size_t i = 0; i < kBatch; ++i) {
      hashes[i] = world.table.Hash(tuples[i]);
      world.table.Prefetch(hashes[i]);
    }
    for (size_t i = 0; i < kBatch; ++i) {
      hints[i] = world.table.PrefetchCandidate(hashes[i]);
    }
    for (size_t i = 0; i < kBatch; ++i) {
      const auto found = world.table.Find(tuples[i], hashes[i], hints[i]);
      sum += found.connection->server_port;
    }
    benchmark::DoNotOptimize(sum);
    at = (at + kBatch) % kAccesses;
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kBatch));
}

// Without the batch: one packet at a time.
template <typename A>
void BM_TableFindSingle(benchmark::State& state) {
  auto& world = Kept<OurWorld<A>>(static_cast<uint32_t>(state.range(0)),
                                  state.range(1) != 0, MakeOurs<A>);
  size_t at = 0;
  for (auto _ : state) {
    uint64_t sum = 0;
    for (size_t i = 0; i < kBatch; ++i) {
      sum += world.table.Find(world.accesses[at + i]).connection->server_port;
    }
    benchmark::DoNotOptimize(sum);
    at = (at + kBatch) % kAccesses;
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kBatch));
}

template <typename A>
void BM_Hash(benchmark::State& state) {
  const FlowHasher hasher(kKey);
  const auto accesses = RandomAccesses<A>(1000, /*both=*/true);
  std::array<uint64_t, kBatch> hashes;
  for (auto _ : state) {
    for (size_t i = 0; i < kBatch; ++i) hashes[i] = hasher(accesses[i]);
    benchmark::DoNotOptimize(hashes.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kBatch));
}

// One insertion and one erasure of a random flow, at a full table.
template <typename A>
void BM_TableInsertErase(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  auto table = Filled<A>(flows, flows, state.range(1) != 0);
  std::mt19937 prng(7);
  uint32_t next = flows;
  for (auto _ : state) {
    // Flows not met yet: the random victim was replaced by a later number.
    const uint32_t line = 1 + prng() % flows;
    Connection<A>* victim = nullptr;
    table.Walk(line - 1, 1, [&](Connection<A>& c) { victim = &c; });
    if (victim != nullptr) table.Erase(victim);
    benchmark::DoNotOptimize(
        table.Insert(0, FlowNumber<A>(next++), 60'000).outcome);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}

// All flows of a full table come due at once.
template <typename A>
void BM_TableExpire(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    {
      auto table = Filled<A>(flows, flows, /*huge_pages=*/false);
      state.ResumeTiming();
      table.Advance(
          120'000, flows, [](const Connection<A>&) { return 60'000u; },
          [](const Connection<A>&) {});
      BALLAST_CHECK(table.size() == 0);
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * flows));
}

BENCHMARK_TEMPLATE(BM_Hash, AddressV4);
BENCHMARK_TEMPLATE(BM_Hash, AddressV6);

#define BALLAST_PEER_SIZES    \
  ArgNames({"flows", "both"}) \
      ->Args({1000, 0})       \
      ->Args({1000, 1})       \
      ->Args({1000000, 0})    \
      ->Args({1000000, 1})    \
      ->Args({10000000, 0})   \
      ->Args({10000000, 1})
#define BALLAST_OUR_SIZES     \
  ArgNames({"flows", "huge"}) \
      ->Args({1000, 0})       \
      ->Args({1000000, 0})    \
      ->Args({1000000, 1})    \
      ->Args({10000000, 0})   \
      ->Args({10000000, 1})

BENCHMARK_TEMPLATE(BM_FlatHashMapFind, AddressV4)->BALLAST_PEER_SIZES;
BENCHMARK_TEMPLATE(BM_TableFindBatch, AddressV4)->BALLAST_OUR_SIZES;
BENCHMARK_TEMPLATE(BM_TableFindSingle, AddressV4)->BALLAST_OUR_SIZES;
BENCHMARK_TEMPLATE(BM_FlatHashMapFind, AddressV6)->BALLAST_PEER_SIZES;
BENCHMARK_TEMPLATE(BM_TableFindBatch, AddressV6)->BALLAST_OUR_SIZES;
BENCHMARK_TEMPLATE(BM_TableInsertErase, AddressV4)
    ->ArgNames({"flows", "huge"})
    ->Args({1000, 0})
    ->Args({1000000, 0})
    ->Args({1000000, 1});
BENCHMARK_TEMPLATE(BM_TableExpire, AddressV4)
    ->ArgName("flows")
    ->Arg(1000)
    ->Arg(1000000)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ballast::l4
