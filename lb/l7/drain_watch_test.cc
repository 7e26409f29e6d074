#include "lb/l7/drain_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "absl/time/time.h"

namespace ballast::l7 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

class DrainWatchTest : public ::testing::Test {
 protected:
  DrainWatchTest() : servers_(2) {
    for (config::RealServer& server : servers_) {
      server.drain_time = absl::Seconds(300);
      server.drop_at_drain_end = true;
    }
  }
  std::vector<uint32_t> Due(absl::Duration after) {
    return watch_.Due(kNow + after, {{1, &servers_[0]}, {2, &servers_[1]}},
                      [&](uint32_t id) { return entries_.contains(id); });
  }
  void Drain(size_t server) {
    servers_[server].state = config::AdminState::kDraining;
  }

  std::vector<config::RealServer> servers_;
  std::set<uint32_t> entries_ = {1, 2};
  DrainWatch watch_;
};

TEST_F(DrainWatchTest, AtTheEndOfTheDrainTimeOnce) {
  Drain(0);
  EXPECT_THAT(Due(absl::ZeroDuration()), IsEmpty());
  Drain(1);
  EXPECT_THAT(Due(absl::Seconds(100)), IsEmpty());
  EXPECT_THAT(Due(absl::Seconds(300) - absl::Nanoseconds(1)), IsEmpty());
  EXPECT_THAT(Due(absl::Seconds(300)), ElementsAre(1));
  EXPECT_THAT(Due(absl::Seconds(301)), IsEmpty());
  EXPECT_THAT(Due(absl::Seconds(400)), ElementsAre(2));
}

TEST_F(DrainWatchTest, AtOnceWithoutPersistenceEntries) {
  entries_ = {2};
  Drain(0);
  Drain(1);
  EXPECT_THAT(Due(absl::ZeroDuration()), ElementsAre(1));
  entries_.clear();
  EXPECT_THAT(Due(absl::Seconds(1)), ElementsAre(2));
}

TEST_F(DrainWatchTest, AtOnceWithoutADrainTimeEvenIfNotAskedFor) {
  servers_[0].drain_time = absl::ZeroDuration();
  servers_[0].drop_at_drain_end = false;
  Drain(0);
  EXPECT_THAT(Due(absl::ZeroDuration()), ElementsAre(1));
}

TEST_F(DrainWatchTest, NeverUnlessAskedFor) {
  servers_[0].drop_at_drain_end = false;
  entries_.clear();
  Drain(0);
  EXPECT_THAT(Due(absl::Hours(100)), IsEmpty());
  servers_[1].state = config::AdminState::kDisabled;
  EXPECT_THAT(Due(absl::Hours(100)), IsEmpty());
}

TEST_F(DrainWatchTest, ANewDrainBeginsANewTime) {
  Drain(0);
  EXPECT_THAT(Due(absl::ZeroDuration()), IsEmpty());
  servers_[0].state = config::AdminState::kEnabled;
  EXPECT_THAT(Due(absl::Seconds(200)), IsEmpty());
  Drain(0);
  EXPECT_THAT(Due(absl::Seconds(201)), IsEmpty());
  EXPECT_THAT(Due(absl::Seconds(500)), IsEmpty());
  EXPECT_THAT(Due(absl::Seconds(501)), ElementsAre(1));
}

}  // namespace
}  // namespace ballast::l7
