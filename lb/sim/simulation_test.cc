#include "lb/sim/simulation.h"

#include <string>

#include "gtest/gtest.h"
#include "lb/sim/faults.h"

namespace ballast::sim {
namespace {

TEST(Simulation, APairThatNothingBefallsServesEverySession) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
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
  for (uint64_t seed = 1; seed <= 20; ++seed) {
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

TEST(Simulation, AnyThreeFaultsAreSurvived) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const Outcome outcome = Simulate({.seed = seed});
    ASSERT_EQ(outcome.failure, "")
        << "seed " << seed << ", faults: " << outcome.faults;
  }
}

}  // namespace
}  // namespace ballast::sim
