// A leg on loopback sockets, on both reactors.
#include "lb/run/leg.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "io/unique_fd.h"

namespace ballast::run {
namespace {

std::span<const uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Writes down what a leg tells, and closes it when it is gone.
class Listener final : public Leg::Owner {
 public:
  void OnConnected(Leg&) override {}
  void OnBytes(Leg&, std::span<const uint8_t> bytes) override {
    told.append(bytes.begin(), bytes.end());
  }
  void OnEnd(Leg&) override { told += " end"; }
  void OnGone(Leg& leg) override {
    told += " gone";
    leg.Close();
    done = true;
  }
  void OnSent(Leg&, size_t) override {
    told += " sent";
    ++sent;
  }
  std::string told;
  int sent = 0;
  bool done = false;
};

class LegTest : public ::testing::TestWithParam<ReactorOptions::Backend> {
 protected:
  void SetUp() override {
    ReactorOptions options;
    options.backend = GetParam();
    auto reactor = MakeReactor(options);
    if (!reactor.ok()) GTEST_SKIP() << "SKIPPED: " << reactor.status();
    reactor_ = *std::move(reactor);
    UniqueFd listener = ListenTcp(*Endpoint::Parse("127.0.0.1:0")).value();
    ours_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress to = SocketAddress::Local(listener.get());
    ASSERT_EQ(connect(ours_.get(), to.get(), to.length()), 0);
    peer_ = UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(peer_.valid());
  }
  void Run(const Listener& until) {
    const Instant end = reactor_->Now() + absl::Seconds(10);
    while (!until.done && reactor_->Now() < end) {
      reactor_->RunOnce(reactor_->Now() + absl::Milliseconds(10));
    }
  }
  void RunFor(absl::Duration time) {
    const Instant end = reactor_->Now() + time;
    while (reactor_->Now() < end) reactor_->RunOnce(end);
  }

  std::unique_ptr<Reactor> reactor_;
  UniqueFd ours_;
  UniqueFd peer_;
};

// A server that answers and closes with bytes unread resets the connection: its
// answer comes before the end all the same.
TEST_P(LegTest, WhatCameBeforeASendFailedIsToldFirst) {
  Listener listener;
  auto* leg = new Leg(*reactor_, listener, std::move(ours_));
  leg->SetReading(true);
  leg->Send(Bytes("request"));
  RunFor(absl::Milliseconds(20));
  ASSERT_EQ(listener.told, " sent");
  ASSERT_EQ(send(peer_.get(), "answer", 6, 0), 6);
  peer_ = UniqueFd();
  leg->Send(Bytes("more"));
  Run(listener);
  EXPECT_EQ(listener.told.substr(0, 11), " sentanswer") << listener.told;
  EXPECT_TRUE(listener.done);
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(listener.sent, 2) << listener.told;
}

// Nobody wants to read: it is gone at once.
TEST_P(LegTest, AFailedSendIsTheEndWithoutReading) {
  Listener listener;
  auto* leg = new Leg(*reactor_, listener, std::move(ours_));
  ASSERT_EQ(send(peer_.get(), "unread", 6, 0), 6);
  leg->Send(Bytes("request"));
  RunFor(absl::Milliseconds(20));
  peer_ = UniqueFd();
  leg->Send(Bytes("more"));
  Run(listener);
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(listener.told, " sent sent gone");
}

INSTANTIATE_TEST_SUITE_P(, LegTest,
                         ::testing::Values(ReactorOptions::Backend::kIoUring,
                                           ReactorOptions::Backend::kEpoll),
                         [](const auto& info) {
                           return info.param == ReactorOptions::Backend::kEpoll
                                      ? "epoll"
                                      : "io_uring";
                         });

}  // namespace
}  // namespace ballast::run
