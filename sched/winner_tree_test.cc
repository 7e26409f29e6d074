#include "sched/winner_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace ballast::sched {
namespace {

TEST(WinnerTreeTest, AgreesWithALinearScanThatTakesTheFirstOfEquals) {
  std::mt19937 prng(3);
  for (const size_t size : {1, 2, 3, 7, 8, 9, 100, 1000}) {
    WinnerTree tree(size);
    std::vector<uint64_t> scores(size, WinnerTree::kNever);
    for (int i = 0; i < 5000; ++i) {
      const auto at = static_cast<uint16_t>(prng() % size);
      // A small range, so that most scores meet their equal.
      const uint64_t score = prng() % 5;
      scores[at] = score == 4 ? WinnerTree::kNever : score;
      tree.Set(at, scores[at]);
      const auto first = std::min_element(scores.begin(), scores.end());
      ASSERT_EQ(tree.WinningScore(), *first);
      ASSERT_EQ(tree.Winner(), first - scores.begin());
    }
  }
}

TEST(WinnerTreeTest, NobodyWinsAnEmptyOne) {
  EXPECT_EQ(WinnerTree(0).WinningScore(), WinnerTree::kNever);
}

TEST(WinnerTreeTest, FractionsCompareAsTheirScoresDo) {
  std::mt19937 prng(4);
  const auto compare = [](uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b ? 1 : 0;
  };
  for (int i = 0; i < 1'000'000; ++i) {
    const uint64_t b = 1 + prng() % 65536, d = 1 + prng() % 65536;
    // Neighbours more often than not: the nearest fractions are the hard ones.
    const uint64_t a = prng() >> (prng() % 32);
    const uint64_t c = i % 2 == 0 ? prng() : (a * d / b + prng() % 2);
    if (c >> 32 != 0) continue;
    ASSERT_EQ(compare(WinnerTree::Fraction(a, b), WinnerTree::Fraction(c, d)),
              compare(a * d, c * b))
        << a << "/" << b << " " << c << "/" << d;
  }
  // The nearest there are: 1 / (65535 * 65536) apart.
  EXPECT_LT(WinnerTree::Fraction(1, 65536), WinnerTree::Fraction(1, 65535));
  EXPECT_LT(WinnerTree::Fraction(65534, 65535),
            WinnerTree::Fraction(65535, 65536));
  EXPECT_LT(WinnerTree::Fraction(4294967295, 1), WinnerTree::kNever);
}

}  // namespace
}  // namespace ballast::sched
