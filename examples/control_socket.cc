#include "examples/control_socket.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

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
        absl::StrCat("control socket ", path, ": nobody listens"));
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

void ControlSocket::RunOnce(Answer answer) {
  for (size_t i = 0; i < kConnectionsMax; ++i) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) break;
    if (connections_.size() == kConnectionsMax) connections_.pop_front();
    epoll_event event{};
    event.events = EPOLLIN;
    epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd.get(), &event);
    connections_.push_back(std::move(fd));
  }
  for (size_t i = 0; i < connections_.size();) {
    char command[kCommandMax];
    const ssize_t size = recv(connections_[i].get(), command, sizeof(command),
                              MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      ++i;
      continue;
    }
    if (size > 0) {
      absl::StatusOr<std::string> said =
          static_cast<size_t>(size) > sizeof(command)
              ? absl::InvalidArgumentError(absl::StrCat(
                    "command of ", size, " bytes, must be at most ",
                    size_t{kCommandMax}))
              : answer(absl::string_view(command, static_cast<size_t>(size)));
      std::string text = said.ok()
                             ? absl::StrCat("ok\n", *said)
                             : absl::StrCat("error\n", said.status().message());
      text.resize(std::min(text.size(), size_t{kAnswerMax}));
      (void)!send(connections_[i].get(), text.data(), text.size(),
                  MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    connections_.erase(connections_.begin() + static_cast<ptrdiff_t>(i));
  }
}

absl::StatusOr<std::string> AskControlSocket(const std::string& path,
                                             absl::string_view command,
                                             absl::Duration patience) {
  BALLAST_ASSIGN_OR_RETURN(const UniqueFd fd, Connect(path));
  if (send(fd.get(), command.data(), command.size(), MSG_NOSIGNAL) < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("control socket ", path));
  }
  pollfd poller{fd.get(), POLLIN, 0};
  if (poll(&poller, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) <
      1) {
    return absl::DeadlineExceededError(
        absl::StrCat("control socket ", path, ": no answer within ",
                     absl::FormatDuration(patience)));
  }
  std::vector<char> buffer(ControlSocket::kAnswerMax);
  const ssize_t size = recv(fd.get(), buffer.data(), buffer.size(), 0);
  if (size <= 0) {
    return absl::UnavailableError(
        absl::StrCat("control socket ", path, ": closed without an answer"));
  }
  absl::string_view text(buffer.data(), static_cast<size_t>(size));
  if (absl::ConsumePrefix(&text, "ok\n")) return std::string(text);
  absl::ConsumePrefix(&text, "error\n");
  return absl::FailedPreconditionError(text);
}

}  // namespace ballast
