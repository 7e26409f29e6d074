#include "io/service_notifier.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace ballast {
namespace {

// Empty: there is none. It is removed.
std::string TakeVariable(const char* name) {
  const char* found = getenv(name);
  std::string value = found == nullptr ? "" : found;
  unsetenv(name);
  return value;
}

}  // namespace

absl::StatusOr<ServiceNotifier> ServiceNotifier::FromEnvironment() {
  const std::string path = TakeVariable("NOTIFY_SOCKET");
  const std::string period = TakeVariable("WATCHDOG_USEC");
  const std::string watched = TakeVariable("WATCHDOG_PID");
  ServiceNotifier notifier;
  if (path.empty()) return notifier;
  if ((path[0] != '/' && path[0] != '@') || path.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "NOTIFY_SOCKET=", path, ": must begin with / or @ (abstract)"));
  }
  if (path.size() >= sizeof(notifier.to_.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("NOTIFY_SOCKET: ", path.size(), " bytes, at most ",
                     sizeof(notifier.to_.sun_path) - 1));
  }
  // The variable of a process that started this one is not meant for it.
  if (!period.empty() &&
      (watched.empty() || watched == absl::StrCat(getpid()))) {
    int64_t usec = 0;
    if (!absl::SimpleAtoi(period, &usec) || usec <= 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "WATCHDOG_USEC=", period, ": must be a number of microseconds"));
    }
    notifier.watchdog_ = absl::Microseconds(usec);
  }
  notifier.to_.sun_family = AF_UNIX;
  std::memcpy(notifier.to_.sun_path, path.data(), path.size());
  if (path[0] == '@') notifier.to_.sun_path[0] = '\0';
  // (unix(7): an abstract name is as long as the address says; a path ends in
  // a null byte.)
  notifier.to_size_ = static_cast<socklen_t>(
      offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '/' ? 1 : 0));
  notifier.fd_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!notifier.fd_.valid()) {
    return absl::ErrnoToStatus(errno, "a socket for NOTIFY_SOCKET");
  }
  return notifier;
}

void ServiceNotifier::Send(absl::string_view state) {
  if (!enabled()) return;
  const ssize_t sent =
      sendto(fd_.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
             reinterpret_cast<const sockaddr*>(&to_), to_size_);
  if (sent != static_cast<ssize_t>(state.size())) ++dropped_;
}

std::string ServiceNotifier::Reloading(Instant now) {
  return absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", now.nanos() / 1000);
}

std::string ServiceNotifier::Status(absl::string_view text) {
  std::string line = absl::StrCat("STATUS=", text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

}  // namespace ballast
