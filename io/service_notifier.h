// Tells a service manager how this process is, by the datagrams of sd_notify(3)
// (systemd 252): "READY=1", "STATUS=...", "WATCHDOG=1", ...
//
// Errors   what the manager does not take at once is dropped and counted: a
//          service is not to wait for its manager, nor fail without one.
// Threads  one. FromEnvironment() while there is only one, as it changes the
//          environment.
#ifndef IO_SERVICE_NOTIFIER_H_
#define IO_SERVICE_NOTIFIER_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "io/unique_fd.h"

namespace ballast {

class ServiceNotifier {
 public:
  // The manager that NOTIFY_SOCKET names: a path, or an abstract name after
  // '@'. No such variable: one that tells nobody. It and the watchdog's are
  // removed, so that programs started from here do not speak for this one.
  //   kInvalidArgument  a socket that is neither, or whose name is too long;
  //                     WATCHDOG_USEC that is no number
  static absl::StatusOr<ServiceNotifier> FromEnvironment();

  bool enabled() const { return fd_.valid(); }
  // "WATCHDOG=1" is to come at least so often, or the manager kills this
  // process; zero: it does not watch.
  absl::Duration watchdog() const { return watchdog_; }

  // Assignments as sd_notify(3) has them, one a line.
  void Send(absl::string_view state);
  uint64_t dropped() const { return dropped_; }

  // "RELOADING=1", with when.
  static std::string Reloading(Instant now);
  // "STATUS=" `text`, on one line.
  static std::string Status(absl::string_view text);

 private:
  ServiceNotifier() = default;

  UniqueFd fd_;
  sockaddr_un to_{};
  socklen_t to_size_ = 0;
  absl::Duration watchdog_;
  uint64_t dropped_ = 0;
};

}  // namespace ballast

#endif  // IO_SERVICE_NOTIFIER_H_
