#include "lb/run/pair_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <string>

#include "io/base/status_matchers.h"
#include "io/clock.h"
#include "io/socket_address.h"

namespace ballast::run {
namespace {

std::vector<uint8_t> Bytes(absl::string_view text) {
  return {text.begin(), text.end()};
}

// Two ports that are free now.
std::pair<uint16_t, uint16_t> FreePorts() {
  uint16_t ports[2];
  UniqueFd fds[2];
  for (int i = 0; i < 2; ++i) {
    fds[i] = UniqueFd(socket(AF_INET, SOCK_STREAM, 0));
    const SocketAddress any(Endpoint{*Address::Parse("127.0.0.1"), 0});
    EXPECT_EQ(bind(fds[i].get(), any.get(), any.length()), 0);
    ports[i] = SocketAddress::Local(fds[i].get()).endpoint().port;
  }
  return {ports[0], ports[1]};
}

struct End : PairStream::Owner {
  std::string hello = "hello";
  std::string wants = "hello";
  std::vector<std::string> events;
  std::vector<std::string> messages;
  std::unique_ptr<PairStream> stream;

  std::vector<uint8_t> Hello() override { return Bytes(hello); }
  bool OnHello(std::span<const uint8_t> m) override {
    return std::string(m.begin(), m.end()) == wants;
  }
  void OnUp() override { events.push_back("up"); }
  void OnDown(bool died) override { events.push_back(died ? "died" : "down"); }
  bool OnMessage(std::span<const uint8_t> m) override {
    messages.emplace_back(m.begin(), m.end());
    return messages.back() != "bad";
  }
  void OnRoom() override {}
};

class PairStreamTest : public ::testing::TestWithParam<bool> {
 protected:
  PairStreamTest() {
    ReactorOptions options;
    if (GetParam()) options.backend = ReactorOptions::Backend::kEpoll;
    reactor_ = *MakeReactor(options);
    const auto [first, second] = FreePorts();
    const Address loopback = *Address::Parse("127.0.0.1");
    first_ = {loopback, first};
    second_ = {loopback, second};
  }
  void Open(End& end, bool dials) {
    auto stream = PairStream::Listen(*reactor_,
                                     {.own = dials ? first_ : second_,
                                      .partner = dials ? second_ : first_,
                                      .dials = dials},
                                     end);
    ASSERT_THAT(stream, IsOk());
    end.stream = std::move(*stream);
  }
  // Turns the reactor until `done`, for ten seconds at most.
  bool Until(const std::function<bool()>& done) {
    const Instant end = MonotonicNow() + absl::Seconds(10);
    while (!done() && MonotonicNow() < end) {
      reactor_->RunOnce(MonotonicNow() + absl::Milliseconds(20));
    }
    return done();
  }
  void Connect() {
    Open(a_, true);
    Open(b_, false);
    a_.stream->Want(true);
    ASSERT_TRUE(Until([&] { return a_.stream->up() && b_.stream->up(); }));
  }

  std::unique_ptr<Reactor> reactor_;
  Endpoint first_;
  Endpoint second_;
  End a_;
  End b_;
};

TEST_P(PairStreamTest, MessagesOfAnyLengthArriveWholeAndInOrder) {
  Connect();
  std::vector<std::string> sent = {"", "x", std::string(900'000, 'y'), "z"};
  for (const std::string& message : sent) {
    EXPECT_TRUE(a_.stream->Send(Bytes(message)));
    EXPECT_TRUE(b_.stream->Send(Bytes(message)));
  }
  EXPECT_TRUE(Until([&] {
    return a_.messages.size() == sent.size() &&
           b_.messages.size() == sent.size();
  }));
  EXPECT_EQ(a_.messages, sent);
  EXPECT_EQ(b_.messages, sent);
}

TEST_P(PairStreamTest, AFullOutgoingBufferRefusesRatherThanGrows) {
  Connect();
  const std::vector<uint8_t> message(1 << 20);
  int taken = 0;
  while (taken < 100 && a_.stream->Send(message)) ++taken;
  EXPECT_LE(taken, 9);  // 8 MiB, and one may exceed it.
  EXPECT_GE(taken, 7);
}

TEST_P(PairStreamTest, AProcessThatEndedIsToldAsDiedByEitherSide) {
  Connect();
  b_.stream.reset();
  EXPECT_TRUE(Until([&] { return a_.events.size() >= 3; }));
  EXPECT_THAT(a_.events, ::testing::ElementsAre("up", "down", "died"));

  Open(b_, false);  // Back again.
  EXPECT_TRUE(Until([&] { return a_.stream->up() && b_.stream->up(); }));
  b_.events.clear();
  a_.stream.reset();
  EXPECT_TRUE(Until([&] { return b_.events.size() >= 2; }));
  EXPECT_THAT(b_.events, ::testing::ElementsAre("down", "died"));
}

TEST_P(PairStreamTest, AMessageThatIsRefusedEndsTheStreamButNotThePartner) {
  Connect();
  EXPECT_TRUE(a_.stream->Send(Bytes("bad")));
  EXPECT_TRUE(Until([&] {
    return b_.events.size() >= 3 && a_.stream->up() && b_.stream->up();
  }));
  EXPECT_THAT(b_.events, ::testing::ElementsAre("up", "down", "up"));
  EXPECT_THAT(a_.events, ::testing::ElementsAre("up", "down", "up"));
}

TEST_P(PairStreamTest, ARenewedStreamTakesThePlaceOfTheOneBefore) {
  Connect();
  b_.stream->Renew();  // Who accepts has nothing to renew.
  a_.stream->Renew();
  a_.stream->Renew();
  EXPECT_TRUE(a_.stream->up());
  EXPECT_TRUE(
      Until([&] { return a_.events.size() >= 3 && b_.events.size() >= 3; }));
  EXPECT_THAT(a_.events, ::testing::ElementsAre("up", "down", "up"));
  EXPECT_THAT(b_.events, ::testing::ElementsAre("up", "down", "up"));
  EXPECT_TRUE(a_.stream->Send(Bytes("to b")));
  EXPECT_TRUE(b_.stream->Send(Bytes("to a")));
  EXPECT_TRUE(
      Until([&] { return !a_.messages.empty() && !b_.messages.empty(); }));
}

TEST_P(PairStreamTest, StrangersAreClosedAndCounted) {
  Connect();
  const auto knock = [&](absl::string_view bytes) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
    const SocketAddress to(second_);
    EXPECT_EQ(connect(fd.get(), to.get(), to.length()), 0);
    EXPECT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    return fd;
  };
  const UniqueFd wrong = knock(absl::string_view("\0\0\0\5wrong", 9));
  EXPECT_TRUE(Until([&] { return b_.stream->stats().strangers == 1; }));
  // A length beyond any hello is refused before it is awaited.
  const UniqueFd large = knock(absl::string_view("\x7f\0\0\0", 4));
  EXPECT_TRUE(Until([&] { return b_.stream->stats().strangers == 2; }));
  // Silence is borne for a while.
  const UniqueFd silent = knock("");
  EXPECT_TRUE(Until([&] { return b_.stream->stats().strangers == 3; }));
  EXPECT_TRUE(a_.stream->Send(Bytes("still here")));
  EXPECT_TRUE(Until([&] { return b_.messages.size() == 1; }));
  EXPECT_THAT(b_.events, ::testing::ElementsAre("up"));
}

TEST_P(PairStreamTest, AnAddressThatIsNotOursIsAnErrorThatNamesIt) {
  const auto stream = PairStream::Listen(
      *reactor_,
      {.own = {*Address::Parse("192.0.2.1"), 6973}, .partner = first_}, a_);
  EXPECT_FALSE(stream.ok());
  EXPECT_THAT(std::string(stream.status().message()),
              ::testing::HasSubstr("192.0.2.1:6973"));
}

INSTANTIATE_TEST_SUITE_P(, PairStreamTest, ::testing::Values(false, true),
                         [](const auto& info) {
                           return info.param ? "Epoll" : "Auto";
                         });

}  // namespace
}  // namespace ballast::run
