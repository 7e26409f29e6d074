// Network namespaces: one for the whole process (examples and tests that run
// unprivileged), and further ones to put links, sockets and threads into.
//
// Errors   kPermissionDenied or kUnavailable where the system forbids
//          namespaces, with what was asked; callers print it as one line.
// Threads  see each call. A socket belongs for life to the namespace of the
//          thread that made it.
// Source   user_namespaces(7), network_namespaces(7), setns(2).
#ifndef IO_PROCESS_NAMESPACE_H_
#define IO_PROCESS_NAMESPACE_H_

#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/unique_fd.h"

namespace ballast {

// Moves the process into a fresh network namespace with loopback up. With
// CAP_SYS_ADMIN only the network is new; otherwise a user namespace in which
// the process is root is made first, for which it must be single-threaded.
absl::Status EnterPrivateNetwork();

// An own network namespace; it lives while this, a link's or a socket's
// reference lives.
class NetNamespace {
 public:
  // Fresh, loopback up. Needs CAP_SYS_ADMIN (EnterPrivateNetwork() gives it).
  static absl::StatusOr<NetNamespace> Create();
  // The calling thread's.
  static absl::StatusOr<NetNamespace> Current();

  // For Netlink::MoveLink and setns().
  int fd() const { return fd_.get(); }

  // Runs `body` on a helper thread inside the namespace and waits for it. What
  // `body` starts (threads, processes) and every socket it opens belongs there.
  absl::Status Run(absl::FunctionRef<absl::Status()> body) const;

 private:
  explicit NetNamespace(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace ballast

#endif  // IO_PROCESS_NAMESPACE_H_
