#include "sched/winner_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace ballast::sched {
namespace {

struct Highest {
  int value = 0;
  static bool Beats(const Highest& a, const Highest& b, bool a_is_first) {
    return a.value > b.value || (a.value == b.value && a_is_first);
  }
};

TEST(WinnerTreeTest, AgreesWithALinearScanThatTakesTheFirstOfEquals) {
  std::mt19937 prng(3);
  for (const size_t size : {1, 2, 3, 7, 8, 9, 100, 1000}) {
    WinnerTree<Highest> tree(size);
    std::vector<int> values(size);
    for (int i = 0; i < 5000; ++i) {
      const auto at = static_cast<uint16_t>(prng() % size);
      // A small range, so that most values meet their equal.
      values[at] = 1 + static_cast<int>(prng() % 5);
      tree.Set(at, {values[at]});
      const auto first = std::max_element(values.begin(), values.end());
      ASSERT_EQ(tree.Winner(), first - values.begin());
    }
  }
}

TEST(WinnerTreeTest, AnEmptyOneHasAWinnerThatMayNotWin) {
  WinnerTree<Highest> tree(0);
  EXPECT_EQ(tree.Winner(), 0);
  EXPECT_EQ(tree.key(tree.Winner()).value, 0);
}

}  // namespace
}  // namespace ballast::sched
