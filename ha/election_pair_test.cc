// Goal    however bad links, clocks and processes were: one active unit soon
//         after, none but by the rules, and no swapping to and fro.
// Method  ElectionWorld: two elections on virtual time, seeded faults. The seed
//         is the only input; the environment
//         ELECTION_FIRST_SEED and ELECTION_SEEDS replay and soak.
// Teeth   each Sabotage breaks one rule from outside and must be noticed.
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "ha/election_world.h"

namespace ballast::ha {
namespace {

using Sabotage = ElectionWorld::Sabotage;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(ElectionPairTest, ThousandsOfSeedsKeepEveryInvariant) {
  const uint64_t first = FromEnvironment("ELECTION_FIRST_SEED", 0);
  const uint64_t seeds = FromEnvironment("ELECTION_SEEDS", 4000);
  const bool trace = std::getenv("ELECTION_TRACE") != nullptr;
  ElectionWorld::Totals sum;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    ElectionWorld world(seed, Sabotage::kNone, trace);
    const std::optional<std::string> broken = world.Run();
    ASSERT_EQ(broken, std::nullopt) << "seed " << seed << " " << *broken;
    sum.events += world.totals().events;
    sum.takes += world.totals().takes;
    sum.hand_overs += world.totals().hand_overs;
    sum.incomplete += world.totals().incomplete;
    sum.time += world.totals().time;
  }
  // A world in which little happens would prove little.
  if (seeds >= 1000) {
    EXPECT_GT(sum.takes, 3 * seeds);
    EXPECT_GT(sum.hand_overs, seeds / 4);
    EXPECT_GT(sum.incomplete, seeds / 20);
  }
  RecordProperty("events", absl::StrCat(sum.events));
  std::printf(
      "%llu seeds, %s: %llu events, %llu takeovers, %llu by hand-over, "
      "%llu incomplete\n",
      static_cast<unsigned long long>(seeds),
      absl::FormatDuration(sum.time).c_str(),
      static_cast<unsigned long long>(sum.events),
      static_cast<unsigned long long>(sum.takes),
      static_cast<unsigned long long>(sum.hand_overs),
      static_cast<unsigned long long>(sum.incomplete));
}

struct Tooth {
  const char* name;
  Sabotage sabotage;
  const char* noticed_as;
};

class ElectionPairTeethTest : public ::testing::TestWithParam<Tooth> {};

TEST_P(ElectionPairTeethTest, IsNoticed) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    ElectionWorld world(seed, GetParam().sabotage);
    const std::optional<std::string> broken = world.Run();
    if (broken && broken->find(GetParam().noticed_as) != std::string::npos) {
      return;
    }
  }
  FAIL() << "a broken rule went unnoticed";
}

INSTANTIATE_TEST_SUITE_P(
    , ElectionPairTeethTest,
    ::testing::Values(
        Tooth{"TieBreakSkipped", Sabotage::kTieBreakSkipped, "I1"},
        Tooth{"CompletenessFaked", Sabotage::kCompletenessFaked, "I4"},
        Tooth{"StallsHidden", Sabotage::kStallsHidden, "I5"},
        Tooth{"OldAdvertsAccepted", Sabotage::kOldAdvertsAccepted, "I"},
        Tooth{"VacancyAnnounced", Sabotage::kVacancyAnnounced, "I3"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ballast::ha
