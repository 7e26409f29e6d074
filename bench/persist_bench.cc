// Questions  Does an operation on the persistence store cost more at 10 million
//            entries than at 1 million (aim: at most 1.5x)? How much memory
//            does an entry take (aim: at most 64 bytes for IPv4)? What does a
//            second's expiry cost?
// Method     a full store; clients in random order, fixed seed, made before the
//            timed loop, so that nearly every operation finds its lines cold
//            and nothing overlaps. Memory: resident set before and after.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "persist/source_store.h"

namespace ballast::persist {
namespace {

constexpr Instant kStart = Instant::FromNanos(1'000'000'000'000);
constexpr absl::Duration kTimeout = absl::Hours(1);

SourceKey KeyOf(uint32_t client) { return {1, Address::V4(client * 7919u)}; }

double ResidentBytes() {
  long pages = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<double>(resident) * static_cast<double>(getpagesize());
}

// A full store of this size; kept, since making one takes seconds.
struct Full {
  explicit Full(uint32_t size)
      : store(SourceStore::Create({.limit = size, .key = {1, 2}}).value()) {
    const double before = ResidentBytes();
    for (uint32_t i = 0; i < size; ++i) {
      // Deadlines spread over the hour, as clients come one by one.
      store.Put(kStart - absl::Milliseconds(i % 3'000'000), KeyOf(i), i % 16,
                kTimeout);
    }
    bytes_per_entry = (ResidentBytes() - before) / size;
    std::mt19937 prng(42);
    clients.resize(1 << 20);
    for (uint32_t& client : clients) client = prng() % size;
  }
  SourceStore store;
  std::vector<uint32_t> clients;
  double bytes_per_entry;
};

Full& FullStore(int64_t size) {
  // All sizes stay, so that runs of different sizes can be interleaved.
  static std::map<int64_t, std::unique_ptr<Full>> stores;
  std::unique_ptr<Full>& full = stores[size];
  if (full == nullptr) {
    full = std::make_unique<Full>(static_cast<uint32_t>(size));
  }
  return *full;
}

template <typename Operation>
void Run(benchmark::State& state, Operation operation) {
  Full& full = FullStore(state.range(0));
  size_t i = 0;
  for (auto _ : state) {
    operation(full.store, KeyOf(full.clients[i++ % full.clients.size()]));
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["bytes_per_entry"] = full.bytes_per_entry;
}

void BM_Find(benchmark::State& state) {
  Run(state, [](SourceStore& store, const SourceKey& key) {
    benchmark::DoNotOptimize(store.Find(kStart, key));
  });
}

// A new connection of a client that is known.
void BM_FindAndRenew(benchmark::State& state) {
  Run(state, [](SourceStore& store, const SourceKey& key) {
    const Entry* entry = store.Find(kStart, key);
    store.Put(kStart, key, entry->server, kTimeout);
  });
}

void BM_FindStranger(benchmark::State& state) {
  Run(state, [](SourceStore& store, SourceKey key) {
    key.service = 2;
    benchmark::DoNotOptimize(store.Find(kStart, key));
  });
}

void BM_EraseAndMake(benchmark::State& state) {
  Run(state, [](SourceStore& store, const SourceKey& key) {
    store.Erase(key);
    store.Put(kStart, key, 1, kTimeout);
  });
}

// Clients expire and others come: all the time spent on one, from both ends.
void BM_ExpireAndMake(benchmark::State& state) {
  const auto size = static_cast<uint32_t>(state.range(0));
  auto store = SourceStore::Create({.limit = size, .key = {1, 2}}).value();
  Instant now = kStart;
  uint32_t client = 0;
  // As many a tick as fill the store in ten minutes.
  const auto step = absl::Minutes(10) / size;
  const auto one = [&] {
    store.Advance(now, 16);
    benchmark::DoNotOptimize(
        store.Put(now, KeyOf(client++), 1, absl::Minutes(10) * 0.9));
    now += step;
  };
  for (uint32_t i = 0; i < size; ++i) one();
  for (auto _ : state) one();
  state.SetItemsProcessed(state.iterations());
  state.counters["refused"] = static_cast<double>(store.stats().refused_full);
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("entries")->Arg(10'000)->Arg(1'000'000)->Arg(10'000'000);
}

BENCHMARK(BM_Find)->Apply(Sizes);
BENCHMARK(BM_FindStranger)->Apply(Sizes);
BENCHMARK(BM_FindAndRenew)->Apply(Sizes);
BENCHMARK(BM_EraseAndMake)->Apply(Sizes);
BENCHMARK(BM_ExpireAndMake)->Apply(Sizes);

}  // namespace
}  // namespace ballast::persist
