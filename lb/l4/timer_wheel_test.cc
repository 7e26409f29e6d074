#include "lb/l4/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace ballast::l4 {
namespace {

struct Node {
  uint32_t wheel_next = 0;
  uint32_t wheel_prev = 0;
  uint32_t deadline_ms = 0;
};

// A wheel, its nodes, and a plain map of what is linked.
class World {
 public:
  World(uint32_t start_ms, size_t count)
      : now_ms_(start_ms), nodes_(count + 1) {
    wheel_.Reset(start_ms);
  }

  void Link(uint32_t index, uint32_t in_ms) {
    nodes_[index].deadline_ms = now_ms_ + in_ms;
    wheel_.Link(nodes_.data(), index, nodes_[index].deadline_ms);
    linked_[index] = true;
  }
  void Unlink(uint32_t index) {
    wheel_.Unlink(nodes_.data(), index);
    linked_.erase(index);
  }
  // Later packets: the deadline moves, the wheel is not told.
  void Touch(uint32_t index, uint32_t in_ms) {
    nodes_[index].deadline_ms = now_ms_ + in_ms;
  }
  bool IsLinked(uint32_t index) const { return linked_.count(index) != 0; }
  const std::map<uint32_t, bool>& linked() const { return linked_; }

  bool Advance(uint32_t by_ms, size_t budget = 1'000'000) {
    now_ms_ += by_ms;
    return wheel_.Advance(
        nodes_.data(), now_ms_, budget,
        [this](uint32_t index) {
          ++looks_;
          return nodes_[index].deadline_ms;
        },
        [this](uint32_t index) {
          EXPECT_TRUE(IsLinked(index));
          EXPECT_GE(static_cast<int32_t>(now_ms_ - nodes_[index].deadline_ms),
                    0)
              << "early";
          Unlink(index);
        });
  }
  // How late the latest one still linked is, in ms.
  int32_t Lateness() const {
    int32_t worst = INT32_MIN;
    for (const auto& [index, _] : linked_) {
      worst = std::max(
          worst, static_cast<int32_t>(now_ms_ - nodes_[index].deadline_ms));
    }
    return worst;
  }
  size_t looks() const { return looks_; }
  uint32_t now_ms() const { return now_ms_; }

 private:
  uint32_t now_ms_;
  std::vector<Node> nodes_;
  TimerWheel<Node> wheel_;
  std::map<uint32_t, bool> linked_;
  size_t looks_ = 0;
};

constexpr uint32_t kMinute = 60'000;

TEST(TimerWheelTest, OneLookPerTimeoutHoweverManyPackets) {
  World world(0, 1);
  world.Link(1, kMinute);
  for (uint32_t ms = 0; ms < 10 * kMinute; ms += 100) {
    world.Touch(1, kMinute);
    world.Advance(100);
  }
  EXPECT_TRUE(world.IsLinked(1));
  EXPECT_LE(world.looks(), 10u);
  EXPECT_GE(world.looks(), 9u);
}

TEST(TimerWheelTest, BeyondTheRingIsLookedAtEachRoundAndNotEarly) {
  World world(12'345, 1);
  world.Link(1, 86'400'000);  // A day, the longest idle timeout.
  for (uint32_t ms = 1000; ms < 86'400'000; ms += 1000) {
    world.Advance(1000);
    ASSERT_TRUE(world.IsLinked(1)) << ms;
  }
  EXPECT_LE(world.looks(), 83u);  // 86,400 s / 1048 s.
  world.Advance(1512);
  EXPECT_FALSE(world.IsLinked(1));
}

TEST(TimerWheelTest, ALongSleepExpiresEverythingDueAndNothingElse) {
  for (const uint32_t sleep : {2'000'000u, 20'000'000u, 200'000'000u}) {
    World world(999, 300);
    for (uint32_t i = 1; i <= 100; ++i) world.Link(i, i * 7'000);
    for (uint32_t i = 101; i <= 200; ++i) world.Link(i, sleep + i * 1'000);
    EXPECT_TRUE(world.Advance(sleep));
    EXPECT_EQ(world.linked().size(), 100u);
    for (uint32_t i = 101; i <= 200; ++i) EXPECT_TRUE(world.IsLinked(i));
    EXPECT_TRUE(world.Advance(201'512));
    EXPECT_TRUE(world.linked().empty());
  }
}

TEST(TimerWheelTest, ClockWrapChangesNothing) {
  World world(0xffffffff - 5'000, 100);
  for (uint32_t i = 1; i <= 100; ++i) world.Link(i, i * 100);
  for (int n = 0; n < 120; ++n) {
    world.Advance(100);
    EXPECT_LT(world.Lateness(), 512);
  }
  EXPECT_TRUE(world.linked().empty());
}

TEST(TimerWheelTest, DeadlineInThePastIsTakenAtOnce) {
  World world(1'000'000, 1);
  world.Link(1, static_cast<uint32_t>(-50'000));
  world.Advance(512);
  EXPECT_FALSE(world.IsLinked(1));
}

TEST(TimerWheelTest, AClockBehindTheRingLooksAtNothing) {
  World world(1'000'000, 1);
  world.Link(1, 1'000);
  EXPECT_TRUE(world.Advance(static_cast<uint32_t>(-500'000)));
  EXPECT_EQ(world.looks(), 0u);
}

// Random links, unlinks, touches, budgets and pauses against the map.
TEST(TimerWheelTest, RandomWorldIsNeverEarlyAndInTime) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    std::mt19937 prng(seed);
    const auto pick = [&](uint32_t n) {
      return static_cast<uint32_t>(prng() % n);
    };
    World world(0xffffffff - 3'000'000, 50);
    for (int n = 0; n < 40'000; ++n) {
      const uint32_t index = 1 + pick(50);
      switch (pick(4)) {
        case 0:
          if (!world.IsLinked(index)) {
            world.Link(index, 1'000 + pick(pick(5) == 0 ? 3'000'000 : 30'000));
          }
          break;
        case 1:
          if (world.IsLinked(index) && pick(3) == 0) world.Unlink(index);
          break;
        case 2:
          // Never to an earlier time: that is what linking again is for.
          if (world.IsLinked(index)) {
            world.Unlink(index);
            world.Link(index, 30'000);
            world.Touch(index, 30'000 + pick(100'000));
          }
          break;
        default: {
          uint32_t by = pick(pick(100) == 0 ? 2'000'000 : 2'000);
          while (!world.Advance(by, 1 + pick(10))) by = 0;
          ASSERT_LT(world.Lateness(), 512) << n;
        }
      }
    }
  }
}

}  // namespace
}  // namespace ballast::l4
