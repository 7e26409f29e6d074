#include "sched/server_set.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <set>

namespace ballast::sched {
namespace {

std::optional<uint16_t> NaiveNext(const std::set<uint16_t>& set,
                                  uint32_t from) {
  if (set.empty()) return std::nullopt;
  for (const uint16_t member : set) {
    if (member >= from) return member;
  }
  return *set.begin();
}

TEST(ServerSetTest, AnswersAsAnOrderedSetDoes) {
  std::mt19937 prng(1);
  for (const uint32_t range : {1u, 3u, 64u, 65u, 300u, 4096u}) {
    ServerSet set;
    std::set<uint16_t> model;
    for (int i = 0; i < 5000; ++i) {
      const auto server = static_cast<uint16_t>(prng() % range);
      // Mostly taking away keeps the set sparse enough to have gaps.
      const bool member = prng() % 3 == 0;
      set.Set(server, member);
      member ? (void)model.insert(server) : (void)model.erase(server);
      const uint32_t from = prng() % (kServerCountMax + 1);
      for (const uint32_t at : {from, from % (range + 1), 0u}) {
        ASSERT_EQ(set.NextFrom(at), NaiveNext(model, at)) << at;
      }
      ASSERT_EQ(set.empty(), model.empty());
      ASSERT_EQ(set.Contains(server), model.contains(server));
    }
  }
}

}  // namespace
}  // namespace ballast::sched
