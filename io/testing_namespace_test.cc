#include "io/testing_namespace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/base/status_matchers.h"

namespace ballast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TestingNamespaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
  }
};

TEST_F(TestingNamespaceTest, IsFreshWithLoopbackUp) {
  EXPECT_THAT(RunCommand("ip -o link"),
              IsOkAndHolds(
                  AllOf(HasSubstr("lo: <LOOPBACK,UP"), Not(HasSubstr("2: ")))));
}

TEST_F(TestingNamespaceTest, AVethJoinsTwoNamespaces) {
  auto other = NetworkNamespace::Create();
  ASSERT_THAT(other, IsOk());
  ASSERT_THAT(RunCommand("ip link add here type veth peer name there netns " +
                         other->path() +
                         " && ip addr add 10.9.0.1/24 dev here"
                         " && ip link set here up"),
              IsOk());
  ASSERT_THAT(
      other->Run("ip addr add 10.9.0.2/24 dev there && ip link set there up"),
      IsOk());
  EXPECT_THAT(WaitForLinks(), IsOk());
  EXPECT_THAT(other->WaitForLinks(), IsOk());
  EXPECT_THAT(RunCommand("ping -c 1 -W 5 10.9.0.2"), IsOk());
  EXPECT_THAT(RunCommand("ip link show there"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("there")));
}

TEST_F(TestingNamespaceTest, WaitingForALinkWithoutAPeerFails) {
  ASSERT_THAT(RunCommand("ip link add here type veth peer name there && "
                         "ip link set here up"),
              IsOk());
  EXPECT_THAT(WaitForLinks(),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("NO-CARRIER")));
}

TEST_F(TestingNamespaceTest, ABackgroundProcessEndsWithItsObject) {
  pid_t pid = 0;
  {
    auto sleeper = BackgroundProcess::Start({"sleep", "600"});
    ASSERT_THAT(sleeper, IsOk());
    pid = sleeper->pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_EQ(kill(pid, 0), -1);

  auto failing = BackgroundProcess::Start({"false"});
  ASSERT_THAT(failing, IsOk());
  EXPECT_EQ(WEXITSTATUS(failing->Wait()), 1);
  EXPECT_THAT(BackgroundProcess::Start({"/no-such-program"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no-such")));
}

}  // namespace
}  // namespace ballast
