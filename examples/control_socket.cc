#include "examples/control_socket.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

absl::StatusOr<sockaddr_un> ToAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "control socket '", path, "': ", path.size(),
        " characters, must be 1 to ", sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::StatusOr<UniqueFd> Connect(const std::string& path) {
  BALLAST_ASSIGN_OR_RETURN(const sockaddr_un address, ToAddress(path));
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid() ||
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    return absl::ErrnoToStatus(
        errno == ECONNREFUSED ? ENOENT : errno,
        absl::StrCat("control socket ", path,
                     errno == ECONNREFUSED || errno == ENOENT
                         ? ": nobody listens"
                         : ": cannot connect"));
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlSocket>> ControlSocket::Listen(
    const std::string& path) {
  BALLAST_ASSIGN_OR_RETURN(const sockaddr_un address, ToAddress(path));
  if (Connect(path).ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat("control socket ", path, ": another process listens"));
  }
  unlink(path.c_str());
  UniqueFd listener(
      socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  UniqueFd poll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener.get();
  // Before anybody can connect: nobody else may.
  const bool made =
      listener.valid() && poll.valid() && fchmod(listener.get(), 0600) == 0 &&
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) == 0 &&
      chmod(path.c_str(), 0600) == 0 &&
      listen(listener.get(), kConnectionsMax) == 0 &&
      epoll_ctl(poll.get(), EPOLL_CTL_ADD, listener.get(), &event) == 0;
  if (!made) {
    return absl::ErrnoToStatus(errno, absl::StrCat("control socket ", path));
  }
  return std::unique_ptr<ControlSocket>(
      new ControlSocket(path, std::move(poll), std::move(listener)));
}

ControlSocket::~ControlSocket() { unlink(path_.c_str()); }

void ControlSocket::Accept() {
  for (size_t i = 0; i < kConnectionsMax; ++i) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    if (connections_.size() == kConnectionsMax) connections_.pop_front();
    epoll_event event{};
    event.events = EPOLLIN;
    epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd.get(), &event);
    connections_.push_back({.fd = std::move(fd)});
  }
}

bool ControlSocket::Read(Connection& connection, Answer answer) {
  char command[kCommandMax];
  const ssize_t size = recv(connection.fd.get(), command, sizeof(command),
                            MSG_DONTWAIT | MSG_TRUNC);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  absl::StatusOr<std::string> said =
      static_cast<size_t>(size) > sizeof(command)
          ? absl::InvalidArgumentError(absl::StrCat("command of ", size,
                                                    " bytes, must be at most ",
                                                    size_t{kCommandMax}))
          : answer(absl::string_view(command, static_cast<size_t>(size)));
  if (said.ok() && said->size() > kAnswerMax) {
    said = absl::ResourceExhaustedError(absl::StrCat("answer of ", said->size(),
                                                     " bytes, must be at most ",
                                                     size_t{kAnswerMax}));
  }
  const absl::string_view text =
      said.ok() ? absl::string_view(*said)
                : said.status().message().substr(0, kAnswerMax);
  connection.answer =
      absl::StrCat(said.ok() ? "ok " : "error ", text.size(), "\n", text);
  return true;
}

bool ControlSocket::Send(Connection& connection) {
  while (connection.sent < connection.answer.size()) {
    const absl::string_view piece =
        absl::string_view(connection.answer).substr(connection.sent, kPieceMax);
    const ssize_t size = send(connection.fd.get(), piece.data(), piece.size(),
                              MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN;
    connection.sent += static_cast<size_t>(size);
  }
  return false;
}

void ControlSocket::RunOnce(Answer answer) {
  Accept();
  for (size_t i = 0; i < connections_.size();) {
    Connection& connection = connections_[i];
    const bool asked = !connection.answer.empty();
    bool stays = asked || Read(connection, answer);
    if (stays && !connection.answer.empty()) {
      stays = Send(connection);
      if (stays && !asked) {  // There is room again: Send() goes on.
        epoll_event event{};
        event.events = EPOLLOUT;
        epoll_ctl(poll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event);
      }
    }
    if (stays) {
      ++i;
    } else {
      connections_.erase(connections_.begin() + static_cast<ptrdiff_t>(i));
    }
  }
}

absl::StatusOr<std::string> AskControlSocket(const std::string& path,
                                             absl::string_view command,
                                             absl::Duration patience) {
  BALLAST_ASSIGN_OR_RETURN(const UniqueFd fd, Connect(path));
  if (send(fd.get(), command.data(), command.size(), MSG_NOSIGNAL) < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("control socket ", path));
  }
  std::string text;   // What came, after the first line.
  bool good = false;  // It said "ok".
  size_t length = 0;  // Of all of the text; set with `begun`.
  bool begun = false;
  std::vector<char> piece(ControlSocket::kPieceMax);
  while (!begun || text.size() < length) {
    pollfd poller{fd.get(), POLLIN, 0};
    const int ready =
        poll(&poller, 1, static_cast<int>(absl::ToInt64Milliseconds(patience)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 1) {
      return absl::DeadlineExceededError(
          absl::StrCat("control socket ", path, ": no answer within ",
                       absl::FormatDuration(patience)));
    }
    const ssize_t size = recv(fd.get(), piece.data(), piece.size(), 0);
    if (size <= 0) {
      return absl::UnavailableError(
          absl::StrCat("control socket ", path, ": closed ",
                       begun ? "within its answer" : "without an answer"));
    }
    absl::string_view came(piece.data(), static_cast<size_t>(size));
    if (!begun) {
      good = absl::ConsumePrefix(&came, "ok ");
      if ((!good && !absl::ConsumePrefix(&came, "error ")) ||
          !absl::SimpleAtoi(came.substr(0, came.find('\n')), &length) ||
          length > ControlSocket::kAnswerMax) {
        return absl::UnavailableError(
            absl::StrCat("control socket ", path, ": no ballastd's answer"));
      }
      came.remove_prefix(came.find('\n') + 1);
      begun = true;
    }
    absl::StrAppend(&text, came);
  }
  if (good) return text;
  return absl::FailedPreconditionError(text);
}

}  // namespace ballast
