#include "lb/l4/connection_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "io/base/check.h"
#include "lb/l4/connection.h"
#include "lb/l4/flow_tuple.h"

namespace ballast::l4 {
namespace {

template <typename A>
A MakeAddress(uint32_t n) {
  if constexpr (sizeof(A) == 4) {
    return n;
  } else {
    return {n, uint64_t{n} * 0x9e3779b97f4a7c15};
  }
}

template <typename A>
Connection<A> Make(uint32_t client, uint16_t client_port, uint32_t vip,
                   uint16_t vip_port, uint32_t server, uint16_t server_port,
                   bool direct = false) {
  Connection<A> c;
  c.client = MakeAddress<A>(client);
  c.client_port = client_port;
  c.vip = MakeAddress<A>(vip);
  c.vip_port = vip_port;
  c.server = MakeAddress<A>(server);
  c.server_port = server_port;
  c.protocol = 6;
  if (direct) c.Set(kDirect);
  return c;
}

template <typename A>
ConnectionTable<A> MakeTable(uint32_t limit) {
  auto table =
      ConnectionTable<A>::Create({.limit = limit, .key = {0x1234, 0x5678}});
  BALLAST_CHECK(table.ok());
  return *std::move(table);
}

template <typename A>
class ConnectionTableTest : public ::testing::Test {};
using Families = ::testing::Types<AddressV4, AddressV6>;
TYPED_TEST_SUITE(ConnectionTableTest, Families);

constexpr auto kMinute = [](const auto&) { return 60'000u; };
constexpr auto kIgnore = [](const auto&) {};

TYPED_TEST(ConnectionTableTest, LimitIsOneTo2To24Less1) {
  using Table = ConnectionTable<TypeParam>;
  EXPECT_EQ(Table::Create({.limit = 0}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Table::Create({.limit = 1 << 24}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Table::Create({.limit = (1 << 24) - 1}).ok());
}

TYPED_TEST(ConnectionTableTest, NatIsFoundFromBothEnds) {
  auto table = MakeTable<TypeParam>(10);
  const auto init = Make<TypeParam>(1, 1000, 2, 80, 3, 8080);
  const auto inserted = table.Insert(0, init, 1000);
  ASSERT_EQ(inserted.outcome, InsertOutcome::kInserted);
  const auto from_client = table.Find(
      {MakeAddress<TypeParam>(1), MakeAddress<TypeParam>(2), 1000, 80, 6});
  EXPECT_EQ(from_client.connection, inserted.connection);
  EXPECT_EQ(from_client.direction, PacketDirection::kFromClient);
  const auto from_server = table.Find(
      {MakeAddress<TypeParam>(3), MakeAddress<TypeParam>(1), 8080, 1000, 6});
  EXPECT_EQ(from_server.connection, inserted.connection);
  EXPECT_EQ(from_server.direction, PacketDirection::kFromServer);
}

TYPED_TEST(ConnectionTableTest, DirectReturnIsFoundFromTheClientOnly) {
  auto table = MakeTable<TypeParam>(10);
  const auto init = Make<TypeParam>(1, 1000, 2, 80, 3, 80, /*direct=*/true);
  ASSERT_EQ(table.Insert(0, init, 1000).outcome, InsertOutcome::kInserted);
  EXPECT_TRUE(table.Find(init.Forward()));
  EXPECT_FALSE(table.Find(init.Reverse()));
}

TYPED_TEST(ConnectionTableTest, AHintToTheWrongLineFindsNothing) {
  auto table = MakeTable<TypeParam>(10);
  const auto init = Make<TypeParam>(1, 1000, 2, 80, 3, 80, /*direct=*/true);
  auto* connection = table.Insert(0, init, 1000).connection;
  const uint64_t hash = table.Hash(init.Forward());
  const uint32_t hint = table.PrefetchCandidate(hash);
  EXPECT_EQ(table.Find(init.Forward(), hash, hint).connection, connection);
  const uint64_t reverse_hash = table.Hash(init.Reverse());
  EXPECT_FALSE(table.Find(init.Reverse(), reverse_hash, hint));
  // It went after the batch was prepared.
  table.Erase(connection);
  EXPECT_FALSE(table.Find(init.Forward(), hash, hint));
}

TYPED_TEST(ConnectionTableTest, AnyFieldOfTheTupleDistinguishes) {
  auto table = MakeTable<TypeParam>(10);
  const auto init = Make<TypeParam>(1, 1000, 2, 80, 3, 8080);
  ASSERT_EQ(table.Insert(0, init, 1000).outcome, InsertOutcome::kInserted);
  for (auto tuple : {init.Forward(), init.Reverse()}) {
    auto changed = tuple;
    changed.source = MakeAddress<TypeParam>(9);
    EXPECT_FALSE(table.Find(changed));
    changed = tuple;
    changed.destination = MakeAddress<TypeParam>(9);
    EXPECT_FALSE(table.Find(changed));
    changed = tuple;
    changed.source_port ^= 1;
    EXPECT_FALSE(table.Find(changed));
    changed = tuple;
    changed.destination_port ^= 1;
    EXPECT_FALSE(table.Find(changed));
    changed = tuple;
    changed.protocol = 17;
    EXPECT_FALSE(table.Find(changed));
  }
}

TYPED_TEST(ConnectionTableTest, RefusalsNameTheReasonAndWhoIsInTheWay) {
  auto table = MakeTable<TypeParam>(2);
  auto* first = table.Insert(0, Make<TypeParam>(1, 1000, 2, 80, 3, 8080), 1000)
                    .connection;
  ASSERT_NE(first, nullptr);
  auto again = table.Insert(0, Make<TypeParam>(1, 1000, 2, 80, 4, 8080), 1000);
  EXPECT_EQ(again.outcome, InsertOutcome::kExists);
  EXPECT_EQ(again.conflict, first);
  // The same client port to another VIP, given the same server and port.
  again = table.Insert(0, Make<TypeParam>(1, 1000, 7, 80, 3, 8080), 1000);
  EXPECT_EQ(again.outcome, InsertOutcome::kReverseTaken);
  EXPECT_EQ(again.conflict, first);
  EXPECT_EQ(again.connection, nullptr);
  // A flow whose two directions look the same.
  again = table.Insert(0, Make<TypeParam>(5, 80, 5, 80, 5, 80), 1000);
  EXPECT_EQ(again.outcome, InsertOutcome::kReverseTaken);
  EXPECT_EQ(table.size(), 1u);
  // With another server it may come in; then the table is full.
  EXPECT_EQ(
      table.Insert(0, Make<TypeParam>(1, 1000, 7, 80, 4, 8080), 1000).outcome,
      InsertOutcome::kInserted);
  EXPECT_EQ(
      table.Insert(0, Make<TypeParam>(8, 1000, 7, 80, 4, 8080), 1000).outcome,
      InsertOutcome::kFull);
  // Full harms nobody who is there, and ends when one leaves.
  EXPECT_TRUE(table.Find(Make<TypeParam>(1, 1000, 7, 80, 4, 8080).Forward()));
  table.Erase(first);
  EXPECT_EQ(
      table.Insert(0, Make<TypeParam>(8, 1000, 7, 80, 4, 8080), 1000).outcome,
      InsertOutcome::kInserted);
}

TYPED_TEST(ConnectionTableTest, HandlesOfTheGoneAreStale) {
  auto table = MakeTable<TypeParam>(10);
  const auto init = Make<TypeParam>(1, 1000, 2, 80, 3, 8080);
  auto* connection = table.Insert(0, init, 1000).connection;
  const ConnectionHandle handle = table.HandleOf(connection);
  EXPECT_TRUE(handle);
  EXPECT_EQ(table.Get(handle), connection);
  table.Erase(connection);
  EXPECT_EQ(table.Get(handle), nullptr);
  // The next connection gets the same line, and is not taken for the old one.
  auto* next = table.Insert(0, Make<TypeParam>(2, 1000, 2, 80, 3, 8080), 1000)
                   .connection;
  EXPECT_EQ(next, connection);
  EXPECT_EQ(table.Get(handle), nullptr);
  EXPECT_EQ(table.Get(table.HandleOf(next)), next);
}

TYPED_TEST(ConnectionTableTest, HandlesMadeUpAreNull) {
  auto table = MakeTable<TypeParam>(10);
  table.Insert(0, Make<TypeParam>(1, 1000, 2, 80, 3, 8080), 1000);
  for (const uint64_t bits :
       {uint64_t{0}, uint64_t{2}, uint64_t{0xffffff}, uint64_t{1} << 24 | 1,
        uint64_t{1} << 40 | 1, ~uint64_t{0}}) {
    EXPECT_EQ(table.Get({bits}), nullptr) << bits;
  }
}

TYPED_TEST(ConnectionTableTest, PacketsKeepAConnectionWithoutTimerWork) {
  auto table = MakeTable<TypeParam>(10);
  const auto init = Make<TypeParam>(1, 1000, 2, 80, 3, 8080);
  auto* connection = table.Insert(0, init, 60'000).connection;
  for (uint32_t now = 0; now <= 600'000; now += 30'000) {
    connection->last_seen_ms = now;
    EXPECT_TRUE(table.Advance(now, 10, kMinute, kIgnore));
    ASSERT_TRUE(table.Find(init.Forward())) << now;
  }
  EXPECT_TRUE(table.Advance(659'999, 10, kMinute, kIgnore));
  EXPECT_TRUE(table.Find(init.Forward()));
  EXPECT_TRUE(table.Advance(660'512, 10, kMinute, kIgnore));
  EXPECT_FALSE(table.Find(init.Forward()));
  EXPECT_FALSE(table.Find(init.Reverse()));
}

TYPED_TEST(ConnectionTableTest, RescheduleBringsAShorterTimeoutForward) {
  auto table = MakeTable<TypeParam>(10);
  const auto init = Make<TypeParam>(1, 1000, 2, 80, 3, 8080);
  const auto ten_seconds = [](const auto&) { return 10'000u; };
  auto* connection = table.Insert(0, init, 900'000).connection;
  connection->last_seen_ms = 5'000;
  table.Reschedule(connection, 10'000);
  table.Advance(14'999, 10, ten_seconds, kIgnore);
  EXPECT_EQ(table.size(), 1u);
  table.Advance(15'512, 10, ten_seconds, kIgnore);
  EXPECT_EQ(table.size(), 0u);
}

TYPED_TEST(ConnectionTableTest, AdvanceKeepsToItsBudget) {
  auto table = MakeTable<TypeParam>(1000);
  for (uint16_t port = 0; port < 1000; ++port) {
    table.Insert(0, Make<TypeParam>(1, port, 2, 80, 3, 8080), 60'000);
  }
  size_t expired = 0;
  const auto count = [&](const auto&) { ++expired; };
  for (size_t calls = 1; calls < 10; ++calls) {
    EXPECT_FALSE(table.Advance(70'000, 100, kMinute, count));
    EXPECT_EQ(expired, calls * 100);
  }
  EXPECT_TRUE(table.Advance(70'000, 101, kMinute, count));
  EXPECT_EQ(expired, 1000u);
}

TYPED_TEST(ConnectionTableTest, WalkVisitsWhatLivesThroughoutOnce) {
  auto table = MakeTable<TypeParam>(1000);
  std::vector<Connection<TypeParam>*> lives;
  for (uint16_t port = 0; port < 500; ++port) {
    lives.push_back(
        table.Insert(0, Make<TypeParam>(1, port, 2, 80, 3, 8080), 60'000)
            .connection);
  }
  std::multiset<uint16_t> seen;
  uint32_t cursor = 0;
  uint16_t extra = 1000;
  do {
    size_t visited = 0;
    cursor = table.Walk(cursor, 7, [&](Connection<TypeParam>& c) {
      ++visited;
      if (c.client_port >= 500) return;
      seen.insert(c.client_port);
      if (c.client_port % 2 == 0) table.Erase(&c);
    });
    EXPECT_LE(visited, 7u);
    table.Insert(0, Make<TypeParam>(1, extra++, 2, 80, 3, 8080), 60'000);
  } while (cursor != 0);
  for (uint16_t port = 0; port < 500; ++port) {
    EXPECT_EQ(seen.count(port), 1u) << port;
  }
}

// A table of plain maps, and a list for the time.
template <typename A>
struct Model {
  struct Live {
    Connection<A> init;
    uint32_t deadline_ms;
    ConnectionHandle handle;
  };
  using Key = std::tuple<std::vector<uint8_t>, uint16_t, uint16_t, uint8_t>;

  static Key KeyOf(const FlowTuple<A>& t) {
    std::vector<uint8_t> addresses(2 * sizeof(A));
    StorePacked(addresses.data(), t.source);
    StorePacked(addresses.data() + sizeof(A), t.destination);
    return {addresses, t.source_port, t.destination_port, t.protocol};
  }

  void Add(int id, const Live& live) {
    all[id] = live;
    const Connection<A>& init = live.init;
    const Key forward = KeyOf(init.Forward()), reverse = KeyOf(init.Reverse());
    if (!init.Has(kBeside))
      tuples[forward] = {id, PacketDirection::kFromClient};
    if (!init.Has(kDirect))
      tuples[reverse] = {id, PacketDirection::kFromServer};
    if (init.Has(kBeside) || !init.Has(kDirect)) to.emplace(forward, reverse);
  }
  void Remove(int id) {
    const Connection<A> init = all[id].init;
    const Key forward = KeyOf(init.Forward()), reverse = KeyOf(init.Reverse());
    if (!init.Has(kBeside)) tuples.erase(forward);
    if (!init.Has(kDirect)) tuples.erase(reverse);
    if (init.Has(kBeside) || !init.Has(kDirect)) {
      to.erase(to.find({forward, reverse}));
    }
    all.erase(id);
  }
  // Whether FindTo() has one.
  bool HasTo(const Connection<A>& c) const {
    return to.count({KeyOf(c.Forward()), KeyOf(c.Reverse())}) != 0;
  }

  std::map<int, Live> all;
  std::map<Key, std::pair<int, PacketDirection>> tuples;
  std::multiset<std::pair<Key, Key>> to;  // Of one client to one server.
};

// Random operations, each compared with the model. The small world of
// addresses makes every refusal happen; `limit` makes the table full; the
// clock wraps on the way. The connection's identity in the model rides in
// client_next_seq, its timeout in timeout_s.
template <typename A>
void CompareWithModel(uint32_t seed, uint32_t limit, int operations) {
  std::mt19937 prng(seed);
  const auto pick = [&](uint32_t n) {
    return static_cast<uint32_t>(prng() % n);
  };
  auto table = MakeTable<A>(limit);
  Model<A> model;
  uint32_t now = 0xffffffffu - 200'000;
  int next_id = 1;
  std::map<InsertOutcome, int> outcomes;
  int expired = 0;
  std::vector<ConnectionHandle> gone;
  const auto random_connection = [&] {
    auto c = Make<A>(1 + pick(10), 1000 + pick(40), 20 + pick(3), 80 + pick(2),
                     30 + pick(4), 80, pick(4) == 0);
    c.protocol = pick(2) == 0 ? 6 : 17;
    if (pick(3) == 0) c.Set(kBeside);
    return c;
  };
  const auto timeout_of = [](const Connection<A>& c) {
    return c.timeout_s * 1000u;
  };
  const auto random_live = [&] {
    auto it = model.all.lower_bound(static_cast<int>(pick(next_id)));
    return it == model.all.end() ? model.all.begin() : it;
  };
  for (int n = 0; n < operations; ++n) {
    switch (pick(8)) {
      case 0:
      case 1:
      case 2: {
        auto init = random_connection();
        init.client_next_seq = next_id;
        // From the shortest to over the ring's 17 minutes.
        init.timeout_s = pick(10) == 0 ? 2000 : 2 + pick(120);
        const auto inserted = table.Insert(now, init, init.timeout_s * 1000u);
        ++outcomes[inserted.outcome];
        const bool exists =
            init.Has(kBeside)
                ? model.HasTo(init)
                : model.tuples.count(model.KeyOf(init.Forward())) != 0;
        const bool taken = !init.Has(kDirect) &&
                           model.tuples.count(model.KeyOf(init.Reverse()));
        const auto expected = exists  ? InsertOutcome::kExists
                              : taken ? InsertOutcome::kReverseTaken
                              : model.all.size() == limit
                                  ? InsertOutcome::kFull
                                  : InsertOutcome::kInserted;
        ASSERT_EQ(inserted.outcome, expected);
        if (expected == InsertOutcome::kInserted) {
          model.Add(next_id, {init, now + init.timeout_s * 1000u,
                              table.HandleOf(inserted.connection)});
          ++next_id;
        }
        break;
      }
      case 3:
        if (!model.all.empty()) {
          const auto it = random_live();
          auto* connection = table.Get(it->second.handle);
          ASSERT_NE(connection, nullptr);
          gone.push_back(it->second.handle);
          table.Erase(connection);
          model.Remove(it->first);
        }
        break;
      case 4:  // A packet.
        if (!model.all.empty()) {
          const auto it = random_live();
          auto* connection = table.Get(it->second.handle);
          connection->last_seen_ms = now;
          if (pick(4) == 0) {  // It shortens the timeout.
            connection->timeout_s =
                std::min<uint16_t>(connection->timeout_s, 10);
            table.Reschedule(connection, timeout_of(*connection));
          }
          it->second.deadline_ms = now + timeout_of(*connection);
        }
        break;
      case 5: {
        now += pick(20) == 0 ? pick(30'000) : pick(300);
        bool done = false;
        while (!done) {
          done = table.Advance(
              now, 1 + pick(20), timeout_of, [&](Connection<A>& c) {
                const auto it = model.all.find(c.client_next_seq);
                ASSERT_NE(it, model.all.end());
                EXPECT_GE(static_cast<int32_t>(now - it->second.deadline_ms),
                          0);
                gone.push_back(it->second.handle);
                model.Remove(it->first);
                ++expired;
              });
        }
        for (const auto& [id, live] : model.all) {
          ASSERT_LT(static_cast<int32_t>(now - live.deadline_ms), 512) << id;
        }
        break;
      }
      default: {
        const auto c = random_connection();
        const auto tuple = pick(2) == 0 ? c.Forward() : c.Reverse();
        const auto expected = model.tuples.find(model.KeyOf(tuple));
        const uint64_t hash = table.Hash(tuple);
        table.Prefetch(hash);
        const uint32_t hint = table.PrefetchCandidate(hash);
        // Whatever the hint, the answer is the same.
        const auto found =
            table.Find(tuple, hash, pick(3) == 0 ? 1 + pick(limit) : hint);
        ASSERT_EQ(static_cast<bool>(found), expected != model.tuples.end());
        if (found) {
          EXPECT_EQ(found.connection->client_next_seq,
                    static_cast<uint32_t>(expected->second.first));
          EXPECT_EQ(found.direction, expected->second.second);
        }
        const auto* to = table.FindTo(c);
        ASSERT_EQ(to != nullptr, model.HasTo(c));
        if (to != nullptr) {
          EXPECT_TRUE(to->IsBetweenTheSame(c));
        }
      }
    }
    ASSERT_EQ(table.size(), model.all.size());
  }
  for (const auto& handle : gone) ASSERT_EQ(table.Get(handle), nullptr);
  std::set<int> walked;
  uint32_t cursor = 0;
  do {
    cursor = table.Walk(cursor, 10, [&](const Connection<A>& c) {
      walked.insert(static_cast<int>(c.client_next_seq));
    });
  } while (cursor != 0);
  EXPECT_EQ(walked.size(), model.all.size());
  for (const int id : walked) EXPECT_EQ(model.all.count(id), 1u);
  // The world really was small and the time long enough.
  EXPECT_GT(outcomes[InsertOutcome::kExists], 0);
  EXPECT_GT(outcomes[InsertOutcome::kReverseTaken], 0);
  EXPECT_GT(expired, 10);
  if (limit < 100) {
    EXPECT_GT(outcomes[InsertOutcome::kFull], 10);
  }
}

TYPED_TEST(ConnectionTableTest, RandomOperationsMatchPlainMaps) {
  CompareWithModel<TypeParam>(/*seed=*/1, /*limit=*/40, 30'000);
  CompareWithModel<TypeParam>(/*seed=*/2, /*limit=*/2000, 30'000);
  CompareWithModel<TypeParam>(/*seed=*/3, /*limit=*/7, 30'000);
}

}  // namespace
}  // namespace ballast::l4
