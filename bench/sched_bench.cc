// Questions  What does a pick cost, by method and number of servers? What does
//            least connection cost when connections open and close all the
//            time, beside a scan of all servers? How long does a packet thread
//            stand still when a server falls and a source hash table is dealt
//            anew?
// Method     fixed seeds; everything made before the timed loop. A pick is
//            followed by OnOpen(), and a random older connection closes, so
//            that counts neither grow nor stay as they are.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "io/base/address.h"
#include "io/base/instant.h"
#include "sched/scheduler.h"
#include "sched/server_set.h"
#include "sched/source_hash.h"
#include "sched/source_hash_table.h"

namespace ballast::sched {
namespace {

constexpr size_t kRandoms = 1 << 12;  // Power of two; fits L1 beside a table.

std::vector<uint32_t> Randoms() {
  std::mt19937 prng(42);
  std::vector<uint32_t> randoms(kRandoms);
  for (uint32_t& random : randoms) random = static_cast<uint32_t>(prng());
  return randoms;
}

std::vector<ServerState> Servers(int64_t count) {
  std::mt19937 prng(7);
  std::vector<ServerState> servers(count);
  for (size_t i = 0; i < servers.size(); ++i) {
    servers[i] = {.weight = static_cast<uint32_t>(1 + prng() % 1000),
                  .id = i + 1};
  }
  return servers;
}

void BM_Pick(benchmark::State& state, Method method) {
  const auto scheduler =
      Scheduler::Create({.method = method}, Servers(state.range(0))).value();
  const auto hashes = Randoms();
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        *scheduler->Pick(Instant(), hashes[i++ % kRandoms]));
  }
  state.SetItemsProcessed(state.iterations());
}

// The connections open at any time, closed in random order.
class OpenConnections {
 public:
  OpenConnections(int64_t servers, size_t count) : open_(count) {
    std::mt19937 prng(9);
    for (uint16_t& server : open_) server = prng() % servers;
  }
  const std::vector<uint16_t>& all() const { return open_; }
  // Puts `server` in the place of a connection that closes.
  uint16_t Replace(uint32_t random, uint16_t server) {
    return std::exchange(open_[random % kRandoms], server);
  }

 private:
  std::vector<uint16_t> open_;
};

void BM_PickOpenClose(benchmark::State& state, Method method) {
  const auto scheduler =
      Scheduler::Create({.method = method}, Servers(state.range(0))).value();
  const auto randoms = Randoms();
  OpenConnections open(state.range(0), kRandoms);
  for (const uint16_t server : open.all()) scheduler->OnOpen(server);
  size_t i = 0;
  for (auto _ : state) {
    const uint16_t server = *scheduler->Pick(Instant(), 0);
    scheduler->OnOpen(server);
    scheduler->OnClose(open.Replace(randoms[i++ % kRandoms], server));
  }
  state.SetItemsProcessed(state.iterations());
}

// The peer: the counts in one array, and a look at all of them.
void BM_LinearScanOpenClose(benchmark::State& state) {
  std::vector<uint32_t> connections(state.range(0));
  const auto randoms = Randoms();
  OpenConnections open(state.range(0), kRandoms);
  for (const uint16_t server : open.all()) ++connections[server];
  size_t i = 0;
  for (auto _ : state) {
    size_t best = 0;
    for (size_t server = 1; server < connections.size(); ++server) {
      if (connections[server] < connections[best]) best = server;
    }
    ++connections[best];
    --connections[open.Replace(randoms[i++ % kRandoms],
                               static_cast<uint16_t>(best))];
  }
  state.SetItemsProcessed(state.iterations());
}

// The table read alone, without the virtual call around it.
void BM_PickSlot(benchmark::State& state) {
  std::vector<SourceHashTable::Server> servers;
  for (int64_t i = 0; i < state.range(0); ++i) servers.push_back({0, 100});
  const auto table = SourceHashTable::Build(Fill::kLoadMaster, servers).value();
  const auto hashes = Randoms();
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(PickSlot(table.slots(), hashes[i++ % kRandoms]));
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_SourceHash(benchmark::State& state) {
  const auto randoms = Randoms();
  std::vector<Address> clients;
  for (const uint32_t random : randoms) clients.push_back(Address::V4(random));
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(SourceHash(clients[i++ % kRandoms], 1));
  }
  state.SetItemsProcessed(state.iterations());
}

std::vector<SourceHashTable::Server> TableServers(int64_t count) {
  std::vector<SourceHashTable::Server> servers;
  for (const ServerState& server : Servers(count)) {
    servers.push_back({server.id, server.weight});
  }
  return servers;
}

void BM_BuildTable(benchmark::State& state, Fill fill) {
  const auto servers = TableServers(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(SourceHashTable::Build(fill, servers));
  }
}

void BM_OneServerDown(benchmark::State& state, Fill fill) {
  const auto table =
      SourceHashTable::Build(fill, TableServers(state.range(0))).value();
  ServerSet down;
  down.Set(static_cast<uint16_t>(state.range(0) / 2), true);
  for (auto _ : state) benchmark::DoNotOptimize(table.Without(down));
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("servers")->Arg(1)->Arg(16)->Arg(256)->Arg(1000);
}

BENCHMARK_CAPTURE(BM_Pick, round_robin, Method::kRoundRobin)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Pick, weighted_round_robin, Method::kWeightedRoundRobin)
    ->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Pick, fixed_weighting, Method::kFixedWeighting)
    ->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Pick, source_ip_hash, Method::kSourceIpHash)->Apply(Sizes);
BENCHMARK(BM_PickSlot)->Apply(Sizes);
BENCHMARK(BM_SourceHash);
BENCHMARK_CAPTURE(BM_Pick, least_connection, Method::kLeastConnection)
    ->Apply(Sizes);
BENCHMARK_CAPTURE(BM_PickOpenClose, least_connection, Method::kLeastConnection)
    ->Apply(Sizes);
BENCHMARK_CAPTURE(BM_PickOpenClose, weighted_least_connection,
                  Method::kWeightedLeastConnection)
    ->Apply(Sizes);
BENCHMARK(BM_LinearScanOpenClose)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_BuildTable, loadmaster, Fill::kLoadMaster)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_BuildTable, even, Fill::kEven)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_BuildTable, maglev, Fill::kMaglev)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_OneServerDown, loadmaster, Fill::kLoadMaster)
    ->Apply(Sizes);
BENCHMARK_CAPTURE(BM_OneServerDown, even, Fill::kEven)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_OneServerDown, maglev, Fill::kMaglev)->Apply(Sizes);

}  // namespace
}  // namespace ballast::sched
