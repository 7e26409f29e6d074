// In namespaces of the test's own: a host that connects to a server from an
// address that is neither's.
#include "io/transparent_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/status_matchers.h"
#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "io/testing_namespace.h"
#include "io/unique_fd.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kShowAll[] =
    "ip rule; ip -6 rule; ip route show table all; "
    "ip -6 route show table all; nft list ruleset";

class TransparentRepliesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
  }
  static std::string Shell(const std::string& command) {
    auto text = RunCommand(command);
    EXPECT_THAT(text, IsOk());
    return text.value_or("");
  }
};

// The parameter: IPv4, or else IPv6.
class TransparentReachTest : public TransparentRepliesTest,
                             public ::testing::WithParamInterface<bool> {
 protected:
  // A server whose default route is this host, which would forward.
  void AddServer() {
    auto made = NetworkNamespace::Create();
    ASSERT_THAT(made, IsOk());
    server_ = std::make_unique<NetworkNamespace>(*std::move(made));
    Shell(absl::StrCat(
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1;"
        "ip link add inside type veth peer name eth0 netns ",
        server_->path(),
        ";ip addr add 10.2.0.1/24 dev inside;"
        "ip addr add 2001:db8:2::1/64 dev inside nodad;"
        "ip link set inside up"));
    ASSERT_THAT(server_->Run("ip addr add 10.2.0.11/24 dev eth0;"
                             "ip addr add 2001:db8:2::11/64 dev eth0 nodad;"
                             "ip link set eth0 up;"
                             "ip route add default via 10.2.0.1;"
                             "ip route add default via 2001:db8:2::1"),
                IsOk());
    ASSERT_THAT(WaitForLinks(), IsOk());
    ASSERT_THAT(server_->WaitForLinks(), IsOk());
  }
  // Whom the server sees, or "" if nobody arrives within a second.
  std::string Connect() {
    const bool v4 = GetParam();
    const Endpoint at =
        *Endpoint::Parse(v4 ? "10.2.0.11:80" : "[2001:db8:2::11]:80");
    UniqueFd listener;
    {
      NetworkNamespace::Scope scope(*server_);
      listener = ListenTcp(at).value();
    }
    const Endpoint from{*Address::Parse(v4 ? "203.0.113.7" : "2001:db8:9::7"),
                        0};
    auto fd = MakeTcpSocket(at, {.source = from, .transparent = true});
    EXPECT_THAT(fd, IsOk());
    const SocketAddress to(at);
    connect(fd->get(), to.get(), to.length());
    pollfd ready{listener.get(), POLLIN, 0};
    if (poll(&ready, 1, 1000) != 1) return "";
    UniqueFd accepted(accept(listener.get(), nullptr, nullptr));
    // Bytes both ways, and more than the first segment.
    const std::string text(100'000, 'x');
    EXPECT_GT(send(accepted.get(), text.data(), text.size(), MSG_DONTWAIT), 0);
    ready = {fd->get(), POLLIN, 0};
    EXPECT_EQ(poll(&ready, 1, 1000), 1);
    return SocketAddress::Peer(accepted.get()).endpoint().address.ToString();
  }

  std::unique_ptr<NetworkNamespace> server_;
};

TEST_P(TransparentReachTest, ServersSeeTheClientAndItsConnectionWorks) {
  AddServer();
  EXPECT_EQ(Connect(), "") << "without what is under test";
  {
    auto replies = TransparentReplies::Install();
    ASSERT_THAT(replies, IsOk());
    EXPECT_EQ(Connect(), GetParam() ? "203.0.113.7" : "2001:db8:9::7");
  }
  EXPECT_EQ(Connect(), "") << "after its end";
}

INSTANTIATE_TEST_SUITE_P(Families, TransparentReachTest, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "IPv4" : "IPv6";
                         });

TEST_F(TransparentRepliesTest, LeavesNothingBehind) {
  const std::string before = Shell(kShowAll);
  {
    auto replies = TransparentReplies::Install();
    ASSERT_THAT(replies, IsOk());
    const std::string shown = Shell(kShowAll);
    EXPECT_THAT(shown, HasSubstr("ballast_replies_0"));
    EXPECT_THAT(shown, HasSubstr("fwmark 0xba11a57"));
  }
  EXPECT_EQ(Shell(kShowAll), before);
}

TEST_F(TransparentRepliesTest, WhatAKilledProcessLeftGoesWithTheNext) {
  const std::string before = Shell(kShowAll);
  const pid_t child = fork();
  if (child == 0) {
    auto one = TransparentReplies::Install();
    auto two = TransparentReplies::Install();
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const std::string left = Shell(kShowAll);
  EXPECT_THAT(left, Not(HasSubstr("ballast_replies"))) << "its table";
  EXPECT_THAT(left, HasSubstr("fwmark 0xba11a57"));
  { ASSERT_THAT(TransparentReplies::Install(), IsOk()); }
  EXPECT_EQ(Shell(kShowAll), before);
}

TEST_F(TransparentRepliesTest, InstancesDoNotDisturbEachOther) {
  auto one = TransparentReplies::Install();
  ASSERT_THAT(one, IsOk());
  const std::string before = Shell(kShowAll);
  {
    auto two = TransparentReplies::Install();
    ASSERT_THAT(two, IsOk());
    EXPECT_THAT(Shell(kShowAll), HasSubstr("ballast_replies_1"));
  }
  EXPECT_EQ(Shell(kShowAll), before);
}

TEST_F(TransparentRepliesTest, ThereAreOnlySoMany) {
  std::vector<std::unique_ptr<TransparentReplies>> all;
  for (uint32_t i = 0; i < TransparentReplies::kInstancesMax; ++i) {
    auto replies = TransparentReplies::Install();
    ASSERT_THAT(replies, IsOk());
    all.push_back(*std::move(replies));
  }
  EXPECT_THAT(TransparentReplies::Install(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("16")));
}

TEST_F(TransparentRepliesTest, SaysWhyNot) {
  const pid_t child = fork();
  if (child == 0) {
    // Another user namespace has no rights in this network's.
    if (unshare(CLONE_NEWUSER) != 0) _exit(2);
    _exit(absl::IsPermissionDenied(TransparentReplies::Install().status()) ? 0
                                                                           : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  Shell("sysctl -qw net.ipv4.conf.all.src_valid_mark=1");
  EXPECT_THAT(TransparentReplies::Install(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("src_valid_mark is 1, must be 0")));
}

}  // namespace
}  // namespace ballast
