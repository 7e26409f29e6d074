// Questions  Does an operation on the store of L7 persistence entries cost more
//            at 10 million entries than at 1 million (aim: at most 1.5x)? How
//            much memory does an entry take? What do two threads gain over one?
// Method     a full store; keys in random order, fixed seed, made before the
//            timed loop, so that nearly every operation finds its lines cold
//            and nothing overlaps. Memory: resident set before and after. For
//            the ratio on a machine that does other things too, interleave:
//              --benchmark_filter='BM_(Find|Erase).*0000000?$'
//              --benchmark_enable_random_interleaving=true
//              --benchmark_repetitions=15 --benchmark_min_time=0.05
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "io/base/instant.h"
#include "persist/key_entry.h"
#include "persist/key_store.h"
#include "persist/mode.h"

namespace ballast::persist {
namespace {

constexpr Instant kStart = Instant::FromNanos(1'000'000'000'000);
constexpr absl::Duration kTimeout = absl::Minutes(60);
constexpr Mode kKind = Mode::kServerCookie;

// As random as a digest, and found again by its number (splitmix64).
KeyId IdOf(uint64_t number) {
  KeyId id{.table = 1};
  for (uint64_t& word : id.digest.words) {
    uint64_t z = number += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    word = z ^ z >> 31;
  }
  return id;
}

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
      : store(KeyStore::Create({.limit = size}).value()) {
    const double before = ResidentBytes();
    for (uint32_t i = 0; i < size; ++i) {
      // Deadlines spread over the hour, as clients come one by one.
      store->Put(kStart - absl::Milliseconds(i % 3'000'000), IdOf(i), kKind,
                 i % 16, kTimeout);
    }
    bytes_per_entry = (ResidentBytes() - before) / size;
    std::mt19937 prng(42);
    keys.resize(1 << 20);
    for (KeyId& key : keys) key = IdOf(prng() % size);
  }
  std::unique_ptr<KeyStore> store;
  std::vector<KeyId> keys;
  double bytes_per_entry;
};

// Made by the first of a benchmark's threads, before its loop begins. All sizes
// stay, so that runs of different sizes can be interleaved.
std::map<int64_t, std::unique_ptr<Full>> g_full;
void Prepare(const benchmark::State& state) {
  std::unique_ptr<Full>& full = g_full[state.range(0)];
  if (full != nullptr) return;
  full = std::make_unique<Full>(static_cast<uint32_t>(state.range(0)));
}

template <typename Operation>
void Run(benchmark::State& state, Operation operation) {
  if (state.thread_index() == 0) Prepare(state);
  const Full* full = nullptr;
  size_t i = static_cast<size_t>(state.thread_index()) << 19;
  for (auto _ : state) {
    if (full == nullptr) full = g_full.at(state.range(0)).get();
    operation(*full->store, full->keys[i++ % full->keys.size()]);
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) {
    state.counters["bytes_per_entry"] = full->bytes_per_entry;
  }
}

void BM_Find(benchmark::State& state) {
  Run(state, [](KeyStore& store, const KeyId& id) {
    benchmark::DoNotOptimize(store.Find(kStart, id));
  });
}

void BM_FindStranger(benchmark::State& state) {
  Run(state, [](KeyStore& store, KeyId id) {
    id.table = 2;
    benchmark::DoNotOptimize(store.Find(kStart, id));
  });
}

// A new connection of a client that is known.
void BM_FindAndRenew(benchmark::State& state) {
  Run(state, [](KeyStore& store, const KeyId& id) {
    const auto entry = store.Find(kStart, id);
    store.Put(kStart, id, kKind, entry->server, kTimeout);
  });
}

void BM_EraseAndMake(benchmark::State& state) {
  Run(state, [](KeyStore& store, const KeyId& id) {
    const auto entry = store.Find(kStart, id);
    store.Erase(id, entry->server);
    store.Put(kStart, id, kKind, entry->server, kTimeout);
  });
}

// Clients expire and others come: all the time spent on one, from both ends.
void BM_ExpireAndMake(benchmark::State& state) {
  const auto size = static_cast<uint32_t>(state.range(0));
  g_full.clear();  // Its memory is wanted here.
  auto store = KeyStore::Create({.limit = size}).value();
  Instant now = kStart;
  uint64_t client = 0;
  // As many a tick as fill the store in ten minutes; once a second what has
  // expired is freed.
  const auto step = absl::Minutes(10) / size;
  const uint32_t a_second = size / 600 + 1;
  const auto one = [&] {
    if (client % a_second == 0) store->Advance(now, 4 * a_second);
    benchmark::DoNotOptimize(
        store->Put(now, IdOf(client++), kKind, 1, absl::Minutes(9)));
    now += step;
  };
  for (uint32_t i = 0; i < size; ++i) one();
  for (auto _ : state) one();
  state.SetItemsProcessed(state.iterations());
  state.counters["refused"] = static_cast<double>(store->stats().refused_full);
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("entries")->Arg(10'000)->Arg(1'000'000)->Arg(10'000'000);
}

BENCHMARK(BM_Find)->Apply(Sizes);
BENCHMARK(BM_FindStranger)->Apply(Sizes);
BENCHMARK(BM_FindAndRenew)->Apply(Sizes);
BENCHMARK(BM_EraseAndMake)->Apply(Sizes);
BENCHMARK(BM_FindAndRenew)
    ->ArgName("entries")
    ->Arg(1'000'000)
    ->Threads(2)
    ->UseRealTime();
BENCHMARK(BM_ExpireAndMake)->Apply(Sizes);

}  // namespace
}  // namespace ballast::persist
