#include "lb/sim/simulation.h"

#include <cstdint>
#include <cstdio>
#include <string>

#include "gtest/gtest.h"
#include "lb/sim/faults.h"

namespace ballast::sim {
namespace {

// A sanitizer makes a run some twenty times as long.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSlow = true;
#else
constexpr bool kSlow = false;
#endif
#else
constexpr bool kSlow = false;
#endif

TEST(Simulation, APairThatNothingBefallsServesEverySession) {
  for (uint64_t seed = 1; seed <= (kSlow ? 4 : 20); ++seed) {
    SCOPED_TRACE(seed);
    const Outcome outcome = Simulate({.seed = seed, .faults = 0});
    EXPECT_EQ(outcome.failure, "");
    EXPECT_GT(outcome.sessions_opened, 50u);
    EXPECT_GT(outcome.sessions_ended, 20u);
    EXPECT_GT(outcome.answers, 50u * 60);
    EXPECT_EQ(outcome.sessions_excused, 0u);
    EXPECT_EQ(outcome.took_over_incomplete, 0u);
    EXPECT_GE(outcome.transfers, 2u);  // One, as both sides count it.
  }
}

TEST(Simulation, TheSameSeedReplaysTheSameRun) {
  const Outcome once = Simulate({.seed = 7});
  const Outcome again = Simulate({.seed = 7});
  EXPECT_EQ(once.events, again.events);
  EXPECT_EQ(once.answers, again.answers);
  EXPECT_EQ(once.faults, again.faults);
  EXPECT_NE(once.events, Simulate({.seed = 8}).events);
}

class OneFault : public testing::TestWithParam<int> {};

TEST_P(OneFault, IsSurvived) {
  for (uint64_t seed = 1; seed <= (kSlow ? 4 : 20); ++seed) {
    const Outcome outcome = Simulate({.seed = seed, .only = GetParam()});
    EXPECT_EQ(outcome.failure, "")
        << "seed " << seed << ", faults: " << outcome.faults;
    EXPECT_GT(outcome.answers, 50u * 40);
  }
}

std::string NameOf(const testing::TestParamInfo<int>& info) {
  std::string name;
  for (const char c : std::string(FaultName(static_cast<Fault>(info.param)))) {
    if (c >= 'a' && c <= 'z') name += c;
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Fault, OneFault, testing::Range(0, kFaultCount),
                         NameOf);

// 2,000 seeds, in blocks that the test's shards divide among them.
constexpr int kBlock = 25;
constexpr int kBlocks = 2000 / kBlock;

class AnyThreeFaults : public testing::TestWithParam<int> {};

TEST_P(AnyThreeFaults, AreSurvived) {
  const auto first = static_cast<uint64_t>(1 + GetParam() * kBlock);
  const uint64_t seeds = kSlow ? kBlock / 5 : kBlock;
  if (kSlow) std::printf("a sanitizer: %d seeds of %d\n", kBlock / 5, kBlock);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    const Outcome outcome = Simulate({.seed = seed});
    ASSERT_EQ(outcome.failure, "")
        << "seed " << seed << ", faults: " << outcome.faults;
  }
}

INSTANTIATE_TEST_SUITE_P(Block, AnyThreeFaults, testing::Range(0, kBlocks));

}  // namespace
}  // namespace ballast::sim
