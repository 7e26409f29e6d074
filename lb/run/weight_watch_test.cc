// Weights that move, over loopback sockets: documents of loads, a controller,
// the times of checks.
#include "lb/run/weight_watch.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/reactor.h"
#include "io/socket_address.h"
#include "io/unique_fd.h"

namespace ballast::run {
namespace {

using config::Schedule;

// Answers each connection with one document.
class Document {
 public:
  Document() {
    const SocketAddress any(Endpoint::Parse("127.0.0.1:0").value());
    listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(listener_.get(), any.get(), any.length()), 0);
    EXPECT_EQ(listen(listener_.get(), 64), 0);
    thread_ = std::thread([this] { Serve(); });
  }
  ~Document() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  uint16_t port() const {
    return SocketAddress::Local(listener_.get()).endpoint().port;
  }
  void Set(const std::string& body, int status = 200) {
    const std::lock_guard lock(mutex_);
    answer_ = absl::StrCat("HTTP/1.0 ", status, " x\r\n\r\n", body);
  }

 private:
  void Serve() {
    for (;;) {
      UniqueFd peer(accept(listener_.get(), nullptr, nullptr));
      if (!peer.valid()) return;
      char request[1024];
      (void)recv(peer.get(), request, sizeof(request), 0);
      const std::lock_guard lock(mutex_);
      (void)send(peer.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
    }
  }

  UniqueFd listener_;
  std::mutex mutex_;
  std::string answer_ = "HTTP/1.0 503 x\r\n\r\n";
  std::thread thread_;
};

class WeightWatchTest : public ::testing::Test {
 protected:
  WeightWatchTest()
      : reactor_(MakeReactor().value()),
        watch_(
            *reactor_, {.response_period = absl::Milliseconds(100)},
            [this] { ++changes_; },
            [this](const LogRecord& record) {
              absl::StrAppend(&log_, record.message, "\n");
            }) {
    reactor_->RunOnce(Instant());
  }

  static WeightWatch::Pool Of(Schedule schedule, uint16_t port) {
    WeightWatch::Pool pool{.name = "web", .schedule = schedule};
    pool.adaptive.port = port;
    pool.adaptive.interval = absl::Milliseconds(100);
    return pool;
  }
  bool RunUntil(const std::function<bool()>& condition) {
    const Instant limit = reactor_->Now() + absl::Seconds(20);
    while (!condition()) {
      if (reactor_->Now() >= limit) return false;
      reactor_->RunOnce(limit);
    }
    return true;
  }

  std::unique_ptr<Reactor> reactor_;
  int changes_ = 0;
  std::string log_;
  WeightWatch watch_;
};

// Its servers are 127.0.0.1, who answers, and 127.0.0.2, who does not.
TEST_F(WeightWatchTest, LoadsOfServersBecomeWeights) {
  Document document;
  document.Set("50\n");
  WeightWatch::Pool pool = Of(Schedule::kAdaptive, document.port());
  pool.members = {{1, Address::Parse("127.0.0.1").value(), 1000},
                  {2, Address::Parse("127.0.0.2").value(), 400}};
  EXPECT_EQ(watch_.weight(1), std::nullopt);
  watch_.SetPools({pool});
  EXPECT_EQ(watch_.weight(1), 1000u);
  EXPECT_EQ(watch_.weight(2), 400u);
  ASSERT_TRUE(RunUntil([&] { return watch_.weight(2) == 1; }));
  EXPECT_EQ(watch_.weight(1), 1000u);
  EXPECT_EQ(changes_, 1);
  watch_.SetPools({pool});  // The same goes on.
  EXPECT_EQ(watch_.weight(2), 1u);
  document.Set("101\n");
  ASSERT_TRUE(RunUntil([&] { return watch_.weight(1) == 0; }));
  EXPECT_EQ(log_, "web: server 127.0.0.1 says that it is down: load 101\n");
  document.Set("101\n", 404);
  ASSERT_TRUE(RunUntil([&] { return watch_.weight(1) == 1000; }));
  EXPECT_EQ(watch_.weight(2), 400u);
  watch_.SetPools({});
  EXPECT_EQ(watch_.weight(1), std::nullopt);
}

TEST_F(WeightWatchTest, AControllersReportDrivesTheLoop) {
  Document document;
  document.Set(
      R"({"servers": [{"address": "10.0.0.1", "load": 80},
                      {"address": "10.0.0.2", "load": 20}]})");
  WeightWatch::Pool pool = Of(Schedule::kSdnAdaptive, document.port());
  pool.adaptive.controller = Address::Parse("127.0.0.1").value();
  pool.members = {{1, Address::Parse("10.0.0.1").value(), 1000},
                  {2, Address::Parse("10.0.0.2").value(), 1000}};
  watch_.SetPools({pool});
  ASSERT_TRUE(RunUntil([&] { return watch_.weight(1) < 500u; }));
  EXPECT_EQ(watch_.weight(2), 1000u);
  document.Set("not today");
  ASSERT_TRUE(RunUntil([&] { return watch_.weight(1) == 1000; }));
  // "no report: ...", or "no answer" where an interval was too short for one.
  EXPECT_NE(log_.find("web: controller 127.0.0.1: no "), std::string::npos)
      << log_;
}

TEST_F(WeightWatchTest, TimesOfChecksBecomeWeights) {
  WeightWatch::Pool pool = Of(Schedule::kResponseTime, 0);
  pool.members = {{1, Address::Parse("10.0.0.1").value(), 1000},
                  {2, Address::Parse("10.0.0.2").value(), 1000}};
  watch_.SetPools({pool});
  watch_.OnAnswered(1, absl::Milliseconds(40));
  watch_.OnAnswered(2, absl::Milliseconds(10));
  watch_.OnAnswered(3, absl::Milliseconds(1));  // Nobody's.
  EXPECT_EQ(watch_.weight(1), 1000u);
  ASSERT_TRUE(RunUntil([&] { return watch_.weight(1) == 250; }));
  EXPECT_EQ(watch_.weight(2), 1000u);
}

}  // namespace
}  // namespace ballast::run
