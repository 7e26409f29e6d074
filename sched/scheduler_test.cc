// What holds for every method: arguments, counts, carrying over.
#include "sched/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/time/time.h"
#include "io/base/instant.h"
#include "io/base/status_matchers.h"
#include "sched/scheduler_testing.h"

namespace ballast::sched {
namespace {

using ::testing::HasSubstr;

TEST(SchedulerCreateTest, NamesTheFieldTheValueAndTheLimit) {
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Scheduler::Create({}, std::vector<ServerState>(4097)),
              StatusIs(invalid, HasSubstr("servers: 4097, at most 4096")));
  EXPECT_THAT(
      Scheduler::Create({}, Servers({1, 65536})),
      StatusIs(invalid, HasSubstr("servers[1].weight: 65536, at most 65535")));
  EXPECT_THAT(Scheduler::Create({.slow_start = absl::Seconds(601)}, {}),
              StatusIs(invalid, HasSubstr("slow_start: 10m1s")));
  EXPECT_THAT(Scheduler::Create({.slow_start = absl::Seconds(-1)}, {}),
              StatusIs(invalid, HasSubstr("slow_start: -1s")));
  EXPECT_THAT(Scheduler::Create({.slow_start = absl::Seconds(600)},
                                std::vector<ServerState>(4096)),
              IsOk());
}

// Whatever came before, and however often it is asked.
TEST(SchedulerTest, WouldPickIsWhatPickSaysNext) {
  for (const Method method :
       {Method::kRoundRobin, Method::kWeightedRoundRobin,
        Method::kLeastConnection, Method::kWeightedLeastConnection,
        Method::kFixedWeighting, Method::kSourceIpHash, Method::kUrlHash}) {
    auto scheduler =
        MakeScheduler({.method = method, .slow_start = absl::Seconds(100)},
                      Servers({1000, 2000, 500, 0, 1000}));
    Instant now = kStart;
    uint32_t dice = 1;
    for (int i = 0; i < 2000; ++i) {
      dice = dice * 1664525 + 1013904223;
      const auto server = static_cast<uint16_t>((dice >> 8) % 5);
      switch (dice >> 29) {
        case 0:
          scheduler->SetUp(now, server, (dice & 0x10000) != 0);
          break;
        case 1:
          scheduler->SetFull(server, (dice & 0x10000) != 0);
          break;
        case 2:
          now += absl::Milliseconds(dice >> 20);
          break;
        default: {
          const auto would = scheduler->WouldPick(now, dice);
          ASSERT_EQ(scheduler->WouldPick(now, dice), would);
          const auto picked = scheduler->Pick(now, dice);
          ASSERT_EQ(picked, would) << "method " << static_cast<int>(method);
          if (picked) scheduler->OnOpen(*picked);
        }
      }
    }
  }
}

TEST(SchedulerTest, ConnectionsAreOwnAndForeignTogether) {
  auto scheduler = MakeScheduler({}, Servers({1, 1}));
  scheduler->OnOpen(1);
  scheduler->OnOpen(1);
  scheduler->SetForeignConnections(1, 40);
  EXPECT_EQ(scheduler->connections(1), 42u);
  scheduler->OnClose(1);
  scheduler->SetForeignConnections(1, 4294967295u);
  EXPECT_EQ(scheduler->connections(1), 4294967295u);  // Not round to 0.
  EXPECT_EQ(scheduler->connections(0), 0u);
}

TEST(SchedulerTest, CarryOverFollowsIdsNotPositions) {
  auto before = MakeScheduler({}, Servers({10, 20, 30}));
  before->OnOpen(0);
  before->OnOpen(2);
  before->OnOpen(2);
  before->SetForeignConnections(2, 5);
  before->SetEffectiveWeight(1, 2);
  before->SetEffectiveWeight(2, 3);
  // Ids 3 and 2 stay, in another order; 2 has a new weight; 4 is new.
  const std::vector<ServerState> servers = {{.weight = 30, .id = 3},
                                            {.weight = 21, .id = 2},
                                            {.weight = 40, .id = 4}};
  auto after = MakeScheduler({}, servers);
  after->CarryOver(kStart, *before);
  EXPECT_EQ(after->connections(0), 7u);
  EXPECT_EQ(after->connections(1), 0u);
  EXPECT_EQ(after->connections(2), 0u);
  EXPECT_EQ(after->effective_weight(0), 3u);   // As moved.
  EXPECT_EQ(after->effective_weight(1), 21u);  // The operator's word is newer.
  EXPECT_EQ(after->effective_weight(2), 40u);
}

using SchedulerDeathTest = ::testing::Test;

TEST(SchedulerDeathTest, ClosingWhatIsNotOpenIsABug) {
  auto scheduler = MakeScheduler({}, Servers({1}));
  EXPECT_DEATH(scheduler->OnClose(0), "check failed");
  EXPECT_DEATH(scheduler->OnOpen(1), "check failed");
}

}  // namespace
}  // namespace ballast::sched
