#include "persist/source_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/base/status_matchers.h"
#include "persist/lifetime.h"

namespace ballast::persist {
namespace {

using ::testing::HasSubstr;

constexpr Instant kStart = Instant::FromNanos(86'400'000'000'000);
constexpr absl::Duration kTimeout = absl::Minutes(6);
constexpr absl::Duration kTick = absl::Nanoseconds(1);

SourceStore Make(uint32_t limit) {
  return SourceStore::Create({.limit = limit, .key = {1, 2}}).value();
}

SourceKey V4Key(uint32_t client, uint32_t service = 1) {
  return {service, Address::V4(0x0a000000 + client)};
}

// The server of `key`, or -1.
int ServerOf(const SourceStore& store, Instant now, const SourceKey& key) {
  const Entry* entry = store.Find(now, key);
  return entry == nullptr ? -1 : static_cast<int>(entry->server);
}

TEST(SourceStoreTest, AnEntryIsValidUntilItsLastStartPlusTimeout) {
  SourceStore store = Make(10);
  ASSERT_TRUE(store.Put(kStart, V4Key(1), 7, kTimeout));
  EXPECT_EQ(ServerOf(store, kStart, V4Key(1)), 7);
  EXPECT_EQ(ServerOf(store, kStart + kTimeout - kTick, V4Key(1)), 7);
  EXPECT_EQ(ServerOf(store, kStart + kTimeout, V4Key(1)), -1);
}

TEST(SourceStoreTest, ANewConnectionInsideTheTimeoutStartsItAgain) {
  SourceStore store = Make(10);
  store.Put(kStart, V4Key(1), 7, kTimeout);
  const Instant again = kStart + kTimeout - kTick;
  store.Put(again, V4Key(1), 7, kTimeout);
  EXPECT_EQ(store.Find(again, V4Key(1))->started(), again);
  // The old deadline's place in the ring comes and goes.
  EXPECT_TRUE(store.Advance(kStart + kTimeout + absl::Seconds(5), 100));
  EXPECT_EQ(ServerOf(store, again + kTimeout - kTick, V4Key(1)), 7);
  EXPECT_EQ(ServerOf(store, again + kTimeout, V4Key(1)), -1);
  EXPECT_TRUE(store.Advance(again + kTimeout + absl::Seconds(2), 100));
  EXPECT_EQ(store.size(), 0u);
  EXPECT_EQ(store.stats().expired, 1u);
}

TEST(SourceStoreTest, ClientsAndServicesAreTheirOwn) {
  SourceStore store = Make(10);
  const SourceKey v6 = {1, *Address::Parse("2001:db8::a00:1")};
  const SourceKey v6_near = {1, *Address::Parse("2001:db9::a00:1")};
  store.Put(kStart, V4Key(1, 1), 1, kTimeout);
  store.Put(kStart, V4Key(1, 2), 2, kTimeout);
  store.Put(kStart, V4Key(2, 1), 3, kTimeout);
  store.Put(kStart, v6, 4, kTimeout);  // Ends in the bits of 10.0.0.1.
  EXPECT_EQ(ServerOf(store, kStart, V4Key(1, 1)), 1);
  EXPECT_EQ(ServerOf(store, kStart, V4Key(1, 2)), 2);
  EXPECT_EQ(ServerOf(store, kStart, V4Key(2, 1)), 3);
  EXPECT_EQ(ServerOf(store, kStart, v6), 4);
  EXPECT_EQ(ServerOf(store, kStart, v6_near), -1);
  for (const SourceKey& key : {V4Key(1, 2), v6}) {
    EXPECT_EQ(store.KeyOf(*store.Find(kStart, key)), key);
  }
  store.Erase(v6);
  store.Erase(v6_near);  // Nothing.
  EXPECT_EQ(ServerOf(store, kStart, v6), -1);
  EXPECT_EQ(store.size(), 3u);
}

// In a store of one, every fourth pair of keys meets in one bucket.
TEST(SourceStoreTest, AddressesThatShareTheirLastBitsAreNotMistaken) {
  for (uint32_t i = 0; i < 200; ++i) {
    const Address v4 = Address::V4(i);
    std::array<uint8_t, 16> bytes = v4.bytes();
    bytes[0] = 0x20;
    const Address v6 = Address::V6(bytes);
    bytes[7] = 1;
    const Address v6_near = Address::V6(bytes);
    for (const Address& there : {v4, v6}) {
      SourceStore store = Make(1);
      store.Put(kStart, {1, there}, 7, kTimeout);
      for (const Address& other : {v4, v6, v6_near}) {
        ASSERT_EQ(ServerOf(store, kStart, {1, other}), other == there ? 7 : -1);
      }
    }
  }
}

// 28 days is 590 times round the ring.
TEST(SourceStoreTest, TheLongestLifetimeIsKeptToTheNanosecond) {
  SourceStore store = Make(10);
  store.Put(kStart, V4Key(1), 7, kTimeoutMax);
  const Instant end = kStart + absl::Seconds(2'419'200);
  for (Instant t = kStart; t < end; t += absl::Seconds(977)) {
    ASSERT_TRUE(store.Advance(t, 1));
    ASSERT_EQ(ServerOf(store, t, V4Key(1)), 7);
  }
  store.Advance(end - kTick, 10);
  EXPECT_EQ(ServerOf(store, end - kTick, V4Key(1)), 7);
  EXPECT_EQ(ServerOf(store, end, V4Key(1)), -1);
  EXPECT_EQ(store.size(), 1u);
  store.Advance(end + absl::Seconds(2), 10);
  EXPECT_EQ(store.size(), 0u);
}

TEST(SourceStoreTest, FullRefusesStrangersAndKeepsWhoIsThere) {
  SourceStore store = Make(2);
  EXPECT_TRUE(store.Put(kStart, V4Key(1), 1, kTimeout));
  EXPECT_TRUE(store.Put(kStart, V4Key(2), 2, absl::Minutes(1)));
  EXPECT_FALSE(store.Put(kStart, V4Key(3), 3, kTimeout));
  EXPECT_EQ(store.stats().refused_full, 1u);
  EXPECT_TRUE(store.Put(kStart, V4Key(1), 1, kTimeout));  // Again.
  EXPECT_TRUE(store.Put(kStart, V4Key(1), 9, kTimeout));  // Elsewhere.
  EXPECT_EQ(ServerOf(store, kStart, V4Key(1)), 9);
  EXPECT_EQ(ServerOf(store, kStart, V4Key(2)), 2);
  // The second has expired and makes room unasked.
  const Instant later = kStart + absl::Seconds(62);
  EXPECT_TRUE(store.Put(later, V4Key(3), 3, kTimeout));
  EXPECT_EQ(ServerOf(store, later, V4Key(1)), 9);
  EXPECT_EQ(ServerOf(store, later, V4Key(3)), 3);
}

TEST(SourceStoreTest, NoRoomAtAllRefusesEverybody) {
  SourceStore store = Make(0);
  EXPECT_FALSE(store.Put(kStart, V4Key(1), 1, kTimeout));
  EXPECT_EQ(ServerOf(store, kStart, V4Key(1)), -1);
  EXPECT_THAT(SourceStore::Create({.limit = (1u << 28) + 1}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("268435457, at most 268435456")));
}

TEST(SourceStoreTest, AHandleNamesOneEntryAndNeverAnother) {
  SourceStore store = Make(1);
  store.Put(kStart, V4Key(1), 1, kTimeout);
  const EntryHandle first = store.HandleOf(*store.Find(kStart, V4Key(1)));
  store.Put(kStart + absl::Seconds(9), V4Key(1), 1, kTimeout);
  ASSERT_NE(store.Get(kStart, first), nullptr);  // Renewed: the same.
  EXPECT_EQ(store.Get(kStart + absl::Hours(1), first), nullptr);  // Expired.
  store.Put(kStart, V4Key(1), 2, kTimeout);  // Another server: another entry.
  EXPECT_EQ(store.Get(kStart, first), nullptr);
  const EntryHandle second = store.HandleOf(*store.Find(kStart, V4Key(1)));
  store.Erase(V4Key(1));
  EXPECT_EQ(store.Get(kStart, second), nullptr);
  store.Put(kStart, V4Key(2), 2, kTimeout);  // In the same place.
  EXPECT_EQ(store.Get(kStart, second), nullptr);
  for (const uint64_t bits :
       {uint64_t{0}, uint64_t{2}, uint64_t{1} << 63, ~uint64_t{0}}) {
    EXPECT_EQ(store.Get(kStart, {bits}), nullptr) << bits;
  }
}

TEST(SourceStoreTest, KeepsWhatSyncNeedsUntilTheEntryIsMadeAnew) {
  SourceStore store = Make(4);
  store.Put(kStart, V4Key(1), 1, kTimeout);
  store.Put(kStart, V4Key(2), 1, kTimeout);
  EXPECT_EQ(store.sync(*store.Find(kStart, V4Key(1))), TemplateSync());
  const TemplateSync sync = {.count = 4'000'000'000,
                             .end = kStart + absl::Hours(700),
                             .assured = true,
                             .retries = 3};
  store.SetSync(*store.Find(kStart, V4Key(1)), sync);
  store.Put(kStart + absl::Seconds(1), V4Key(1), 1, kTimeout);
  EXPECT_EQ(store.sync(*store.Find(kStart, V4Key(1))), sync);
  EXPECT_EQ(store.sync(*store.Find(kStart, V4Key(2))), TemplateSync());
  store.SetSync(*store.Find(kStart, V4Key(1)), {.retries = 1});
  EXPECT_EQ(store.sync(*store.Find(kStart, V4Key(1))),
            (TemplateSync{.retries = 1}));
  store.SetSync(*store.Find(kStart, V4Key(1)), sync);
  store.Put(kStart, V4Key(1), 2, kTimeout);
  EXPECT_EQ(store.sync(*store.Find(kStart, V4Key(1))), TemplateSync());
}

TEST(SourceStoreTest, APeersEntryKeepsItsStart) {
  SourceStore store = Make(4);
  const Instant started = kStart - absl::Minutes(5);
  EXPECT_TRUE(store.Restore(kStart, V4Key(1), 1, started, kTimeout));
  EXPECT_EQ(store.Find(kStart, V4Key(1))->started(), started);
  EXPECT_EQ(store.Find(kStart, V4Key(1))->timeout(), kTimeout);
  EXPECT_EQ(ServerOf(store, kStart + absl::Minutes(1), V4Key(1)), -1);
  EXPECT_TRUE(store.Restore(kStart, V4Key(2), 1, started, absl::Minutes(5)));
  EXPECT_EQ(store.size(), 1u);  // That one had expired.
  // An earlier end than what was here: freed by the earlier one.
  store.Put(kStart, V4Key(3), 1, absl::Hours(1));
  store.Restore(kStart, V4Key(3), 1, kStart, absl::Minutes(1));
  EXPECT_TRUE(store.Advance(kStart + absl::Seconds(62), 10));
  EXPECT_EQ(store.size(), 0u);
}

TEST(SourceStoreTest, AdvanceKeepsToItsBudget) {
  SourceStore store = Make(100);
  for (uint32_t i = 0; i < 100; ++i) store.Put(kStart, V4Key(i), 1, kTimeout);
  const Instant later = kStart + absl::Hours(1);
  EXPECT_FALSE(store.Advance(later, 30));
  EXPECT_EQ(store.size(), 70u);
  EXPECT_FALSE(store.Advance(later, 69));
  EXPECT_TRUE(store.Advance(later, 69));
  EXPECT_EQ(store.size(), 0u);
  EXPECT_EQ(store.stats().expired, 100u);
}

TEST(SourceStoreTest, WalkVisitsEverybodyOnceAndTakesOutWhomItIsTold) {
  SourceStore store = Make(1000);
  for (uint32_t i = 0; i < 1000; ++i) {
    store.Put(kStart, V4Key(i), i % 3, kTimeout);
  }
  for (uint32_t i = 0; i < 1000; i += 5) store.Erase(V4Key(i));
  std::set<SourceKey> seen;
  uint32_t cursor = 0;
  do {
    cursor = store.Walk(cursor, 7, [&](const Entry& entry) {
      EXPECT_TRUE(seen.insert(store.KeyOf(entry)).second);
      return entry.server == 1;
    });
  } while (cursor != 0);
  EXPECT_EQ(seen.size(), 800u);
  for (uint32_t i = 0; i < 1000; ++i) {
    const bool there = i % 5 != 0 && i % 3 != 1;
    EXPECT_EQ(ServerOf(store, kStart, V4Key(i)),
              there ? static_cast<int>(i % 3) : -1);
  }
}

// Goal    whatever happens, the store says what a plain map says.
// Method  random operations on few keys and a small limit, time moving by
//         nothing, a little, or a lot. The seed is the only input.
TEST(SourceStoreTest, AgreesWithAMap) {
  struct Value {
    uint32_t server;
    Instant started;
    Instant expires;
  };
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 prng(seed);
    const uint32_t limit = 1 + prng() % 50;
    SourceStore store = Make(limit);
    std::map<SourceKey, Value> model;
    Instant now = kStart;
    for (int i = 0; i < 5000; ++i) {
      const uint32_t client = prng() % 60;
      const SourceKey key =
          client % 3 != 0
              ? V4Key(client, prng() % 2)
              : SourceKey{1, Address::V6({0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                          0, 0, 0, uint8_t(client)})};
      const Value* known = nullptr;
      if (const auto it = model.find(key);
          it != model.end() && now < it->second.expires) {
        known = &it->second;
      }
      switch (prng() % 8) {
        case 0:
          now += absl::Milliseconds(prng() % 3000);
          break;
        case 1:
          now += prng() % 8 != 0 ? absl::Seconds(prng() % 60)
                                 : absl::Seconds(prng() % 20000);
          break;
        case 2:
          store.Erase(key);
          model.erase(key);
          break;
        case 3:
        case 4: {
          const uint32_t server = prng() % 3;
          const auto timeout = absl::Minutes(1 + prng() % 200);
          // Expired for two seconds: must be free by now. Valid: must not be.
          ASSERT_TRUE(store.Advance(now, 1000));
          uint32_t valid = 0, kept = 0;
          for (const auto& [other, value] : model) {
            valid += now < value.expires;
            kept += now < value.expires + absl::Seconds(2);
          }
          ASSERT_LE(store.size(), kept);
          const bool put = store.Put(now, key, server, timeout);
          if (known != nullptr) {
            ASSERT_TRUE(put);
          } else if (valid < limit) {
            ASSERT_TRUE(put || kept >= limit);
          } else {
            ASSERT_FALSE(put);
          }
          if (put) model[key] = {server, now, now + timeout};
          break;
        }
        default:
          const Entry* entry = store.Find(now, key);
          ASSERT_EQ(entry != nullptr, known != nullptr);
          if (known == nullptr) break;
          ASSERT_EQ(entry->server, known->server);
          ASSERT_EQ(entry->started(), known->started);
          ASSERT_EQ(entry->expires(), known->expires);
          ASSERT_EQ(store.KeyOf(*entry), key);
          ASSERT_EQ(store.Get(now, store.HandleOf(*entry)), entry);
      }
    }
  }
}

}  // namespace
}  // namespace ballast::persist
