#include "io/realtime.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

namespace ballast {
namespace {

int PolicyOfThisThread() {
  return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

TEST(RealtimeTest, ConcernsTheCallingThreadAlone) {
  const int before = PolicyOfThisThread();  // Whatever the test is run at.
  int inside = -1;
  int priority = -1;
  int made_inside = -1;
  absl::Status status;
  std::thread([&] {
    status = RunInRealTime(3);
    inside = PolicyOfThisThread();
    sched_param parameter{};
    sched_getparam(0, &parameter);
    priority = parameter.sched_priority;
    std::thread([&] { made_inside = PolicyOfThisThread(); }).join();
  }).join();
  if (absl::IsPermissionDenied(status)) {
    GTEST_SKIP() << "SKIPPED: " << status;
  }
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(inside, SCHED_RR);
  EXPECT_EQ(priority, 3);
  EXPECT_EQ(made_inside, SCHED_OTHER);
  EXPECT_EQ(PolicyOfThisThread(), before);
}

TEST(RealtimeTest, APriorityThatThereIsNotIsAnError) {
  EXPECT_TRUE(absl::IsInvalidArgument(RunInRealTime(100)));
}

}  // namespace
}  // namespace ballast
