// Each case runs in a child process of its own: entering a namespace is for
// good, and needs a process with one thread.
#include "io/process_namespace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <iostream>
#include <string>

#include "absl/status/status.h"
#include "io/base/status_matchers.h"
#include "io/sysctl.h"

namespace ballast {
namespace {

constexpr int kGood = 0;
constexpr int kBad = 1;
constexpr int kForbidden = 77;

// `body` in a child inside a private network; its exit status.
int InPrivateNetwork(bool unprivileged, const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    if (unprivileged && geteuid() == 0) {
      if (setgid(65534) != 0 || setuid(65534) != 0) _exit(kBad);
      // As a program started by that user: /proc/self is its own again.
      if (prctl(PR_SET_DUMPABLE, 1) != 0) _exit(kBad);
    }
    const absl::Status status = EnterPrivateNetwork();
    if (!status.ok()) {
      std::cerr << status << std::endl;
      _exit(kForbidden);
    }
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kBad;
}

// Exactly one interface, loopback, and it is up with its address.
bool OnlyLoopback() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return false;
  bool only = true;
  bool has_address = false;
  for (const ifaddrs* i = all; i != nullptr; i = i->ifa_next) {
    if (std::string(i->ifa_name) != "lo") only = false;
    if (i->ifa_addr != nullptr && i->ifa_addr->sa_family == AF_INET) {
      has_address = (i->ifa_flags & IFF_UP) != 0;
    }
  }
  freeifaddrs(all);
  return only && has_address;
}

class ProcessNamespaceTest : public ::testing::TestWithParam<bool> {};

TEST_P(ProcessNamespaceTest, IsFreshWithLoopbackUpAndItsSettingsAreOurs) {
  const int status = InPrivateNetwork(GetParam(), [] {
    if (!OnlyLoopback()) return kBad;
    if (!WriteSysctl("net/ipv4/ip_forward", "1").ok()) return kBad;
    return *ReadSysctl("net/ipv4/ip_forward") == "1" ? kGood : kBad;
  });
  if (status == kForbidden) {
    GTEST_SKIP() << "SKIPPED: no namespaces of our own here (see above)";
  }
  EXPECT_EQ(status, kGood);
}

TEST_P(ProcessNamespaceTest, AFurtherNamespaceIsAnotherOne) {
  const int status = InPrivateNetwork(GetParam(), [] {
    if (!WriteSysctl("net/ipv4/ip_forward", "1").ok()) return kBad;
    auto other = NetNamespace::Create();
    if (!other.ok()) return kBad;
    const absl::Status inside = other->Run([] {
      if (!OnlyLoopback()) return absl::InternalError("not fresh");
      if (*ReadSysctl("net/ipv4/ip_forward") != "0") {
        return absl::InternalError("shared settings");
      }
      return absl::OkStatus();
    });
    if (!inside.ok()) return kBad;
    // This thread has not moved.
    return *ReadSysctl("net/ipv4/ip_forward") == "1" ? kGood : kBad;
  });
  if (status == kForbidden) {
    GTEST_SKIP() << "SKIPPED: no namespaces of our own here (see above)";
  }
  EXPECT_EQ(status, kGood);
}

INSTANTIATE_TEST_SUITE_P(, ProcessNamespaceTest, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Unprivileged" : "AsIs";
                         });

TEST(SysctlTest, AMissingSettingIsNotFound) {
  EXPECT_THAT(ReadSysctl("net/ipv4/no_such_setting"),
              StatusIs(absl::StatusCode::kNotFound,
                       ::testing::HasSubstr("no_such_setting")));
}

}  // namespace
}  // namespace ballast
