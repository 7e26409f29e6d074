#include "lb/health/service_up.h"

#include <gtest/gtest.h>

#include <vector>

namespace ballast::health {
namespace {

constexpr Member kUp{.healthy = true};
constexpr Member kDown{.healthy = false};

TEST(ServiceUpTest, OneAvailableServerIsEnough) {
  EXPECT_TRUE(ServiceUp(std::vector{kDown, kUp, kDown}, 1));
  EXPECT_FALSE(ServiceUp(std::vector{kDown, kDown}, 1));
  EXPECT_FALSE(ServiceUp({}, 1));
  EXPECT_FALSE(ServiceUp({}, 0));
}

TEST(ServiceUpTest, TheMinimumIsCounted) {
  EXPECT_TRUE(ServiceUp(std::vector{kUp, kUp, kDown}, 2));
  EXPECT_FALSE(ServiceUp(std::vector{kUp, kDown, kDown}, 2));
}

TEST(ServiceUpTest, UnavailableServersDoNotCount) {
  EXPECT_FALSE(ServiceUp(std::vector{Member{.enabled = false, .healthy = true},
                                     Member{.healthy = true, .weight = 0},
                                     Member{.healthy = true, .at_limit = true}},
                         1));
}

TEST(ServiceUpTest, CriticalServerTakesTheServiceDown) {
  EXPECT_FALSE(ServiceUp(std::vector{kUp, Member{.critical = true}}, 1));
  EXPECT_FALSE(ServiceUp(
      std::vector{kUp,
                  Member{.enabled = false, .healthy = true, .critical = true}},
      1));
  EXPECT_TRUE(ServiceUp(
      std::vector{kUp, Member{.healthy = true, .critical = true}}, 1));
}

// "Every critical RS is up": full or of weight 0 is not down.
TEST(ServiceUpTest, CriticalServerMayBeFull) {
  EXPECT_TRUE(ServiceUp(
      std::vector{kUp,
                  Member{.healthy = true, .critical = true, .at_limit = true},
                  Member{.healthy = true, .critical = true, .weight = 0}},
      1));
}

}  // namespace
}  // namespace ballast::health
