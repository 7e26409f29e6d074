#include "lb/health/load_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

namespace ballast::health {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

std::vector<uint32_t> Weigh(const std::vector<std::optional<int>>& loads,
                            const LoadOptions& options = {}) {
  std::vector<LoadedServer> servers;
  for (const auto& load : loads) servers.push_back({1000, load});
  return LoadWeights(servers, options);
}

// LoadMaster behaviour §4.10: "first line, ASCII integer"; 101, 102.
TEST(LoadWeightsTest, ReadsALoad) {
  EXPECT_EQ(ParseLoad("0"), 0);
  EXPECT_EQ(ParseLoad("37\n"), 37);
  EXPECT_EQ(ParseLoad(" 100\r\nmore"), 100);
  EXPECT_EQ(ParseLoad("101"), kLoadDown);
  EXPECT_EQ(ParseLoad("102\n"), kLoadDisabled);
  for (const char* text : {"", "\n5", "-1", "+1", "103", "1000", "5%", "4.2",
                           "0x5", "five", "1 2"}) {
    EXPECT_EQ(ParseLoad(text), std::nullopt) << text;
  }
}

// The formula of the behaviour document, by hand.
TEST(LoadWeightsTest, MoreLoadIsLessWeight) {
  EXPECT_THAT(Weigh({20, 60, 100}), ElementsAre(1000, 500, 1));
  EXPECT_THAT(Weigh({0, 50, 99}), ElementsAre(1000, 500, 10));
}

TEST(LoadWeightsTest, EqualLoadsAllFullAndIdleAreAsConfigured) {
  EXPECT_THAT(Weigh({50, 50, 50}), Each(1000));
  EXPECT_THAT(Weigh({100, 100}), Each(1000));
  EXPECT_THAT(Weigh({8, 0, 0}), Each(1000));  // 2.7 in the mean.
  EXPECT_THAT(Weigh({9, 0}), Each(1000));     // 4.5.
  EXPECT_THAT(Weigh({10, 0}), ElementsAre(900, 1000));
  EXPECT_THAT(Weigh({9, 0}, {.idle_percent = 0}), ElementsAre(910, 1000));
}

TEST(LoadWeightsTest, DownAndDisabledGetNothingUnknownCountsAsFull) {
  EXPECT_THAT(Weigh({kLoadDown, 50, kLoadDisabled}), ElementsAre(0, 1000, 0));
  EXPECT_THAT(Weigh({std::nullopt, 50}), ElementsAre(1, 1000));
  EXPECT_THAT(Weigh({std::nullopt, std::nullopt}), Each(1000));
  EXPECT_THAT(Weigh({kLoadDown}), ElementsAre(0));
}

TEST(LoadWeightsTest, NeverBelowTheLeastShare) {
  EXPECT_THAT(Weigh({0, 95, 100}, {.least_percent = 20}),
              ElementsAre(1000, 200, 200));
}

// "Required properties whatever the formula", with a fixed seed.
TEST(LoadWeightsTest, PropertiesHold) {
  std::mt19937 prng(42);
  for (int round = 0; round < 2000; ++round) {
    std::vector<LoadedServer> servers(1 + prng() % 8);
    for (LoadedServer& server : servers) {
      server.configured = prng() % 5 == 0 ? 0 : 1 + prng() % 65535;
      if (prng() % 8 != 0) server.load = static_cast<int>(prng() % 103);
    }
    const auto weights = LoadWeights(servers, {});
    ASSERT_EQ(weights.size(), servers.size());
    for (size_t i = 0; i < servers.size(); ++i) {
      const int load = servers[i].load.value_or(100);
      if (load > 100 || servers[i].configured == 0) {
        EXPECT_EQ(weights[i], 0u);
        continue;
      }
      EXPECT_GE(weights[i], 1u);
      EXPECT_LE(weights[i], servers[i].configured);
      for (size_t j = 0; j < servers.size(); ++j) {
        const int other = servers[j].load.value_or(100);
        if (other > 100 || servers[j].configured == 0 || other >= load) {
          continue;
        }
        // Of its configuration the busier has no more, but for rounding.
        EXPECT_LE((weights[i] - 1.0) / servers[i].configured,
                  (weights[j] + 0.5) / servers[j].configured);
      }
    }
  }
}

TEST(ResponseTimesTest, WeightIsFastestOverOwn) {
  ResponseTimes times({1000, 1000, 500, 0});
  times.Add(0, absl::Milliseconds(10));
  times.Add(1, absl::Milliseconds(30));
  times.Add(1, absl::Milliseconds(50));  // 40 in the mean.
  times.Add(2, absl::Milliseconds(20));
  times.Add(3, absl::Milliseconds(1));  // Of weight 0: nobody's measure.
  EXPECT_THAT(times.weights(), ElementsAre(1000, 1000, 500, 0));
  EXPECT_THAT(times.Weigh(), ElementsAre(1000, 250, 250, 0));
}

TEST(ResponseTimesTest, WithoutANewSampleAWeightStays) {
  ResponseTimes times({1000, 1000});
  EXPECT_THAT(times.Weigh(), ElementsAre(1000, 1000));
  times.Add(0, absl::Milliseconds(10));
  times.Add(1, absl::Milliseconds(20));
  EXPECT_THAT(times.Weigh(), ElementsAre(1000, 500));
  times.Add(0, absl::Milliseconds(40));
  EXPECT_THAT(times.Weigh(), ElementsAre(500, 500));
  EXPECT_THAT(times.Weigh(), ElementsAre(500, 500));
}

TEST(ResponseTimesTest, NeverBelowOne) {
  ResponseTimes times({10, 10});
  times.Add(0, absl::ZeroDuration());
  times.Add(1, absl::Seconds(60));
  EXPECT_THAT(times.Weigh(), ElementsAre(10, 1));
}

}  // namespace
}  // namespace ballast::health
