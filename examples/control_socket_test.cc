#include "examples/control_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "io/base/status_matchers.h"

namespace ballast {
namespace {

class ControlSocketTest : public ::testing::Test {
 protected:
  // The folder's own name is longer than a socket's may be.
  ControlSocketTest() { EXPECT_EQ(chdir(::testing::TempDir().c_str()), 0); }
  const std::string path_ = "control";

  // Asks while the server serves.
  absl::StatusOr<std::string> Ask(ControlSocket& server,
                                  const std::string& command) {
    absl::StatusOr<std::string> said = absl::UnknownError("");
    std::atomic<bool> done{false};
    std::thread client([&] {
      said = AskControlSocket(path_, command, absl::Seconds(10));
      done = true;
    });
    while (!done) {
      pollfd poller{server.fd(), POLLIN, 0};
      poll(&poller, 1, 20);
      server.RunOnce(
          [](absl::string_view asked) -> absl::StatusOr<std::string> {
            if (asked == "fail") return absl::NotFoundError("no such thing");
            if (asked.substr(0, 5) == "long ") {
              return std::string(std::stoul(std::string(asked.substr(5))), 'a');
            }
            return "you said " + std::string(asked);
          });
    }
    client.join();
    return said;
  }
};

TEST_F(ControlSocketTest, ACommandIsAnswered) {
  auto server = ControlSocket::Listen(path_);
  ASSERT_THAT(server, IsOk());
  EXPECT_EQ(*Ask(**server, "status"), "you said status");
  EXPECT_THAT(Ask(**server, "fail"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no such thing"));
  EXPECT_THAT(Ask(**server, std::string(10000, 'x')),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       ::testing::HasSubstr("10000 bytes")));
  EXPECT_EQ(*Ask(**server, "again"), "you said again");
}

// More than a socket's buffer has room for.
TEST_F(ControlSocketTest, ALongAnswerComesWholeOrIsAnError) {
  auto server = ControlSocket::Listen(path_);
  ASSERT_THAT(server, IsOk());
  for (const size_t size : {size_t{0}, ControlSocket::kPieceMax,
                            size_t{ControlSocket::kAnswerMax}}) {
    const auto said = Ask(**server, "long " + std::to_string(size));
    ASSERT_THAT(said, IsOk());
    EXPECT_EQ(*said, std::string(size, 'a'));
  }
  EXPECT_THAT(
      Ask(**server, "long " + std::to_string(ControlSocket::kAnswerMax + 1)),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               ::testing::HasSubstr("must be at most 8388608")));
}

TEST_F(ControlSocketTest, AnAnswerThatStopsHalfwayIsNoAnswer) {
  auto server = ControlSocket::Listen(path_);
  ASSERT_THAT(server, IsOk());
  absl::StatusOr<std::string> said = std::string();
  std::thread client(
      [&] { said = AskControlSocket(path_, "x", absl::Seconds(10)); });
  bool answered = false;
  while (!answered) {
    pollfd poller{(*server)->fd(), POLLIN, 0};
    poll(&poller, 1, 20);
    (*server)->RunOnce([&](absl::string_view) {
      answered = true;
      return std::string(ControlSocket::kAnswerMax, 'a');
    });
  }
  server->reset();
  client.join();
  EXPECT_THAT(said, StatusIs(absl::StatusCode::kUnavailable,
                             ::testing::HasSubstr("within its answer")));
}

TEST_F(ControlSocketTest, OnlyTheOwnerMayConnect) {
  auto server = ControlSocket::Listen(path_);
  ASSERT_THAT(server, IsOk());
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(ControlSocketTest, ASilentConnectionMakesRoomForTheNext) {
  auto server = ControlSocket::Listen(path_);
  ASSERT_THAT(server, IsOk());
  for (size_t i = 0; i < 2 * ControlSocket::kConnectionsMax; ++i) {
    // Gives up, having asked nothing that was read.
    EXPECT_FALSE(AskControlSocket(path_, "x", absl::ZeroDuration()).ok());
    (*server)->RunOnce([](absl::string_view) { return std::string(); });
  }
  EXPECT_EQ(*Ask(**server, "still"), "you said still");
}

TEST_F(ControlSocketTest, AnotherProcessIsNotDisplacedButADeadOneIs) {
  auto server = ControlSocket::Listen(path_);
  ASSERT_THAT(server, IsOk());
  EXPECT_THAT(
      ControlSocket::Listen(path_),
      StatusIs(absl::StatusCode::kAlreadyExists, ::testing::HasSubstr(path_)));
  server->reset();
  EXPECT_THAT(AskControlSocket(path_, "x", absl::Seconds(1)),
              StatusIs(absl::StatusCode::kNotFound,
                       ::testing::HasSubstr("nobody listens")));
  EXPECT_THAT(ControlSocket::Listen(path_), IsOk());
}

}  // namespace
}  // namespace ballast
