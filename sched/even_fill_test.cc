// Properties of the `even` fill, on random servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "io/base/status_matchers.h"
#include "sched/server_set.h"
#include "sched/source_hash_table.h"

namespace ballast::sched {
namespace {

using Server = SourceHashTable::Server;
using ::testing::ElementsAre;

SourceHashTable Even(const std::vector<Server>& servers,
                     const SourceHashTable* previous = nullptr) {
  return SourceHashTable::Build(Fill::kEven, servers, previous).value();
}

uint32_t RandomWeight(std::mt19937& prng, uint32_t range) {
  return static_cast<uint32_t>(1 + prng() % range);
}

std::vector<Server> RandomServers(std::mt19937& prng) {
  std::vector<Server> servers(1 + prng() % 256);
  const uint32_t range = std::vector<uint32_t>{1, 10, 1000, 65535}[prng() % 4];
  for (size_t i = 0; i < servers.size(); ++i) {
    servers[i] = {i + 1, RandomWeight(prng, range)};
  }
  return servers;
}

// 4096 * weight / sum.
std::vector<double> FairSlots(const std::vector<Server>& servers) {
  double total = 0;
  for (const Server& server : servers) total += server.weight;
  std::vector<double> fair;
  for (const Server& server : servers) {
    fair.push_back(total == 0 ? 0 : 4096 * server.weight / total);
  }
  return fair;
}

double WorstError(const SourceHashTable& table) {
  const auto fair = FairSlots(table.servers());
  const auto counts = CountSlots(table.slots(), fair.size());
  double worst = 0;
  for (size_t i = 0; i < fair.size(); ++i) {
    worst = std::max(worst, std::abs(counts[i] - fair[i]));
  }
  return worst;
}

// Slots that lead to another server (by id) than before.
int Moved(const SourceHashTable& before, const Slots& after,
          const std::vector<Server>& servers) {
  int moved = 0;
  for (size_t i = 0; i < kSlotCount; ++i) {
    moved += before.servers()[before.slots()[i]].id != servers[after[i]].id;
  }
  return moved;
}

// Largest remainder, as the textbook has it, in doubles.
std::vector<uint32_t> LargestRemainder(const std::vector<Server>& servers) {
  const auto fair = FairSlots(servers);
  std::vector<uint32_t> counts;
  for (const double share : fair) {
    counts.push_back(static_cast<uint32_t>(share + 1e-9));
  }
  std::vector<size_t> order(fair.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return fair[a] - counts[a] > fair[b] - counts[b] + 1e-9;
  });
  size_t left = 4096 - std::accumulate(counts.begin(), counts.end(), 0u);
  for (size_t i = 0; i < left; ++i) ++counts[order[i]];
  return counts;
}

TEST(EvenFillTest, SharesAreByLargestRemainder) {
  EXPECT_THAT(CountSlots(Even({{1, 1000}, {2, 1000}, {3, 1000}}).slots(), 3),
              ElementsAre(1366, 1365, 1365));
  EXPECT_THAT(CountSlots(Even({{1, 100}, {2, 200}, {3, 300}}).slots(), 3),
              ElementsAre(683, 1365, 2048));  // 682.67, 1365.33, 2048.
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    std::mt19937 prng(seed);
    const auto servers = RandomServers(prng);
    EXPECT_EQ(CountSlots(Even(servers).slots(), servers.size()),
              LargestRemainder(servers))
        << "seed " << seed;
  }
}

// From all up: the slots of the one that falls are the fewest that can move,
// and the fewest when it is taken out of the configuration as well.
TEST(EvenFillTest, OneServerLessMovesOnlyItsOwnSlots) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 prng(seed);
    const auto servers = RandomServers(prng);
    if (servers.size() == 1) continue;
    const auto table = Even(servers);
    const auto gone = static_cast<uint16_t>(prng() % servers.size());
    const int owned = CountSlots(table.slots(), servers.size())[gone];
    ServerSet down;
    down.Set(gone, true);
    EXPECT_EQ(Moved(table, table.Without(down), servers), owned);

    auto rest = servers;
    rest.erase(rest.begin() + gone);
    const auto without = Even(rest, &table);
    EXPECT_EQ(Moved(table, without.slots(), rest), owned);
    ASSERT_LT(WorstError(without), 2);
  }
}

TEST(EvenFillTest, OneServerMoreMovesOnlyTheSlotsItGets) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 prng(seed);
    auto servers = RandomServers(prng);
    const auto table = Even(servers);
    const size_t at = prng() % (servers.size() + 1);
    servers.insert(servers.begin() + at, {1000, RandomWeight(prng, 65535)});
    const auto with = Even(servers, &table);
    const double fair = FairSlots(servers)[at];
    const int gained = CountSlots(with.slots(), servers.size())[at];
    EXPECT_EQ(Moved(table, with.slots(), servers), gained);
    ASSERT_NEAR(gained, fair, 1);
    ASSERT_LT(WorstError(with), 2);
  }
}

// Cases where largest remainder would also move slots between servers that both
// gain (or both lose), for a handful of slots that have to move. Shares are in
// slots at 163 a slot.
TEST(EvenFillTest, ServersThatAllGainTakeNothingFromEachOther) {
  // Heavy ones have 400 of 400.9, light ones 1 of 0.9, the last 2 of 2.4. When
  // it goes, 401.1 for the heavy ones is 10 slots more, and only 2 are free.
  std::vector<Server> servers;
  for (uint64_t i = 0; i < 10; ++i) servers.push_back({i, 65346});
  for (uint64_t i = 10; i < 104; ++i) servers.push_back({i, 147});
  servers.push_back({104, 390});
  const auto table = Even(servers);
  const auto counts = CountSlots(table.slots(), servers.size());
  ASSERT_EQ(counts[0], 400u);
  ASSERT_EQ(counts[10], 1u);
  ASSERT_EQ(counts[104], 2u);
  ServerSet down;
  down.Set(104, true);
  EXPECT_EQ(Moved(table, table.Without(down), servers), 2);
}

TEST(EvenFillTest, ServersThatAllLoseGiveNothingToEachOther) {
  // Heavy ones have 401 of 400.1, light ones 0 of 0.1. One more server of 1.5
  // leaves 399.98 for each of the heavy ones: 10 slots less.
  std::vector<Server> servers;
  for (uint64_t i = 0; i < 10; ++i) servers.push_back({i, 65216});
  for (uint64_t i = 10; i < 100; ++i) servers.push_back({i, 16});
  for (uint64_t i = 100; i < 102; ++i) servers.push_back({i, 7009});
  const auto table = Even(servers);
  const auto counts = CountSlots(table.slots(), servers.size());
  ASSERT_EQ(counts[0], 401u);
  ASSERT_EQ(counts[10], 0u);
  servers.push_back({102, 245});
  EXPECT_LE(Moved(table, Even(servers, &table).slots(), servers), 2);
}

TEST(EvenFillTest, OneNewWeightMovesOnlyWhatThatServerGainsOrLoses) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 prng(seed);
    auto servers = RandomServers(prng);
    const auto table = Even(servers);
    const size_t at = prng() % servers.size();
    servers[at].weight = 1 + prng() % 65535;
    const auto after = Even(servers, &table);
    const int before_count = CountSlots(table.slots(), servers.size())[at];
    const int after_count = CountSlots(after.slots(), servers.size())[at];
    EXPECT_EQ(Moved(table, after.slots(), servers),
              std::abs(after_count - before_count));
    EXPECT_NEAR(after_count, FairSlots(servers)[at], 1);
    ASSERT_LT(WorstError(after), 2);
  }
}

// The live table is a function of the set: whatever was asked before, and
// whichever order they fell in, Without() gives the same. What it gives is fair
// among those left, and nobody who stayed up loses a slot.
TEST(EvenFillTest, AnySetDownLeavesTheRestFairAndTheirSlotsAlone) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 prng(seed);
    const auto servers = RandomServers(prng);
    const auto table = Even(servers);
    ServerSet down;
    auto left = servers;
    for (uint16_t i = 0; i < servers.size(); ++i) {
      if (i + 1u == servers.size() || prng() % 3 != 0) continue;
      down.Set(i, true);
      left[i].weight = 0;
    }
    const Slots live = table.Without(down);
    for (size_t i = 0; i < kSlotCount; ++i) {
      const uint16_t owner = table.slots()[i];
      ASSERT_FALSE(down.Contains(live[i]));
      ASSERT_TRUE(live[i] == owner || down.Contains(owner));
    }
    const auto fair = FairSlots(left);
    const auto counts = CountSlots(live, servers.size());
    for (size_t i = 0; i < fair.size(); ++i) {
      ASSERT_NEAR(counts[i], fair[i], 2) << i;
    }
    EXPECT_EQ(table.Without(ServerSet()), table.slots());
  }
}

TEST(EvenFillTest, AThousandChangesDoNotAddUpToUnfairness) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 prng(seed);
    auto servers = RandomServers(prng);
    auto table = Even(servers);
    for (uint64_t change = 0; change < 1000; ++change) {
      // Several at once now and then.
      for (uint32_t i = 1 + prng() % 2; i > 0; --i) {
        const size_t at = prng() % servers.size();
        switch (prng() % 4) {
          case 0:
            if (servers.size() > 1) servers.erase(servers.begin() + at);
            break;
          case 1:
            if (servers.size() < 256) {
              servers.insert(servers.begin() + at,
                             {1000 + 2 * change + i, RandomWeight(prng, 1000)});
            }
            break;
          case 2:
            std::swap(servers[at], servers.back());  // Order is no change.
            break;
          default:
            servers[at].weight = 1 + prng() % 1000;
        }
      }
      table = Even(servers, &table);
      ASSERT_LT(WorstError(table), 2) << "change " << change;
    }
  }
}

TEST(EvenFillTest, ReorderingMovesNobody) {
  const std::vector<Server> servers = {{1, 3}, {2, 5}, {3, 7}};
  const std::vector<Server> reversed = {{3, 7}, {2, 5}, {1, 3}};
  const auto table = Even(servers);
  EXPECT_EQ(Moved(table, Even(reversed, &table).slots(), reversed), 0);
}

TEST(EvenFillTest, FromNobodyAndToNobody) {
  const auto nobody = Even({{1, 0}, {2, 0}});
  for (const uint16_t server : nobody.slots()) ASSERT_EQ(server, kNoServer);
  const auto somebody = Even({{1, 0}, {2, 9}}, &nobody);
  for (const uint16_t server : somebody.slots()) ASSERT_EQ(server, 1);
  EXPECT_EQ(Even({}, &somebody).slots(), nobody.slots());
  ServerSet all;
  all.Set(1, true);
  EXPECT_EQ(somebody.Without(all), nobody.slots());
}

}  // namespace
}  // namespace ballast::sched
