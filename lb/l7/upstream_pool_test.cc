#include "lb/l7/upstream_pool.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace ballast::l7 {
namespace {

UpstreamPool::Key KeyOf(uint32_t server) {
  return {.server = {Address::V4(0x0a000000 + server), 80}};
}
Instant At(int64_t seconds) {
  return Instant::FromNanos(seconds * 1'000'000'000);
}

TEST(UpstreamPoolTest, GivesTheNewestOfTheSameKey) {
  UpstreamPool pool({});
  EXPECT_EQ(pool.Put(At(0), KeyOf(1), 11), std::nullopt);
  EXPECT_EQ(pool.Put(At(1), KeyOf(1), 12), std::nullopt);
  EXPECT_EQ(pool.Put(At(2), KeyOf(2), 21), std::nullopt);
  EXPECT_EQ(pool.Take(KeyOf(1)), 12u);
  EXPECT_EQ(pool.Take(KeyOf(1)), 11u);
  EXPECT_EQ(pool.Take(KeyOf(1)), std::nullopt);
  EXPECT_EQ(pool.size(), 1u);
}

TEST(UpstreamPoolTest, SourceAndServiceAreOfTheKey) {
  UpstreamPool pool({});
  auto other_source = KeyOf(1);
  other_source.source = {Address::V4(0x0a000101), 0};
  auto other_service = KeyOf(1);
  other_service.service = 1;
  pool.Put(At(0), KeyOf(1), 11);
  EXPECT_EQ(pool.Take(other_source), std::nullopt);
  EXPECT_EQ(pool.Take(other_service), std::nullopt);
}

TEST(UpstreamPoolTest, BoundsCloseTheOldest) {
  UpstreamPool pool({.connections_max = 3, .per_key_max = 2});
  pool.Put(At(0), KeyOf(1), 11);
  pool.Put(At(1), KeyOf(1), 12);
  EXPECT_EQ(pool.Put(At(2), KeyOf(1), 13), 11u);
  EXPECT_EQ(pool.Put(At(3), KeyOf(2), 21), std::nullopt);
  EXPECT_EQ(pool.Put(At(4), KeyOf(2), 22), 12u);
  EXPECT_EQ(pool.size(), 3u);
  EXPECT_EQ(UpstreamPool({.connections_max = 0}).Put(At(0), KeyOf(1), 5), 5u);
}

TEST(UpstreamPoolTest, IdleOnesExpireInOrder) {
  UpstreamPool pool({.idle_timeout = absl::Seconds(30)});
  EXPECT_EQ(pool.deadline(), Instant::Never());
  pool.Put(At(0), KeyOf(1), 11);
  pool.Put(At(5), KeyOf(2), 21);
  EXPECT_EQ(pool.deadline(), At(30));
  EXPECT_EQ(pool.Expire(At(29)), std::nullopt);
  EXPECT_EQ(pool.Expire(At(30)), 11u);
  EXPECT_EQ(pool.Expire(At(30)), std::nullopt);
  EXPECT_EQ(pool.deadline(), At(35));
}

// Against a list that is searched for everything.
TEST(UpstreamPoolTest, AgreesWithANaiveModel) {
  struct Idle {
    uint32_t key;
    uint64_t handle;
    int64_t since;
  };
  std::mt19937 prng(1);
  UpstreamPool pool({.connections_max = 20, .per_key_max = 5});
  std::vector<Idle> model;
  uint64_t next = 1;
  for (int64_t t = 0; t < 20000; ++t) {
    const uint32_t key = prng() % 7;
    switch (prng() % 4) {
      case 0:
      case 1: {
        std::optional<uint64_t> surplus;
        const auto count = std::count_if(model.begin(), model.end(),
                                         [&](Idle& i) { return i.key == key; });
        if (count >= 5 || model.size() >= 20) {
          const auto oldest =
              std::find_if(model.begin(), model.end(),
                           [&](Idle& i) { return count < 5 || i.key == key; });
          surplus = oldest->handle;
          model.erase(oldest);
        }
        ASSERT_EQ(pool.Put(At(t), KeyOf(key), next), surplus);
        model.push_back({key, next++, t});
        break;
      }
      case 2: {
        std::optional<uint64_t> newest;
        for (size_t i = model.size(); i-- > 0 && !newest;) {
          if (model[i].key != key) continue;
          newest = model[i].handle;
          model.erase(model.begin() + i);
        }
        ASSERT_EQ(pool.Take(KeyOf(key)), newest);
        break;
      }
      default: {
        std::optional<uint64_t> old;
        if (!model.empty() && t - model.front().since >= 30) {
          old = model.front().handle;
          model.erase(model.begin());
        }
        ASSERT_EQ(pool.Expire(At(t)), old);
        if (prng() % 4 == 0 && !model.empty()) {
          const size_t at = prng() % model.size();
          ASSERT_TRUE(pool.Remove(model[at].handle));
          ASSERT_FALSE(pool.Remove(model[at].handle));
          model.erase(model.begin() + at);
        }
      }
    }
    ASSERT_EQ(pool.size(), model.size());
  }
}

}  // namespace
}  // namespace ballast::l7
