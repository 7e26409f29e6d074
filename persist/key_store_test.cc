#include "persist/key_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "io/base/instant.h"
#include "io/base/status_matchers.h"
#include "persist/key.h"
#include "persist/key_entry.h"
#include "persist/lifetime.h"
#include "persist/mode.h"

namespace ballast::persist {
namespace {

using ::testing::HasSubstr;
using Applied = KeyApplied;

constexpr Instant kStart = Instant::FromNanos(86'400'000'000'000);
constexpr absl::Duration kTimeout = absl::Minutes(6);
constexpr absl::Duration kTick = absl::Nanoseconds(1);
constexpr Mode kKind = Mode::kServerCookie;

std::unique_ptr<KeyStore> Make(uint32_t limit, uint32_t shards = 0,
                               uint32_t changes_max = 1 << 16) {
  return KeyStore::Create({.limit = limit,
                           .shards = shards,
                           .changes_max = changes_max,
                           .huge_pages = false})
      .value();
}

KeyId Id(uint64_t key, uint32_t table = 1) {
  const auto* bytes = reinterpret_cast<const char*>(&key);
  return {table, DigestOf({1, 2}, {kKind, {bytes, sizeof key}})};
}

// The server of `id`, or -1.
int ServerOf(const KeyStore& store, Instant now, const KeyId& id) {
  const auto entry = store.Find(now, id);
  return entry.has_value() ? static_cast<int>(entry->server) : -1;
}

std::vector<KeyEntry> Taken(KeyStore& store, Instant now) {
  std::vector<KeyEntry> all;
  std::array<KeyEntry, 7> some;
  while (const size_t count = store.TakeChanges(now, some)) {
    all.insert(all.end(), some.begin(), some.begin() + count);
  }
  return all;
}

TEST(KeyStoreTest, AnEntryIsValidUntilItsLastStartPlusTimeout) {
  const auto store = Make(10);
  ASSERT_TRUE(store->Put(kStart, Id(1), kKind, 7, kTimeout));
  EXPECT_EQ(store->Find(kStart, Id(1)),
            (KeyEntry{Id(1), kKind, 7, kStart, kTimeout}));
  EXPECT_EQ(ServerOf(*store, kStart + kTimeout - kTick, Id(1)), 7);
  EXPECT_EQ(ServerOf(*store, kStart + kTimeout, Id(1)), -1);
}

TEST(KeyStoreTest, ANewConnectionInsideTheTimeoutStartsItAgain) {
  const auto store = Make(10);
  store->Put(kStart, Id(1), kKind, 7, kTimeout);
  const Instant again = kStart + kTimeout - kTick;
  store->Put(again, Id(1), kKind, 7, kTimeout);
  EXPECT_TRUE(store->Advance(kStart + kTimeout + absl::Seconds(5), 100));
  EXPECT_EQ(ServerOf(*store, again + kTimeout - kTick, Id(1)), 7);
  EXPECT_EQ(ServerOf(*store, again + kTimeout, Id(1)), -1);
  EXPECT_TRUE(store->Advance(again + kTimeout + absl::Seconds(2), 100));
  EXPECT_EQ(store->size(), 0u);
  EXPECT_EQ(store->stats().expired, 1u);
}

TEST(KeyStoreTest, TheLongestLifetimeIsKeptToTheNanosecond) {
  const auto store = Make(10);
  store->Put(kStart, Id(1), kKind, 7, kTimeoutMax);
  const Instant end = kStart + absl::Seconds(2'419'200);
  for (Instant t = kStart; t < end; t += absl::Seconds(977)) {
    ASSERT_TRUE(store->Advance(t, 1));
    ASSERT_EQ(ServerOf(*store, t, Id(1)), 7);
  }
  EXPECT_EQ(ServerOf(*store, end - kTick, Id(1)), 7);
  EXPECT_EQ(ServerOf(*store, end, Id(1)), -1);
}

TEST(KeyStoreTest, TablesAreTheirOwn) {
  const auto store = Make(10);
  store->Put(kStart, Id(1, 1), kKind, 7, kTimeout);
  store->Put(kStart, Id(1, 2), kKind, 8, kTimeout);
  EXPECT_EQ(ServerOf(*store, kStart, Id(1, 1)), 7);
  EXPECT_EQ(ServerOf(*store, kStart, Id(1, 2)), 8);
  EXPECT_EQ(ServerOf(*store, kStart, Id(1, 3)), -1);
  EXPECT_TRUE(store->Erase(Id(1, 2), 8));
  EXPECT_EQ(ServerOf(*store, kStart, Id(1, 1)), 7);
  EXPECT_EQ(ServerOf(*store, kStart, Id(1, 2)), -1);
}

TEST(KeyStoreTest, WhoComesSecondGetsTheFirstOnesServer) {
  const auto store = Make(10);
  EXPECT_EQ(store->Claim(kStart, Id(1), kKind, 7, kTimeout), 7u);
  EXPECT_EQ(store->Claim(kStart, Id(1), kKind, 8, kTimeout), 7u);
  // It does not start the clock again: that is for an established connection.
  EXPECT_EQ(store->Find(kStart + absl::Minutes(1), Id(1))->started, kStart);
  // Once it has expired, the next one's choice holds.
  EXPECT_EQ(store->Claim(kStart + kTimeout, Id(1), kKind, 8, kTimeout), 8u);
}

// Two threads have found server 7 down; the second comes late.
TEST(KeyStoreTest, AnEntryIsDiscardedOnlyWhileItPointsAtTheServerMeant) {
  const auto store = Make(10);
  store->Put(kStart, Id(1), kKind, 7, kTimeout);
  EXPECT_TRUE(store->Erase(Id(1), 7));
  EXPECT_EQ(store->Claim(kStart, Id(1), kKind, 8, kTimeout), 8u);
  EXPECT_FALSE(store->Erase(Id(1), 7));
  EXPECT_EQ(ServerOf(*store, kStart, Id(1)), 8);
}

TEST(KeyStoreTest, RefreshStartsLongLivedEntriesAgainOnceADay) {
  const auto store = Make(10);
  const Instant day = kStart + absl::Hours(24);
  store->Put(kStart, Id(1), kKind, 7, absl::Hours(96));
  store->Put(kStart, Id(2), kKind, 7, absl::Hours(96) - absl::Minutes(1));
  EXPECT_FALSE(store->Refresh(day - kTick, Id(1), 7, true));
  EXPECT_FALSE(store->Refresh(day, Id(1), 7, false));
  EXPECT_FALSE(store->Refresh(day, Id(1), 8, true));  // Another's entry.
  EXPECT_TRUE(store->Refresh(day, Id(1), 7, true));
  EXPECT_FALSE(store->Refresh(day, Id(2), 7, true));  // Below four days.
  EXPECT_FALSE(store->Refresh(day, Id(3), 7, true));
  EXPECT_EQ(store->Find(day, Id(1))->started, day);
  EXPECT_EQ(store->Find(day, Id(2))->started, kStart);
}

TEST(KeyStoreTest, FullRefusesStrangersAndKeepsWhoIsThere) {
  const auto store = Make(2);
  EXPECT_TRUE(store->Put(kStart, Id(1), kKind, 1, kTimeout));
  EXPECT_TRUE(store->Put(kStart, Id(2), kKind, 2, absl::Minutes(1)));
  EXPECT_FALSE(store->Put(kStart, Id(3), kKind, 3, kTimeout));
  EXPECT_EQ(store->Claim(kStart, Id(3), kKind, 3, kTimeout), 3u);
  EXPECT_EQ(store->stats().refused_full, 2u);
  EXPECT_EQ(ServerOf(*store, kStart, Id(3)), -1);
  EXPECT_TRUE(store->Put(kStart, Id(1), kKind, 1, kTimeout));  // Again.
  EXPECT_TRUE(store->Put(kStart, Id(1), kKind, 9, kTimeout));  // Elsewhere.
  EXPECT_EQ(ServerOf(*store, kStart, Id(1)), 9);
  // The second has expired and makes room unasked.
  const Instant later = kStart + absl::Seconds(62);
  EXPECT_TRUE(store->Put(later, Id(3), kKind, 3, kTimeout));
  EXPECT_EQ(ServerOf(*store, later, Id(1)), 9);
}

TEST(KeyStoreTest, TheLimitIsTheWholeStoresHoweverKeysFall) {
  const auto store = Make(10'000, 16);
  uint32_t put = 0;
  for (uint64_t i = 0; i < 20'000; ++i) {
    put += store->Put(kStart, Id(i), kKind, 1, kTimeout);
  }
  EXPECT_EQ(put, 10'000u);
  EXPECT_EQ(store->size(), 10'000u);
  EXPECT_EQ(store->CountOf(1), 10'000u);
  EXPECT_EQ(store->stats().refused_full, 10'000u);
}

TEST(KeyStoreTest, LimitsAreChecked) {
  const auto none = Make(0);
  EXPECT_FALSE(none->Put(kStart, Id(1), kKind, 1, kTimeout));
  EXPECT_EQ(ServerOf(*none, kStart, Id(1)), -1);
  EXPECT_THAT(KeyStore::Create({.limit = (1u << 28) + 1}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("268435457, at most 268435456")));
  EXPECT_THAT(KeyStore::Create({.limit = 10, .shards = 3}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("3, must be a power of two up to 64")));
  EXPECT_THAT(KeyStore::Create({.limit = 10, .shards = 128}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("128")));
}

TEST(KeyStoreTest, CountsTheEntriesOfEachServer) {
  const auto store = Make(1000, 4);
  for (uint64_t i = 0; i < 30; ++i) {
    store->Put(kStart, Id(i), kKind, i % 3, kTimeout);
  }
  EXPECT_EQ(store->CountOf(0), 10u);
  store->Put(kStart, Id(0), kKind, 2, kTimeout);  // Moves.
  store->Erase(Id(3), 0);
  EXPECT_EQ(store->CountOf(0), 8u);
  EXPECT_EQ(store->CountOf(2), 11u);
  EXPECT_EQ(store->CountOf(9), 0u);
  EXPECT_TRUE(store->Advance(kStart + kTimeout + absl::Seconds(2), 100));
  EXPECT_EQ(store->CountOf(2), 0u);
}

TEST(KeyStoreTest, AdvanceKeepsToItsBudgetOverAllShards) {
  const auto store = Make(100, 8);
  for (uint64_t i = 0; i < 100; ++i) {
    store->Put(kStart, Id(i), kKind, 1, kTimeout);
  }
  const Instant later = kStart + absl::Hours(1);
  EXPECT_FALSE(store->Advance(later, 30));
  EXPECT_EQ(store->size(), 70u);
  EXPECT_FALSE(store->Advance(later, 69));
  EXPECT_TRUE(store->Advance(later, 69));
  EXPECT_EQ(store->size(), 0u);
}

TEST(KeyStoreTest, WalkVisitsTheValidOnceAndTakesOutWhomItIsTold) {
  const auto store = Make(1000, 4);
  for (uint64_t i = 0; i < 1000; ++i) {
    store->Put(kStart, Id(i), kKind, i % 3,
               i % 5 == 0 ? absl::Minutes(1) : kTimeout);
  }
  const Instant now = kStart + absl::Minutes(1);  // Every fifth has expired.
  std::set<KeyId> seen;
  uint64_t cursor = 0;
  do {
    cursor = store->Walk(now, cursor, 7, [&](const KeyEntry& entry) {
      EXPECT_TRUE(seen.insert(entry.id).second);
      return entry.server == 1;
    });
  } while (cursor != 0);
  EXPECT_EQ(seen.size(), 800u);
  for (uint64_t i = 0; i < 1000; ++i) {
    const bool there = i % 5 != 0 && i % 3 != 1;
    EXPECT_EQ(ServerOf(*store, now, Id(i)),
              there ? static_cast<int>(i % 3) : -1);
  }
  EXPECT_EQ(
      store->Walk(now, ~uint64_t{0}, 7, [](const KeyEntry&) { return false; }),
      0u);
}

// -- The partner --------------------------------------------------------------

TEST(KeyStoreTest, TellsNothingBeforeItIsAsked) {
  const auto store = Make(10);
  store->Put(kStart, Id(1), kKind, 7, kTimeout);
  EXPECT_TRUE(Taken(*store, kStart).empty());
  store->StartTelling();
  EXPECT_TRUE(Taken(*store, kStart).empty());
  store->Put(kStart, Id(1), kKind, 7, kTimeout);
  store->StopTelling();
  EXPECT_TRUE(Taken(*store, kStart).empty());
  store->StartTelling();
  store->Put(kStart, Id(1), kKind, 7, kTimeout);
  EXPECT_EQ(Taken(*store, kStart).size(), 1u);
}

TEST(KeyStoreTest, AnEntryThatChangesOftenIsToldOnceAsItIsThen) {
  const auto store = Make(10);
  store->StartTelling();
  store->Claim(kStart, Id(1), kKind, 7, kTimeout);
  store->Put(kStart + absl::Seconds(1), Id(1), kKind, 7, kTimeout);
  const Instant last = kStart + absl::Seconds(2);
  store->Put(last, Id(1), kKind, 8, kTimeout);
  EXPECT_THAT(Taken(*store, last),
              testing::ElementsAre(KeyEntry{Id(1), kKind, 8, last, kTimeout}));
  EXPECT_TRUE(Taken(*store, last).empty());
  store->Erase(Id(1), 8);
  const std::vector<KeyEntry> gone = Taken(*store, last);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_TRUE(gone[0].gone());
  EXPECT_EQ(gone[0].id, Id(1));
}

TEST(KeyStoreTest, ChangesForWhichThereIsNoRoomAreCounted) {
  const auto store = Make(10, 1, 2);  // Room for three.
  store->StartTelling();
  for (uint64_t i = 0; i < 5; ++i) {
    store->Put(kStart, Id(i), kKind, 7, kTimeout);
  }
  EXPECT_EQ(store->stats().changes_lost, 2u);
  EXPECT_EQ(Taken(*store, kStart).size(), 3u);
  // What was lost is told with its next change.
  store->Put(kStart, Id(4), kKind, 7, kTimeout);
  EXPECT_EQ(Taken(*store, kStart).size(), 1u);
}

TEST(KeyStoreTest, AppliesWhatThePartnerTells) {
  const auto store = Make(2);
  store->StartTelling();
  const Instant started = kStart - absl::Minutes(5);
  const KeyEntry told = {Id(1), kKind, 7, started, kTimeout};
  EXPECT_EQ(store->Apply(kStart, told), Applied::kCreated);
  EXPECT_EQ(store->Find(kStart, Id(1)), told);
  EXPECT_EQ(ServerOf(*store, kStart + absl::Minutes(1), Id(1)), -1);
  EXPECT_EQ(store->Apply(kStart, told), Applied::kUpdated);

  KeyEntry other = told;
  other.started = started - kTick;
  EXPECT_EQ(store->Apply(kStart, other), Applied::kStale);
  other.started = kStart + absl::Hours(1);  // A clock that runs ahead.
  EXPECT_EQ(store->Apply(kStart, other), Applied::kUpdated);
  EXPECT_EQ(store->Find(kStart, Id(1))->started, kStart);

  other = told;
  other.id = Id(2);
  other.started = kStart - kTimeout;
  EXPECT_EQ(store->Apply(kStart, other), Applied::kExpired);
  for (const absl::Duration timeout :
       {absl::Seconds(59), absl::Seconds(61), -absl::Minutes(1),
        kTimeoutMax + absl::Minutes(1), absl::InfiniteDuration()}) {
    other.timeout = timeout;
    EXPECT_EQ(store->Apply(kStart, other), Applied::kInvalid) << timeout;
  }
  other.timeout = kTimeout;
  other.started = kStart;
  for (const int kind : {0, 5, 7, 9, 16, 255}) {  // Forms are no kinds.
    other.kind = static_cast<Mode>(kind);
    EXPECT_EQ(store->Apply(kStart, other), Applied::kInvalid) << kind;
  }
  other = told;
  other.id = Id(2);
  EXPECT_EQ(store->Apply(kStart, other), Applied::kCreated);
  other.id = Id(3);
  EXPECT_EQ(store->Apply(kStart, other), Applied::kRefusedFull);
  EXPECT_TRUE(Taken(*store, kStart).empty());  // No echo.
}

TEST(KeyStoreTest, AppliesWhatIsGone) {
  const auto store = Make(2);
  store->Put(kStart, Id(1), kKind, 7, kTimeout);
  KeyEntry gone = {.id = Id(1), .kind = kKind, .started = kStart - kTick};
  EXPECT_EQ(store->Apply(kStart, gone), Applied::kStale);
  EXPECT_EQ(ServerOf(*store, kStart, Id(1)), 7);
  gone.started = kStart;
  EXPECT_EQ(store->Apply(kStart, gone), Applied::kRemoved);
  EXPECT_EQ(store->Apply(kStart, gone), Applied::kStale);
  EXPECT_EQ(store->size(), 0u);
}

// Goal    whatever happens, the store says what a plain map says, and a partner
//         that is told says the same.
// Method  random operations on few keys and a small limit, time moving by
//         nothing, a little, or a lot. The seed is the only input.
TEST(KeyStoreTest, AgreesWithAMapAndThePartnerAgrees) {
  struct Value {
    uint32_t server;
    Instant started;
    absl::Duration timeout;
  };
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 prng(seed);
    const uint32_t limit = 1 + prng() % 50;
    const auto store = Make(limit, 1u << prng() % 4);
    const auto partner = Make(200);  // Never full.
    store->StartTelling();
    std::map<KeyId, Value> model;
    Instant now = kStart;
    for (int i = 0; i < 5000; ++i) {
      const KeyId id = Id(prng() % 60, prng() % 2);
      const uint32_t server = prng() % 3;
      Value* known = nullptr;
      if (const auto it = model.find(id);
          it != model.end() && now < it->second.started + it->second.timeout) {
        known = &it->second;
      }
      switch (prng() % 9) {
        case 0:
          now += absl::Milliseconds(prng() % 3000);
          break;
        case 1:
          now += prng() % 8 != 0 ? absl::Seconds(prng() % 60)
                                 : absl::Seconds(prng() % 20000);
          break;
        case 2: {
          const bool erased = store->Erase(id, server);
          if (known != nullptr) {
            ASSERT_EQ(erased, known->server == server);
            if (erased) model.erase(id);
          }
          break;
        }
        case 3:
        case 4:
        case 5: {
          const auto timeout = absl::Minutes(1 + prng() % 200);
          // Expired for two seconds: must be free by now. Valid: must not be.
          ASSERT_TRUE(store->Advance(now, 1000));
          uint32_t valid = 0, kept = 0;
          for (const auto& [other, value] : model) {
            const Instant expires = value.started + value.timeout;
            valid += now < expires;
            kept += now < expires + absl::Seconds(2);
          }
          ASSERT_LE(store->size(), kept);
          if (prng() % 2 == 0) {
            const uint32_t claimed =
                store->Claim(now, id, kKind, server, timeout);
            if (known != nullptr) {
              ASSERT_EQ(claimed, known->server);
            } else {
              ASSERT_EQ(claimed, server);
              if (store->Find(now, id).has_value()) {
                model[id] = {server, now, timeout};
              } else {
                ASSERT_GE(kept, limit);
              }
            }
            break;
          }
          const bool put = store->Put(now, id, kKind, server, timeout);
          if (known != nullptr) {
            ASSERT_TRUE(put);
          } else if (valid < limit) {
            ASSERT_TRUE(put || kept >= limit);
          } else {
            ASSERT_FALSE(put);
          }
          if (put) model[id] = {server, now, timeout};
          break;
        }
        case 6: {
          partner->Advance(now, 1000);
          for (const KeyEntry& change : Taken(*store, now)) {
            ASSERT_NE(partner->Apply(now, change), Applied::kInvalid);
          }
          for (const auto& [other, value] : model) {
            ASSERT_EQ(store->Find(now, other), partner->Find(now, other));
          }
          break;
        }
        default:
          const auto entry = store->Find(now, id);
          ASSERT_EQ(entry.has_value(), known != nullptr);
          if (known == nullptr) break;
          ASSERT_EQ(*entry, (KeyEntry{id, kKind, known->server, known->started,
                                      known->timeout}));
      }
    }
    uint32_t by_server = 0;
    for (uint32_t server = 0; server < 3; ++server) {
      by_server += store->CountOf(server);
    }
    ASSERT_EQ(by_server, store->size());
  }
}

TEST(KeyStoreTest, WhatAWholeTableLeavesOutGoes) {
  const auto store = Make(100, 4);
  for (uint64_t n = 0; n < 20; ++n) {
    store->Put(kStart, Id(n), kKind, 7, kTimeout);
  }
  store->StartTelling();
  store->BeginReplace();
  const auto tell = [&](uint64_t n, Instant started) {
    return store->Apply(kStart + absl::Seconds(9),
                        {Id(n), kKind, 8, started, kTimeout});
  };
  EXPECT_EQ(tell(1, kStart + absl::Seconds(1)), Applied::kUpdated);
  EXPECT_EQ(tell(2, kStart - absl::Seconds(1)), Applied::kStale);
  EXPECT_EQ(tell(30, kStart), Applied::kCreated);
  store->Put(kStart, Id(3), kKind, 7, kTimeout);
  store->Put(kStart, Id(31), kKind, 7, kTimeout);
  EXPECT_TRUE(store->Advance(kStart, 1000));
  EXPECT_EQ(store->size(), 22u);  // It may yet be told.
  store->EndReplace();
  tell(32, kStart);  // A change of later.
  EXPECT_EQ(store->size(), 23u);
  EXPECT_FALSE(store->Advance(kStart, 5));  // Never more than is wanted.
  EXPECT_GE(store->size(), 18u);
  while (!store->Advance(kStart, 5)) {
  }
  std::set<uint64_t> left;
  for (uint64_t n = 0; n < 40; ++n) {
    if (store->Find(kStart, Id(n)).has_value()) left.insert(n);
  }
  EXPECT_EQ(left, (std::set<uint64_t>{1, 2, 3, 30, 31, 32}));
  EXPECT_EQ(store->size(), 6u);
  EXPECT_EQ(store->stats().left_out, 17u);
  // Nobody is told but of what was put here.
  EXPECT_EQ(Taken(*store, kStart).size(), 2u);
}

TEST(KeyStoreTest, ATableThatDoesNotComeWholeRemovesNothing) {
  const auto store = Make(100, 1);
  store->Put(kStart, Id(1), kKind, 7, kTimeout);
  store->Put(kStart, Id(2), kKind, 7, kTimeout);
  store->BeginReplace();
  store->Apply(kStart, {Id(1), kKind, 7, kStart, kTimeout});
  store->BeginReplace();
  EXPECT_TRUE(store->Advance(kStart, 100));
  EXPECT_EQ(store->size(), 2u);
  store->Apply(kStart, {Id(2), kKind, 7, kStart, kTimeout});
  store->EndReplace();
  EXPECT_TRUE(store->Advance(kStart, 100));
  EXPECT_EQ(ServerOf(*store, kStart, Id(1)), -1);
  EXPECT_EQ(ServerOf(*store, kStart, Id(2)), 7);
  // Before what the last one left out has gone, another begins.
  store->BeginReplace();
  store->EndReplace();
  store->BeginReplace();
  EXPECT_TRUE(store->Advance(kStart, 100));
  EXPECT_EQ(store->size(), 1u);
}

// OpenSSL 3: printf ... | openssl mac -macopt hexkey:000102..0f -macopt size:16
// SIPHASH, of the kind as 8 bytes and the text.
TEST(KeyTest, ADigestIsWhatAnotherImplementationMakesOfIt) {
  constexpr SipKey kSecret = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  struct Case {
    Key key;
    std::array<uint64_t, 2> digest;  // Big endian, as printed.
  };
  for (const Case& c : {
           Case{{Mode::kServerCookie, "abc"},
                {0x21e4983b3a0d31fd, 0x3a487147bbd985f0}},
           Case{{Mode::kSelectedHeader, "abc"},
                {0xf0854cb99d6ee4a6, 0x2bcabc546373e14c}},
           Case{{Mode::kSourceIp, "192.0.2.1"},
                {0x587cd681d582c02a, 0xe3e0b18f4cdfc8ab}},
           Case{{Mode::kSuperHttp, ""},
                {0x1ed9f518a64b534b, 0x639e90680bd27ce0}},
           Case{{Mode::kUrlHash, "/a/b?c=d&e=ffffff"},
                {0x5344bf16667a1678, 0xa738699f2656c911}},
           Case{{Mode::kServerCookie, "12345678"},
                {0x5007de9d427438d9, 0x371387fe2f9f3ba8}},
       }) {
    const Digest digest = DigestOf(kSecret, c.key);
    EXPECT_EQ(__builtin_bswap64(digest.words[0]), c.digest[0]) << c.key.bytes;
    EXPECT_EQ(__builtin_bswap64(digest.words[1]), c.digest[1]) << c.key.bytes;
    EXPECT_EQ(Digest::FromBytes(digest.bytes()), digest);
  }
  EXPECT_EQ(Digest::FromBytes(std::array<uint8_t, 15>{}), std::nullopt);
}

}  // namespace
}  // namespace ballast::persist
