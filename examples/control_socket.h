// How ballastctl speaks to a running ballastd: a socket in the file system, one
// command and one answer per connection.
//
// Wire     SOCK_SEQPACKET; a command is one message of words. The answer is one
//          message or several, of at most kPieceMax bytes each: "ok" or
//          "error", a blank, how many bytes of text there are, a newline, and
//          the text.
// Who      whoever may open the socket: its owner only (mode 0600).
// Bounds   kConnectionsMax connections that have not asked yet or not read
//          their whole answer; the oldest makes room. A command above
//          kCommandMax and an answer above kAnswerMax are errors that say so:
//          nothing is cut.
// Threads  one at a time; never blocks.
#ifndef EXAMPLES_CONTROL_SOCKET_H_
#define EXAMPLES_CONTROL_SOCKET_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/unique_fd.h"

namespace ballast {

class ControlSocket {
 public:
  static constexpr size_t kConnectionsMax = 8;
  static constexpr size_t kCommandMax = size_t{8} << 10;
  // The status of some fifteen thousand servers as JSON.
  static constexpr size_t kAnswerMax = size_t{8} << 20;
  static constexpr size_t kPieceMax = size_t{64} << 10;

  // Takes the place of a socket nobody listens on any more.
  //   kAlreadyExists  another process listens there
  static absl::StatusOr<std::unique_ptr<ControlSocket>> Listen(
      const std::string& path);
  ~ControlSocket();

  // Readable when RunOnce() has something to do.
  int fd() const { return poll_.get(); }
  // `answer` is called with each command; its text or error is sent back.
  using Answer =
      absl::FunctionRef<absl::StatusOr<std::string>(absl::string_view)>;
  void RunOnce(Answer answer);

 private:
  ControlSocket(std::string path, UniqueFd poll, UniqueFd listener)
      : path_(std::move(path)),
        poll_(std::move(poll)),
        listener_(std::move(listener)) {}

  struct Connection {
    UniqueFd fd;
    std::string answer;  // Empty: has not asked yet.
    size_t sent = 0;
  };
  void Accept();
  // Reads its command, if there is one. False: it is done with.
  static bool Read(Connection& connection, Answer answer);
  // Sends what there is room for. False: all is sent, or it is gone.
  static bool Send(Connection& connection);

  const std::string path_;
  UniqueFd poll_;  // An epoll descriptor.
  UniqueFd listener_;
  std::deque<Connection> connections_;
};

// The other end: asks once, waits for the answer.
//   kNotFound          nobody listens there
//   kDeadlineExceeded  no answer within `patience`, or it stopped for that long
//   kUnavailable       it was closed before the whole answer came
//   kFailedPrecondition  with the answer's text: "error"
absl::StatusOr<std::string> AskControlSocket(const std::string& path,
                                             absl::string_view command,
                                             absl::Duration patience);

}  // namespace ballast

#endif  // EXAMPLES_CONTROL_SOCKET_H_
