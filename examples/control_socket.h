// How ballastctl speaks to a running ballastd: a socket in the file system, one
// command and one answer per connection.
//
// Wire     SOCK_SEQPACKET; a command is one message of words, the answer one
//          message: "ok" or "error", a newline, text.
// Who      whoever may open the socket: its owner only (mode 0600).
// Bounds   kConnectionsMax connections that have not asked yet; the oldest
//          makes room.
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
  static constexpr size_t kCommandMax = 1024;
  static constexpr size_t kAnswerMax = 128 * 1024;  // Longer ones are cut.

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

  const std::string path_;
  UniqueFd poll_;  // An epoll descriptor.
  UniqueFd listener_;
  std::deque<UniqueFd> connections_;
};

// The other end: asks once, waits for the answer.
//   kNotFound          nobody listens there
//   kDeadlineExceeded  no answer within `patience`
//   kFailedPrecondition  with the answer's text: "error"
absl::StatusOr<std::string> AskControlSocket(const std::string& path,
                                             absl::string_view command,
                                             absl::Duration patience);

}  // namespace ballast

#endif  // EXAMPLES_CONTROL_SOCKET_H_
