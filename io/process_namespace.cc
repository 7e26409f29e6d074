#include "io/process_namespace.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

absl::Status WriteFile(const std::string& path, absl::string_view text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "open " + path);
  const ssize_t n = write(fd.get(), text.data(), text.size());
  if (n == static_cast<ssize_t>(text.size())) return absl::OkStatus();
  return absl::ErrnoToStatus(n < 0 ? errno : EIO,
                             absl::StrCat("write '", text, "' to ", path));
}

absl::Status RaiseLoopback() {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "socket for loopback");
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) {
    return absl::ErrnoToStatus(errno, "set lo up");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenCurrent() {
  // The thread's own: /proc/self would be that of the first thread.
  UniqueFd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(errno, "open /proc/thread-self/ns/net");
  }
  return fd;
}

}  // namespace

absl::Status EnterPrivateNetwork() {
  if (unshare(CLONE_NEWNET) == 0) return RaiseLoopback();
  if (errno != EPERM) return absl::ErrnoToStatus(errno, "unshare network");
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    return absl::ErrnoToStatus(
        errno, "unshare user and network (are user namespaces allowed here?)");
  }
  BALLAST_RETURN_IF_ERROR(WriteFile("/proc/self/setgroups", "deny"));
  BALLAST_RETURN_IF_ERROR(
      WriteFile("/proc/self/uid_map", absl::StrCat("0 ", uid, " 1")));
  BALLAST_RETURN_IF_ERROR(
      WriteFile("/proc/self/gid_map", absl::StrCat("0 ", gid, " 1")));
  return RaiseLoopback();
}

absl::StatusOr<NetNamespace> NetNamespace::Create() {
  absl::StatusOr<UniqueFd> fd = absl::UnknownError("thread did not run");
  std::thread([&fd] {
    if (unshare(CLONE_NEWNET) != 0) {
      fd = absl::ErrnoToStatus(errno, "unshare network");
      return;
    }
    if (const absl::Status up = RaiseLoopback(); !up.ok()) {
      fd = up;
      return;
    }
    fd = OpenCurrent();
  }).join();
  if (!fd.ok()) return fd.status();
  return NetNamespace(*std::move(fd));
}

absl::StatusOr<NetNamespace> NetNamespace::Current() {
  BALLAST_ASSIGN_OR_RETURN(UniqueFd fd, OpenCurrent());
  return NetNamespace(std::move(fd));
}

absl::Status NetNamespace::Run(absl::FunctionRef<absl::Status()> body) const {
  absl::Status status;
  std::thread([&] {
    status = setns(fd_.get(), CLONE_NEWNET) == 0
                 ? body()
                 : absl::ErrnoToStatus(errno, "setns network");
  }).join();
  return status;
}

}  // namespace ballast
