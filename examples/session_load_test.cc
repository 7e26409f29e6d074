// Sessions over the loopback of a private network: first with the server, then
// with servers that do each of the things a session must not survive.
#include "examples/session_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "examples/session_block.h"
#include "io/base/status_matchers.h"
#include "io/process_namespace.h"
#include "io/socket_address.h"
#include "io/unique_fd.h"

namespace ballast::testbed {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr uint16_t kPort = 7000;
constexpr absl::Duration kPatience = absl::Seconds(20);

Endpoint V4() { return {Address::V4(0x7f000001), kPort}; }
Endpoint V6() { return {*Address::Parse("::1"), kPort}; }

class SessionLoadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status s = EnterPrivateNetwork(); !s.ok()) {
      GTEST_SKIP() << "SKIPPED: " << s;
    }
  }

  static std::unique_ptr<SessionClient> StartClient(
      std::vector<SessionGroup> groups, size_t unanswered_max = 1024) {
    auto client = SessionClient::Start({.groups = std::move(groups),
                                        .connect_timeout = absl::Seconds(2),
                                        .unanswered_max = unanswered_max});
    EXPECT_THAT(client, IsOk());
    return *std::move(client);
  }
  static SessionGroup Group(int count, absl::Duration interval) {
    return {
        .name = "test", .server = V4(), .count = count, .interval = interval};
  }
  // Waits until `condition`, or a long time has gone by.
  static bool Await(const std::function<bool()>& condition) {
    for (int i = 0; i < 10'000; ++i) {
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(2));
    }
    return false;
  }
};

// Takes one connection, reads `read` bytes, and does what it was told.
class RogueServer {
 public:
  RogueServer(size_t read,
              std::function<void(UniqueFd, std::vector<uint8_t>)> act)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const SocketAddress any(V4());
    EXPECT_EQ(bind(listener_.get(), any.get(), any.length()), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    thread_ = std::thread([this, read, act = std::move(act)] {
      UniqueFd fd(accept(listener_.get(), nullptr, nullptr));
      std::vector<uint8_t> bytes(read);
      EXPECT_EQ(recv(fd.get(), bytes.data(), read, MSG_WAITALL),
                static_cast<ssize_t>(read));
      act(std::move(fd), std::move(bytes));
    });
  }
  ~RogueServer() { thread_.join(); }

 private:
  UniqueFd listener_;
  std::thread thread_;
};

void Echo(int fd, std::vector<uint8_t> bytes) {
  TransformEcho(0, bytes);
  EXPECT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

TEST(SessionBlockTest, BytesAreSplitMix64) {
  // The reference generator's first two numbers for seed 0.
  EXPECT_EQ(SplitMix64(0), 0xe220a8397b1dcdafu);
  EXPECT_EQ(SplitMix64(0x9e3779b97f4a7c15u), 0x6e789e6aa1b965f4u);
}

TEST(SessionBlockTest, ABlockBeginsWithItsNumber) {
  const SessionBlock block = MakeSessionBlock(7, 0x0102030405060708u);
  EXPECT_THAT(std::vector<uint8_t>(block.begin(), block.begin() + 8),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_NE(MakeSessionBlock(8, 0x0102030405060708u), block);
}

TEST(SessionBlockTest, AnEchoInPiecesIsTheEchoOfTheWhole) {
  std::vector<uint8_t> whole(100, 0), pieces(100, 0);
  TransformEcho(30, whole);
  TransformEcho(30, std::span(pieces).first(13));
  TransformEcho(43, std::span(pieces).subspan(13));
  EXPECT_EQ(pieces, whole);
  EXPECT_NE(whole, std::vector<uint8_t>(100, 0));
}

TEST_F(SessionLoadTest, EveryByteComesBackOverBothFamilies) {
  auto server = SessionServer::Start(kPort);
  ASSERT_THAT(server, IsOk());
  auto client = StartClient({{.name = "v4",
                              .server = V4(),
                              .count = 20,
                              .interval = absl::Milliseconds(5)},
                             {.name = "v6",
                              .source = V6().address,
                              .server = V6(),
                              .count = 20,
                              .interval = absl::Milliseconds(5)},
                             {.name = "idle",
                              .server = V4(),
                              .count = 1,
                              .interval = absl::Hours(1)}});
  ASSERT_THAT(client->AwaitEstablished(kPatience), IsOk());
  client->BeginWindow("after");
  ASSERT_TRUE(Await([&] { return client->Now().bytes_verified > 64'000; }));
  EXPECT_EQ(client->Now().alive, 41);
  EXPECT_EQ(client->Now().answered, 40);  // The idle one was, before.

  const SessionReport report = client->Finish(kPatience);
  EXPECT_EQ(report.completed, 41);
  EXPECT_EQ(report.lost, 0);
  EXPECT_EQ(report.bytes_verified, report.blocks_sent * kSessionBlockSize);
  ASSERT_THAT(report.windows, SizeIs(2));
  EXPECT_EQ(report.windows[0].name, "begin");
  EXPECT_EQ(report.windows[0].answered, 41);
  EXPECT_EQ(report.windows[1].answered, 40);
  EXPECT_EQ(report.windows[0].blocks + report.windows[1].blocks,
            report.blocks_sent);
  ASSERT_TRUE(Await([&] { return (*server)->counts().ended == 41; }));
  EXPECT_EQ((*server)->counts().accepted, 41u);
  EXPECT_EQ((*server)->counts().failed, 0u);
  EXPECT_EQ((*server)->counts().bytes, report.bytes_verified);
}

TEST_F(SessionLoadTest, AResetLosesTheSession) {
  // Not before its first block: a client might not have seen it connect.
  RogueServer server(kSessionBlockSize, [](UniqueFd fd, std::vector<uint8_t>) {
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  });
  auto client = StartClient({Group(1, absl::Milliseconds(5))});
  EXPECT_THAT(client->AwaitEstablished(kPatience),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("test #1, 127.0.0.1:")));
  const SessionReport report = client->Finish(kPatience);
  EXPECT_THAT(report.lost_by, ElementsAre(0, 1, 0, 0, 0, 0));
  EXPECT_THAT(report.ToJson(), HasSubstr("\"loss\":\"reset\""));
}

TEST_F(SessionLoadTest, AnOrderlyEndOfTheServerLosesTheSession) {
  RogueServer server(kSessionBlockSize,
                     [](UniqueFd fd, std::vector<uint8_t> bytes) {
                       Echo(fd.get(), bytes);
                       shutdown(fd.get(), SHUT_WR);
                       char rest[4096];
                       while (recv(fd.get(), rest, sizeof(rest), 0) > 0) {
                       }
                     });
  auto client = StartClient({Group(1, absl::Hours(1))});
  ASSERT_TRUE(Await([&] { return client->Now().lost == 1; }));
  const SessionReport report = client->Finish(kPatience);
  EXPECT_THAT(report.lost_by, ElementsAre(0, 0, 1, 0, 0, 0));
  EXPECT_EQ(report.bytes_verified, kSessionBlockSize);
}

TEST_F(SessionLoadTest, OneWrongBitLosesTheSession) {
  RogueServer server(3 * kSessionBlockSize,
                     [](UniqueFd fd, std::vector<uint8_t> bytes) {
                       bytes.back() ^= 1;
                       Echo(fd.get(), bytes);
                       char rest;
                       recv(fd.get(), &rest, 1, 0);
                     });
  auto client = StartClient({Group(1, absl::Milliseconds(5))});
  ASSERT_TRUE(Await([&] { return client->Now().lost == 1; }));
  EXPECT_THAT(client->Finish(kPatience).lost_by, ElementsAre(0, 0, 0, 0, 1, 0));
}

TEST_F(SessionLoadTest, AnEchoOfWhatWasNeverSentLosesTheSession) {
  RogueServer server(kSessionBlockSize,
                     [](UniqueFd fd, std::vector<uint8_t> bytes) {
                       // Twice the block: the client sends one an hour.
                       bytes.insert(bytes.end(), bytes.begin(), bytes.end());
                       Echo(fd.get(), bytes);
                       char rest;
                       recv(fd.get(), &rest, 1, 0);
                     });
  auto client = StartClient({Group(1, absl::Hours(1))});
  ASSERT_TRUE(Await([&] { return client->Now().lost == 1; }));
  EXPECT_THAT(client->Finish(kPatience).lost_by, ElementsAre(0, 0, 0, 0, 1, 0));
}

TEST_F(SessionLoadTest, ARefusedConnectionIsALostSession) {
  auto client = StartClient({Group(2, absl::Milliseconds(5))});
  ASSERT_TRUE(Await([&] { return client->Now().lost == 2; }));
  const SessionReport report = client->Finish(kPatience);
  EXPECT_THAT(report.lost_by, ElementsAre(2, 0, 0, 0, 0, 0));
  EXPECT_EQ(report.completed, 0);
}

// Goal    a silent server is a gap while it is silent, and a loss at the end.
// Method  it answers the first block and no more.
TEST_F(SessionLoadTest, SilenceIsAGapAndInTheEndALoss) {
  std::atomic<bool> over{false};
  RogueServer server(kSessionBlockSize,
                     [&](UniqueFd fd, std::vector<uint8_t> bytes) {
                       Echo(fd.get(), bytes);
                       while (!over) absl::SleepFor(absl::Milliseconds(5));
                     });
  auto client = StartClient({Group(1, absl::Milliseconds(5))}, 8);
  ASSERT_THAT(client->AwaitEstablished(kPatience), IsOk());
  client->BeginWindow("silence");
  ASSERT_TRUE(
      Await([&] { return client->Now().gap_now > absl::Milliseconds(200); }));
  EXPECT_EQ(client->Now().answered, 0);
  EXPECT_EQ(client->Now().alive, 1);
  client->BeginWindow("end");
  const SessionReport report = client->Finish(absl::Milliseconds(50));
  over = true;
  EXPECT_THAT(report.lost_by, ElementsAre(0, 0, 0, 0, 0, 1));
  EXPECT_EQ(report.blocks_sent, 1u + 8u);  // The bound.
  EXPECT_GT(report.blocks_held, 0u);
  ASSERT_THAT(report.windows, SizeIs(3));
  EXPECT_EQ(report.windows[0].blocks, 1u);
  EXPECT_GT(report.windows[1].longest_gap, absl::Milliseconds(200));
  EXPECT_EQ(report.windows[1].blocks, 0u);
  EXPECT_EQ(report.windows[1].lost, 0);
  EXPECT_EQ(report.windows[2].lost, 1);
}

TEST_F(SessionLoadTest, AGapCountsInTheWindowInWhichItEnds) {
  std::atomic<bool> go_on{false};
  RogueServer server(kSessionBlockSize,
                     [&](UniqueFd fd, std::vector<uint8_t> bytes) {
                       while (!go_on) absl::SleepFor(absl::Milliseconds(5));
                       Echo(fd.get(), bytes);
                       char rest;
                       recv(fd.get(), &rest, 1, 0);
                     });
  auto client = StartClient({Group(1, absl::Hours(1))});
  ASSERT_TRUE(
      Await([&] { return client->Now().gap_now > absl::Milliseconds(100); }));
  client->BeginWindow("answer");
  go_on = true;
  ASSERT_TRUE(Await([&] { return client->Now().answered == 1; }));
  EXPECT_EQ(client->Now().gap_now, absl::ZeroDuration());
  client->BeginWindow("quiet");
  const SessionReport report = client->Finish(kPatience);
  EXPECT_EQ(report.completed, 1);
  ASSERT_THAT(report.windows, SizeIs(3));
  EXPECT_GT(report.windows[1].longest_gap, absl::Milliseconds(100));
  EXPECT_THAT(report.windows[1].longest_session, HasSubstr("test #1"));
  EXPECT_EQ(report.windows[1].blocks, 1u);
  EXPECT_EQ(report.windows[2].longest_gap, absl::ZeroDuration());
}

TEST_F(SessionLoadTest, AGroupWithoutSessionsIsRefused) {
  EXPECT_THAT(SessionClient::Start({.groups = {Group(0, absl::Seconds(1))}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("test: 0 sessions")));
  EXPECT_THAT(
      SessionClient::Start({.groups = {Group(1, absl::Seconds(0))}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 ms or more")));
}

}  // namespace
}  // namespace ballast::testbed
