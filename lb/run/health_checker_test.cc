// The health checker against the kernel's own TCP and ICMP, in a network
// namespace of the test's: servers are plain sockets, a silent one is an
// address nobody has behind a veth.
#include "lb/run/health_checker.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/base/address.h"
#include "io/base/status_matchers.h"
#include "io/reactor.h"
#include "io/socket_address.h"
#include "io/testing_namespace.h"
#include "io/unique_fd.h"

namespace ballast::run {
namespace {

using config::CheckType;
using health::Reason;
using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kInterval = absl::Milliseconds(200);
constexpr absl::Duration kTimeout = absl::Milliseconds(60);

Endpoint At(const std::string& text) { return Endpoint::Parse(text).value(); }

config::HealthCheck Check(CheckType type) {
  return {.type = type, .interval = kInterval, .timeout = kTimeout};
}

HealthChecker::Target Tcp(uint16_t id, const Endpoint& to) {
  return {id, to, Check(CheckType::kTcp)};
}
HealthChecker::Target Icmp(uint16_t id, const std::string& to) {
  return {id, {Address::Parse(to).value(), 0}, Check(CheckType::kIcmp)};
}

// Accepting, as far as the kernel is concerned. Port 0: any.
class Listener {
 public:
  explicit Listener(const std::string& where) {
    const SocketAddress self(At(where));
    fd_ = UniqueFd(socket(self.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    EXPECT_EQ(bind(fd_.get(), self.get(), self.length()), 0);
    EXPECT_EQ(listen(fd_.get(), 16), 0);
    endpoint_ = SocketAddress::Local(fd_.get()).endpoint();
  }
  const Endpoint& endpoint() const { return endpoint_; }
  void Close() { fd_.Reset(); }

 private:
  UniqueFd fd_;
  Endpoint endpoint_;
};

struct Change {
  uint16_t id;
  bool up;
  Reason reason;
};

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

class HealthCheckerTest
    : public ::testing::TestWithParam<ReactorOptions::Backend> {
 protected:
  void SetUp() override {
    if (const absl::Status s = EnterTestNamespace(); !s.ok()) {
      GTEST_SKIP() << "SKIPPED: " << s;
    }
    auto made = MakeReactor({.backend = GetParam()});
    if (!made.ok()) GTEST_SKIP() << "SKIPPED: " << made.status();
    reactor_ = *std::move(made);
    Make({});
  }

  void Make(const HealthChecker::Options& options) {
    checker_ = std::make_unique<HealthChecker>(
        *reactor_,
        [this](uint16_t id, bool up, Reason reason) {
          changes_.push_back({id, up, reason});
        },
        options);
  }

  // 10.9.9.2 to .254 and fd09::2 never answer, but .3, which `server_` has
  // until it loses it.
  void MakeSilentNetwork() {
    auto server = NetworkNamespace::Create();
    ASSERT_THAT(server, IsOk());
    server_.emplace(*std::move(server));
    ASSERT_THAT(
        RunCommand(absl::StrCat(
            "ip link add v0 address 02:00:00:00:00:01 type veth "
            "peer name v1 address 02:00:00:00:00:02 netns ",
            server_->path(),
            " && ip link set v0 up && ip addr add 10.9.9.1/24 dev v0 && "
            "for i in 2 3 4 5 6 7 8 9; do ip neigh add 10.9.9.$i "
            "lladdr 02:00:00:00:00:02 dev v0 nud permanent; done")),
        IsOk());
    ASSERT_THAT(
        server_->Run("ip addr add 10.9.9.3/24 dev v1 && ip link set v1 up && "
                     "ip neigh add 10.9.9.1 lladdr 02:00:00:00:00:01 dev v1 "
                     "nud permanent"),
        IsOk());
  }
  void SilenceServer() {
    ASSERT_THAT(server_->Run("ip addr del 10.9.9.3/24 dev v1"), IsOk());
  }

  bool RunUntil(const std::function<bool()>& condition) {
    const Instant limit = reactor_->Now() + absl::Seconds(20);
    while (!condition()) {
      if (reactor_->Now() >= limit) return false;
      reactor_->RunOnce(limit);
    }
    return true;
  }
  bool RunUntilChanges(size_t count) {
    return RunUntil([&] { return changes_.size() >= count; });
  }
  void RunFor(absl::Duration duration) {
    const Instant limit = reactor_->Now() + duration;
    while (reactor_->Now() < limit) reactor_->RunOnce(limit);
  }
  HealthChecker::Status StatusOf(uint16_t id) {
    return checker_->status(id).value();
  }

  std::optional<NetworkNamespace> server_;
  std::unique_ptr<Reactor> reactor_;
  std::vector<Change> changes_;
  std::unique_ptr<HealthChecker> checker_;
};

INSTANTIATE_TEST_SUITE_P(, HealthCheckerTest,
                         ::testing::Values(ReactorOptions::Backend::kIoUring,
                                           ReactorOptions::Backend::kEpoll),
                         [](const auto& info) {
                           return info.param == ReactorOptions::Backend::kEpoll
                                      ? "Epoll"
                                      : "Uring";
                         });

TEST_P(HealthCheckerTest, ListeningServerComesUpAndLeavesNoSocketBehind) {
  Listener v4("127.0.0.1:0");
  Listener v6("[::1]:0");
  checker_->SetTargets({Tcp(4, v4.endpoint()), Tcp(6, v6.endpoint())});
  EXPECT_FALSE(StatusOf(4).up);
  EXPECT_EQ(StatusOf(4).reason, Reason::kUnchecked);
  EXPECT_THAT(changes_, IsEmpty());
  ASSERT_TRUE(RunUntilChanges(2));
  EXPECT_TRUE(StatusOf(4).up);
  EXPECT_TRUE(StatusOf(6).up);
  EXPECT_EQ(changes_[0].reason, Reason::kAnswered);
  ASSERT_TRUE(RunUntil([&] { return checker_->stats().answered >= 6; }));
  EXPECT_EQ(changes_.size(), 2u);
  EXPECT_EQ(checker_->stats().tcp_in_flight, 0u);
  EXPECT_THAT(RunCommand("ss -Htan exclude listening"),
              IsOkAndHolds(IsEmpty()));
}

TEST_P(HealthCheckerTest, ClosedPortIsRefused) {
  Listener closed("127.0.0.1:0");
  closed.Close();
  checker_->SetTargets({Tcp(1, closed.endpoint())});
  ASSERT_TRUE(RunUntil([&] { return checker_->stats().failed >= 2; }));
  EXPECT_THAT(changes_, IsEmpty());  // Down it was already.
  EXPECT_EQ(StatusOf(1).reason, Reason::kRefused);
}

TEST_P(HealthCheckerTest, RefusalsInARowTakeAServerDown) {
  Listener listener("127.0.0.1:0");
  HealthChecker::Target target = Tcp(1, listener.endpoint());
  target.check.retry_count = 3;
  checker_->SetTargets({target});
  ASSERT_TRUE(RunUntilChanges(1));
  listener.Close();
  ASSERT_TRUE(RunUntilChanges(2));
  EXPECT_THAT(changes_[1], FieldsAre(1, false, Reason::kRefused));
  EXPECT_EQ(checker_->stats().failed, 3u);
  Listener again(target.endpoint.ToString());
  ASSERT_TRUE(RunUntilChanges(3));
  EXPECT_THAT(changes_[2], FieldsAre(1, true, Reason::kAnswered));
}

TEST_P(HealthCheckerTest, SilenceTimesOut) {
  MakeSilentNetwork();
  std::optional<Listener> listener;
  {
    NetworkNamespace::Scope inside(*server_);
    listener.emplace("0.0.0.0:80");
  }
  checker_->SetTargets({Tcp(1, At("10.9.9.3:80")), Icmp(2, "10.9.9.3")});
  ASSERT_TRUE(RunUntilChanges(2));
  EXPECT_TRUE(changes_[0].up && changes_[1].up);
  const Instant silent = reactor_->Now();
  SilenceServer();
  ASSERT_TRUE(RunUntilChanges(4));
  for (const uint16_t id : {1, 2}) {
    EXPECT_FALSE(StatusOf(id).up);
    EXPECT_EQ(StatusOf(id).reason, Reason::kTimedOut);
    // Two probes of a timeout each (LoadMaster: Retry Count).
    EXPECT_GE(StatusOf(id).last_change - silent, 2 * kTimeout);
  }
}

TEST_P(HealthCheckerTest, OneSilenceIsForgiven) {
  MakeSilentNetwork();
  Make({.source = {}, .tcp_places = 1});
  std::optional<Listener> listener;
  {
    NetworkNamespace::Scope inside(*server_);
    listener.emplace("0.0.0.0:80");
  }
  HealthChecker::Target target = Tcp(1, At("10.9.9.3:80"));
  target.check.timeout = absl::Seconds(1) / 2;
  target.check.interval = absl::Seconds(2);
  checker_->SetTargets({target});
  ASSERT_TRUE(RunUntilChanges(1));
  SilenceServer();
  ASSERT_TRUE(RunUntil([&] { return checker_->stats().failed == 1; }));
  // The second probe leaves a turn later, when the first has given its place
  // back, and so after this.
  ASSERT_THAT(server_->Run("ip addr add 10.9.9.3/24 dev v1"), IsOk());
  ASSERT_TRUE(RunUntil([&] { return checker_->stats().answered == 2; }));
  EXPECT_EQ(checker_->stats().failed, 1u);
  EXPECT_EQ(checker_->stats().local_errors, 0u);
  EXPECT_EQ(changes_.size(), 1u);
}

TEST_P(HealthCheckerTest, NoRouteIsUnreachable) {
  checker_->SetTargets({Tcp(1, At("203.0.113.1:80")), Icmp(2, "203.0.113.1"),
                        Tcp(3, At("[2001:db8::1]:80"))});
  ASSERT_TRUE(RunUntil([&] { return checker_->stats().failed >= 6; }));
  EXPECT_EQ(StatusOf(1).reason, Reason::kUnreachable);
  EXPECT_EQ(StatusOf(2).reason, Reason::kUnreachable);
  EXPECT_EQ(StatusOf(3).reason, Reason::kUnreachable);
  EXPECT_EQ(checker_->stats().local_errors, 0u);
}

TEST_P(HealthCheckerTest, EchoIsAnsweredOnRawAndOnPingSockets) {
  for (const char* groups : {"1 0", "0 2147483647"}) {
    SCOPED_TRACE(groups);
    ASSERT_THAT(
        RunCommand(absl::StrCat("echo '", groups,
                                "' > /proc/sys/net/ipv4/ping_group_range")),
        IsOk());
    changes_.clear();
    Make({});
    checker_->SetTargets({Icmp(4, "127.0.0.1"), Icmp(6, "::1")});
    ASSERT_TRUE(RunUntilChanges(2));
    EXPECT_TRUE(StatusOf(4).up);
    EXPECT_TRUE(StatusOf(6).up);
    ASSERT_TRUE(RunUntil([&] { return checker_->stats().answered >= 6; }));
    EXPECT_EQ(checker_->stats().failed, 0u);
    EXPECT_EQ(checker_->stats().icmp_strays, 0u);
  }
}

TEST_P(HealthCheckerTest, CheckTypeNoneIsUpAtOnce) {
  checker_->SetTargets({{7, At("10.9.9.9:80"), Check(CheckType::kNone)}});
  EXPECT_THAT(changes_, ElementsAre(FieldsAre(7, true, Reason::kNoCheck)));
  RunFor(2 * kInterval);
  EXPECT_EQ(checker_->stats().started, 0u);
}

TEST_P(HealthCheckerTest, SameAndChangedChecksKeepTheState) {
  Listener listener("127.0.0.1:0");
  Listener other("127.0.0.1:0");
  HealthChecker::Target target = Tcp(1, listener.endpoint());
  checker_->SetTargets({target});
  ASSERT_TRUE(RunUntilChanges(1));
  const Instant since = StatusOf(1).last_change;
  checker_->SetTargets({target});
  EXPECT_TRUE(StatusOf(1).up);
  target.check.interval = 2 * kInterval;
  checker_->SetTargets({target});
  EXPECT_TRUE(StatusOf(1).up);
  // Another port to check on the same server.
  target.endpoint = other.endpoint();
  target.check.port = other.endpoint().port;
  checker_->SetTargets({target});
  EXPECT_TRUE(StatusOf(1).up);
  listener.Close();
  const uint64_t answered = checker_->stats().answered;
  ASSERT_TRUE(
      RunUntil([&] { return checker_->stats().answered >= answered + 2; }));
  EXPECT_EQ(changes_.size(), 1u);
  EXPECT_EQ(StatusOf(1).last_change, since);
  EXPECT_EQ(checker_->stats().failed, 0u);
}

TEST_P(HealthCheckerTest, AnotherServerOfTheSameIdIsNew) {
  Listener listener("127.0.0.1:0");
  checker_->SetTargets({Tcp(1, listener.endpoint())});
  ASSERT_TRUE(RunUntilChanges(1));
  Listener second("127.0.0.2:0");
  checker_->SetTargets({Tcp(1, second.endpoint())});
  EXPECT_FALSE(StatusOf(1).up);
  EXPECT_EQ(StatusOf(1).reason, Reason::kUnchecked);
  EXPECT_EQ(changes_.size(), 1u);
  ASSERT_TRUE(RunUntilChanges(2));
  EXPECT_THAT(changes_[1], FieldsAre(1, true, Reason::kAnswered));
  checker_->SetTargets({});
  EXPECT_FALSE(checker_->status(1).has_value());
  EXPECT_EQ(changes_.size(), 2u);
}

TEST_P(HealthCheckerTest, TargetsMayGoWhileTheyAreProbed) {
  MakeSilentNetwork();
  Listener listener("127.0.0.1:0");
  const size_t before = OpenDescriptors();
  HealthChecker::Target slow = Tcp(1, At("10.9.9.2:80"));
  slow.check.interval = absl::Seconds(60);
  slow.check.timeout = absl::Seconds(20);
  checker_->SetTargets({slow});
  ASSERT_TRUE(RunUntil([&] { return checker_->stats().tcp_in_flight == 1; }));
  RunFor(absl::Milliseconds(20));
  // Its id goes to another server.
  checker_->SetTargets({Tcp(1, listener.endpoint())});
  ASSERT_TRUE(RunUntilChanges(1));
  EXPECT_THAT(changes_[0], FieldsAre(1, true, Reason::kAnswered));

  checker_->SetTargets({slow});
  ASSERT_TRUE(RunUntil([&] { return checker_->stats().tcp_in_flight == 1; }));
  checker_->SetTargets({});
  ASSERT_TRUE(RunUntil([&] { return checker_->stats().tcp_in_flight == 0; }));
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_EQ(changes_.size(), 1u);
  EXPECT_EQ(checker_->stats().failed, 0u);
}

TEST_P(HealthCheckerTest, NothingLeaksWhicheverGoesFirst) {
  MakeSilentNetwork();
  reactor_ = nullptr;
  checker_ = nullptr;
  const size_t before = OpenDescriptors();
  for (const bool checker_first : {true, false}) {
    reactor_ = MakeReactor({.backend = GetParam()}).value();
    Make({.source = {}, .tcp_places = 1});
    std::vector<HealthChecker::Target> targets = {
        Tcp(1, At("10.9.9.2:80")), Tcp(2, At("10.9.9.4:80")),
        Icmp(3, "10.9.9.5"), Icmp(4, "::1")};
    for (HealthChecker::Target& target : targets) {
      target.check.interval = absl::Seconds(60);
      target.check.timeout = absl::Seconds(20);
    }
    checker_->SetTargets(targets);
    ASSERT_TRUE(RunUntil([&] {
      const HealthChecker::Stats stats = checker_->stats();
      return stats.tcp_in_flight == 1 && stats.waited > 0 && StatusOf(4).up;
    }));
    if (checker_first) checker_ = nullptr;
    reactor_ = nullptr;
    checker_ = nullptr;
    EXPECT_EQ(OpenDescriptors(), before);
  }
}

TEST_P(HealthCheckerTest, WithoutAPlaceAProbeWaitsAndDoesNotFail) {
  MakeSilentNetwork();
  Listener listener("127.0.0.1:0");
  Make({.source = {}, .tcp_places = 2});
  std::vector<HealthChecker::Target> targets;
  for (uint16_t i = 2; i <= 9; ++i) {
    targets.push_back(Tcp(i, At(absl::StrCat("10.9.9.", i, ":80"))));
  }
  targets.push_back(Tcp(1, listener.endpoint()));
  checker_->SetTargets(targets);
  size_t most = 0;
  ASSERT_TRUE(RunUntil([&] {
    most = std::max(most, checker_->stats().tcp_in_flight);
    return checker_->stats().answered >= 5;
  }));
  EXPECT_EQ(most, 2u);
  EXPECT_GT(checker_->stats().waited, 0u);
  EXPECT_EQ(checker_->stats().local_errors, 0u);
  EXPECT_THAT(changes_, ElementsAre(FieldsAre(1, true, Reason::kAnswered)));
}

TEST_P(HealthCheckerTest, AnswersCountThatCameWhileTheThreadWasHeldUp) {
  Listener listener("127.0.0.1:0");
  checker_->SetTargets({Tcp(1, listener.endpoint()), Icmp(2, "127.0.0.1")});
  uint64_t started = 0;
  ASSERT_TRUE(RunUntil([&] {
    if (checker_->stats().started > started) {
      started = checker_->stats().started;
      absl::SleepFor(2 * kTimeout);
    }
    return started >= 8;
  }));
  EXPECT_EQ(checker_->stats().failed, 0u);
}

TEST_P(HealthCheckerTest, RefusedFlowHastensTheCheck) {
  Listener listener("127.0.0.1:0");
  HealthChecker::Target target = Tcp(1, listener.endpoint());
  target.check.interval = absl::Seconds(3600);
  checker_->SetTargets({target});
  ASSERT_TRUE(RunUntilChanges(1));
  listener.Close();
  checker_->OnFlowRefused(1);
  checker_->OnFlowRefused(2);  // Nobody's: nothing.
  ASSERT_TRUE(RunUntilChanges(2));
  EXPECT_THAT(changes_[1], FieldsAre(1, false, Reason::kRefused));
}

TEST_P(HealthCheckerTest, ProbesLeaveFromTheAddressAskedFor) {
  MakeSilentNetwork();
  ASSERT_THAT(RunCommand("ip addr add 10.9.9.100/32 dev v0"), IsOk());
  Make({.source = {.v4 = Address::Parse("10.9.9.100").value()}});
  HealthChecker::Target target = Tcp(1, At("10.9.9.2:80"));
  target.check.timeout = absl::Seconds(10);
  target.check.interval = absl::Seconds(60);
  checker_->SetTargets({target});
  ASSERT_TRUE(RunUntil([&] { return checker_->stats().tcp_in_flight == 1; }));
  RunFor(absl::Milliseconds(20));
  EXPECT_THAT(RunCommand("ss -Htn state syn-sent"),
              IsOkAndHolds(HasSubstr("10.9.9.100:")));
}

}  // namespace
}  // namespace ballast::run
