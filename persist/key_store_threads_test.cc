// The store under several threads; for the thread sanitizer as much as for what
// it expects.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "io/base/instant.h"
#include "persist/key.h"
#include "persist/key_entry.h"
#include "persist/key_store.h"
#include "persist/mode.h"

namespace ballast::persist {
namespace {

constexpr Instant kStart = Instant::FromNanos(86'400'000'000'000);
constexpr absl::Duration kTimeout = absl::Minutes(6);
constexpr uint32_t kThreads = 4;

KeyId Id(uint64_t key) {
  const auto* bytes = reinterpret_cast<const char*>(&key);
  return {1, DigestOf({1, 2}, {Mode::kServerCookie, {bytes, sizeof key}})};
}

template <typename Work>
void OnAllThreads(Work work) {
  std::vector<std::thread> threads;
  for (uint32_t number = 0; number < kThreads; ++number) {
    threads.emplace_back([=] { work(number); });
  }
  for (std::thread& thread : threads) thread.join();
}

// Goal    clients who open several connections at once get one server.
TEST(KeyStoreThreadsTest, AllWhoClaimAtOnceGetTheSameServer) {
  constexpr uint64_t kClients = 5000;
  auto store =
      KeyStore::Create({.limit = 10'000, .shards = 4, .huge_pages = false})
          .value();
  std::array<std::vector<uint32_t>, kThreads> got;
  OnAllThreads([&](uint32_t number) {
    for (uint64_t client = 0; client < kClients; ++client) {
      got[number].push_back(store->Claim(
          kStart, Id(client), Mode::kServerCookie, number, kTimeout));
    }
  });
  for (uint32_t number = 1; number < kThreads; ++number) {
    EXPECT_EQ(got[number], got[0]);
  }
  EXPECT_EQ(store->size(), kClients);
}

// Goal    every operation beside every other, in a store that is full most of
//         the time; the books balance at the end.
TEST(KeyStoreThreadsTest, EverythingAtOnceLeavesTheBooksInOrder) {
  auto store =
      KeyStore::Create(
          {.limit = 300, .shards = 2, .changes_max = 100, .huge_pages = false})
          .value();
  store->StartTelling();
  OnAllThreads([&](uint32_t number) {
    std::array<KeyEntry, 16> changes;
    for (uint64_t i = 0; i < 20'000; ++i) {
      const Instant now = kStart + absl::Milliseconds(20) * i;
      const KeyId id = Id(i * (number + 1) % 500);
      switch ((i + number) % 8) {
        case 0:
          store->Erase(id, number);
          break;
        case 1:
          store->Advance(now, 10);
          break;
        case 2:
          for (size_t n = store->TakeChanges(now, changes); n > 0; --n) {
            store->Apply(now, changes[n - 1]);
          }
          break;
        case 3:
          store->Walk(now, (i % 2) << 32, 50, [&](const KeyEntry& entry) {
            return entry.server == number && i % 16 == 3;
          });
          break;
        case 4:
          store->Find(now, id);
          store->Refresh(now, id, number, true);
          break;
        default:
          store->Put(now, id, Mode::kServerCookie, number, absl::Minutes(1));
      }
    }
  });
  EXPECT_LE(store->size(), 300u);
  uint32_t by_server = 0;
  for (uint32_t number = 0; number < kThreads; ++number) {
    by_server += store->CountOf(number);
  }
  EXPECT_EQ(by_server, store->size());
  EXPECT_TRUE(store->Advance(kStart + absl::Hours(9), 1000));
  EXPECT_EQ(store->size(), 0u);
}

}  // namespace
}  // namespace ballast::persist
