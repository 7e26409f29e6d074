#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "io/base/instant.h"
#include "sched/scheduler.h"
#include "sched/scheduler_testing.h"

namespace ballast::sched {
namespace {

using ::testing::ElementsAre;

// The rule as the vendor's page has it: the smallest connections / weight
// among the available, the first of equals. Long doubles hold both products.
std::optional<uint16_t> NaivePick(const Scheduler& scheduler, bool weighted) {
  std::optional<uint16_t> best;
  for (uint16_t i = 0; i < scheduler.server_count(); ++i) {
    if (!scheduler.available(i)) continue;
    if (!best.has_value()) {
      best = i;
      continue;
    }
    const auto weight = [&](uint16_t server) -> long double {
      return weighted ? scheduler.effective_weight(server) : 1;
    };
    if (scheduler.connections(i) * weight(*best) <
        scheduler.connections(*best) * weight(i)) {
      best = i;
    }
  }
  return best;
}

class LeastConnectionModelTest : public ::testing::TestWithParam<Method> {};

TEST_P(LeastConnectionModelTest, AgreesWithALinearScanThroughAnyChange) {
  const bool weighted = GetParam() == Method::kWeightedLeastConnection;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 prng(seed);
    std::vector<uint32_t> weights(1 + prng() % 70);
    const uint32_t range = seed % 2 == 0 ? 4 : 65536;
    for (uint32_t& weight : weights) weight = prng() % range;
    auto scheduler = MakeScheduler({.method = GetParam()}, Servers(weights));
    std::vector<uint16_t> open;
    for (int i = 0; i < 3000; ++i) {
      const auto server = static_cast<uint16_t>(prng() % weights.size());
      switch (prng() % 16) {
        case 0:
          scheduler->SetUp(kStart, server, prng() % 4 != 0);
          break;
        case 1:
          scheduler->SetFull(server, prng() % 4 == 0);
          break;
        case 2:
          scheduler->SetEffectiveWeight(server, prng() % range);
          break;
        case 3:
          // Now and then as high as a count can be.
          scheduler->SetForeignConnections(
              server, prng() % 8 == 0 ? prng() : prng() % 8);
          break;
        case 4:
        case 5:
        case 6:
          if (!open.empty()) {
            std::swap(open[prng() % open.size()], open.back());
            scheduler->OnClose(open.back());
            open.pop_back();
          }
          break;
        default:
          const auto pick = scheduler->Pick(kStart, 0);
          ASSERT_EQ(pick, NaivePick(*scheduler, weighted));
          if (pick.has_value()) {
            scheduler->OnOpen(*pick);
            open.push_back(*pick);
          }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, LeastConnectionModelTest,
                         ::testing::Values(Method::kLeastConnection,
                                           Method::kWeightedLeastConnection),
                         [](const auto& info) {
                           return info.param == Method::kLeastConnection
                                      ? "Plain"
                                      : "Weighted";
                         });

TEST(LeastConnectionTest, WeightsDoNotMatterToThePlainOne) {
  auto scheduler = MakeScheduler({.method = Method::kLeastConnection},
                                 Servers({1, 1000, 1}));
  EXPECT_THAT(PickAndOpen(*scheduler, 6), ElementsAre(0, 1, 2, 0, 1, 2));
}

TEST(LeastConnectionTest, NobodyAvailableIsNobody) {
  EXPECT_THAT(
      PickAndOpen(
          *MakeScheduler({.method = Method::kLeastConnection}, Servers({})), 1),
      ElementsAre(-1));
  auto scheduler =
      MakeScheduler({.method = Method::kLeastConnection}, Servers({1, 0}));
  scheduler->SetFull(0, true);
  EXPECT_THAT(PickAndOpen(*scheduler, 1), ElementsAre(-1));
}

// Connections only open here, so with weight fractions f of 1 for a server in
// slow start and 1 for the other, connections keep to f : 1 within one.
TEST(SlowStartTest, ConnectionsGrowInALineToTheFullShare) {
  auto scheduler = MakeScheduler(
      {.method = Method::kLeastConnection, .slow_start = absl::Seconds(256)},
      Servers({1, 1}));
  scheduler->SetUp(kStart, 0, false);
  PickAndOpen(*scheduler, 1000);
  EXPECT_EQ(scheduler->connections(1), 1000u);
  scheduler->SetUp(kStart, 0, true);
  for (int second = 1; second <= 256; ++second) {
    const Instant now = kStart + absl::Seconds(second);
    PickAndOpen(*scheduler, 10, now);
    const double share = second / 256.0;
    ASSERT_NEAR(scheduler->connections(0), scheduler->connections(1) * share,
                11)
        << second;
  }
  EXPECT_NEAR(scheduler->connections(0), scheduler->connections(1), 11);
}

TEST(SlowStartTest, ServersUpFromTheBeginningHaveNone) {
  auto scheduler = MakeScheduler({.method = Method::kWeightedLeastConnection,
                                  .slow_start = absl::Seconds(600)},
                                 Servers({2, 1}));
  EXPECT_THAT(PickAndOpen(*scheduler, 6), ElementsAre(0, 1, 0, 0, 1, 0));
}

// 600 s after it came up a server counts in full: not before, not later.
TEST(SlowStartTest, EndsExactlyAfterTheConfiguredTime) {
  auto scheduler = MakeScheduler(
      {.method = Method::kLeastConnection, .slow_start = absl::Seconds(600)},
      Servers({1, 1}));
  scheduler->SetUp(kStart, 1, false);
  PickAndOpen(*scheduler, 256);  // To server 0.
  scheduler->SetUp(kStart, 1, true);
  scheduler->SetForeignConnections(1, 255);
  // 255 to 256, but 255 of 255/256 are not fewer than 256.
  const Instant end = kStart + absl::Seconds(600);
  EXPECT_EQ(scheduler->Pick(end - absl::Nanoseconds(1), 0), 0);
  EXPECT_EQ(scheduler->Pick(end, 0), 1);
}

TEST(SlowStartTest, GoingDownAgainBeginsItAnew) {
  auto scheduler = MakeScheduler(
      {.method = Method::kLeastConnection, .slow_start = absl::Seconds(100)},
      Servers({1, 1}));
  scheduler->SetUp(kStart, 1, false);
  scheduler->SetForeignConnections(0, 100);
  scheduler->SetForeignConnections(1, 10);
  scheduler->SetUp(kStart, 1, true);
  const Instant later = kStart + absl::Seconds(50);
  EXPECT_EQ(scheduler->Pick(later, 0), 1);  // 10 / 0.5 < 100.
  scheduler->SetUp(later, 1, false);
  scheduler->SetUp(later, 1, true);
  EXPECT_EQ(scheduler->Pick(later, 0), 0);  // 10 * 256 > 100.
  EXPECT_EQ(scheduler->Pick(later + absl::Seconds(9), 0), 0);
  EXPECT_EQ(scheduler->Pick(later + absl::Seconds(11), 0), 1);
}

TEST(SlowStartTest, GoesOnOverAChangeOfConfigurationAndANewServerHasIt) {
  const Options options = {.method = Method::kLeastConnection,
                           .slow_start = absl::Seconds(100)};
  const std::vector<ServerState> two = {{.id = 1}, {.id = 2}};
  auto before = MakeScheduler(options, two);
  before->SetUp(kStart, 1, false);
  before->SetUp(kStart, 1, true);
  before->SetForeignConnections(0, 100);
  const std::vector<ServerState> three = {{.id = 1}, {.id = 2}, {.id = 3}};
  auto after = MakeScheduler(options, three);
  const Instant later = kStart + absl::Seconds(50);
  after->CarryOver(later, *before);
  after->SetForeignConnections(1, 49);  // 98 at its half.
  after->SetForeignConnections(2, 1);   // 256 at its first step.
  EXPECT_EQ(after->Pick(later, 0), 1);
  after->SetForeignConnections(1, 51);  // 102.
  EXPECT_EQ(after->Pick(later, 0), 0);
}

}  // namespace
}  // namespace ballast::sched
