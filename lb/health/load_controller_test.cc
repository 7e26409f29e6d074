// The loop against a network that is all arithmetic: traffic goes by weight,
// load is traffic over capacity, and a measurement is the load an interval ago
// with noise. Seeds are fixed.
#include "lb/health/load_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ballast::health {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using Loads = std::vector<std::optional<double>>;

class Network {
 public:
  Network(std::vector<double> capacities, double noise, uint32_t seed)
      : capacities_(std::move(capacities)),
        noise_(noise),
        prng_(seed),
        controller_(std::vector<uint32_t>(capacities_.size(), 1000), 5, 0) {
    loads_ = LoadsNow();
  }

  // One interval; `dead` says nothing.
  void Run(std::optional<size_t> dead = std::nullopt) {
    std::uniform_real_distribution<double> noise(1 - noise_, 1 + noise_);
    Loads measured;
    for (size_t i = 0; i < loads_.size(); ++i) {
      measured.push_back(loads_[i] * noise(prng_));
      if (dead == i) measured.back().reset();
    }
    loads_ = LoadsNow();  // What is measured next is a whole interval old.
    controller_.Step(measured);
  }
  void SetCapacity(size_t server, double capacity) {
    capacities_[server] = capacity;
  }

  // Percent: half of what all can carry comes in.
  std::vector<double> LoadsNow() const {
    double weights = 0, capacities = 0;
    for (size_t i = 0; i < capacities_.size(); ++i) {
      weights += controller_.weights()[i];
      capacities += capacities_[i];
    }
    std::vector<double> loads;
    for (size_t i = 0; i < capacities_.size(); ++i) {
      loads.push_back(50 * capacities * controller_.weights()[i] / weights /
                      capacities_[i]);
    }
    return loads;
  }
  // Root mean square of the true relative errors.
  double Error() const {
    const std::vector<double> loads = LoadsNow();
    double mean = 0, squares = 0;
    for (const double load : loads) mean += load / loads.size();
    for (const double load : loads) squares += std::pow(load / mean - 1, 2);
    return std::sqrt(squares / loads.size());
  }
  const std::vector<uint32_t>& weights() const { return controller_.weights(); }

 private:
  std::vector<double> capacities_;
  const double noise_;
  std::mt19937 prng_;
  LoadController controller_;
  std::vector<double> loads_;
};

const std::vector<std::vector<double>> kNetworks = {
    {1, 2, 4}, {1, 8}, {1, 1, 1, 1}, {8, 1, 1, 1, 1}, {3, 5, 7, 2, 4, 6}};

// F1.
TEST(LoadControllerTest, NoiseOfTenPercentLeavesLessThanFiveAfterTwenty) {
  for (const auto& capacities : kNetworks) {
    for (uint32_t seed = 0; seed < 200; ++seed) {
      SCOPED_TRACE(absl::StrCat(capacities.size(), " servers, seed ", seed));
      Network network(capacities, 0.1, seed);
      for (int i = 0; i < 20; ++i) network.Run();
      EXPECT_LE(network.Error(), 0.05);
      for (int i = 0; i < 40; ++i) {  // And stays there.
        network.Run();
        ASSERT_LE(network.Error(), 0.05) << i;
      }
    }
  }
}

// A step of one server's capacity: the others' loads pass their final value by
// at most a fifth of the step, and settle again within 20 intervals.
TEST(LoadControllerTest, StepIsFollowedWithoutMuchOvershoot) {
  for (const double after : {0.25, 0.5, 2.0, 4.0}) {
    SCOPED_TRACE(after);
    Network network({2, 2, 2}, 0, 0);
    for (int i = 0; i < 20; ++i) network.Run();
    const double before = 1.0;  // Share of server 0 against the others'.
    network.SetCapacity(0, 2 * after);
    double furthest = before;
    for (int i = 0; i < 20; ++i) {
      network.Run();
      const double ratio = double(network.weights()[0]) / network.weights()[1];
      furthest =
          after < 1 ? std::min(furthest, ratio) : std::max(furthest, ratio);
    }
    EXPECT_LE(network.Error(), 0.05);
    EXPECT_LE(std::abs(furthest - after), 0.2 * std::abs(after - before) + 0.01)
        << furthest;
  }
}

TEST(LoadControllerTest, EqualLoadsLeaveTheConfiguredWeights) {
  LoadController controller({100, 300}, 5, 0);
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(controller.Step(Loads{40, 40}), ElementsAre(100, 300));
  }
  EXPECT_EQ(controller.error(), 0);
}

// F2.
TEST(LoadControllerTest, DeadSensorKeepsItsShareThenTakesTheOthersMean) {
  Network network({1, 1, 4}, 0, 0);
  for (int i = 0; i < 30; ++i) network.Run();
  ASSERT_LE(network.Error(), 0.02);
  const auto before = network.weights();
  for (int i = 0; i < LoadController::kPatience; ++i) {
    network.Run(/*dead=*/2);
    EXPECT_NEAR(network.weights()[2], before[2], 20);
  }
  for (int i = 0; i < 5; ++i) network.Run(/*dead=*/2);
  EXPECT_EQ(network.weights()[2], network.weights()[0]);
  for (int i = 0; i < 25; ++i) network.Run();  // It speaks again.
  EXPECT_LE(network.Error(), 0.05);
}

TEST(LoadControllerTest, WithoutAnySensorWeightsAreAsConfigured) {
  LoadController controller({1000, 500}, 5, 0);
  for (int i = 0; i < 10; ++i) controller.Step(Loads{90, 10});
  ASSERT_LT(controller.weights()[0], 500u);
  const auto held = controller.weights();
  for (int i = 0; i < LoadController::kPatience; ++i) {
    EXPECT_EQ(controller.Step(Loads{std::nullopt, std::nullopt}), held);
  }
  EXPECT_THAT(controller.Step(Loads{std::nullopt, std::nullopt}),
              ElementsAre(1000, 500));
}

// F3, with the 5 % of the vendor's page.
TEST(LoadControllerTest, IdleIsAsConfigured) {
  LoadController controller({1000, 500}, 5, 0);
  controller.Step(Loads{90, 10});
  EXPECT_THAT(controller.Step(Loads{9, 0}), ElementsAre(1000, 500));
}

TEST(LoadControllerTest, BoundsHoldWhateverIsMeasured) {
  LoadController controller({1000, 1, 0, 65535}, 0, 10);
  std::mt19937 prng(7);
  const std::optional<double> values[] = {
      0.0,  -5.0,         1e300,
      50.0, std::nullopt, std::nan(""),
      1e-9, 100.0,        std::numeric_limits<double>::infinity()};
  for (int i = 0; i < 5000; ++i) {
    Loads loads;
    for (int j = 0; j < 4; ++j) loads.push_back(values[prng() % 9]);
    const auto& weights = controller.Step(loads);
    EXPECT_GE(weights[0], 100u);  // Ten percent at least.
    EXPECT_LE(weights[0], 1000u);
    EXPECT_EQ(weights[1], 1u);
    EXPECT_EQ(weights[2], 0u);
    EXPECT_GE(weights[3], 6553u);
    EXPECT_LE(weights[3], 65535u);
  }
}

}  // namespace
}  // namespace ballast::health
