// One netlink socket for requests: sends a message and waits for the kernel's
// answer, which it has ready when the send returns. Used by Netlink (routes
// and links) and MacGuard (packet filter).
//
// Errors   what was asked, then the kernel's errno text and, where it sends
//          one, its own explanation. ENOENT, ESRCH, ENODEV and EADDRNOTAVAIL
//          are kNotFound, EEXIST is kAlreadyExists, EPERM is kPermissionDenied.
// Threads  one at a time. Works in the network namespace it was opened in.
#ifndef IO_NETLINK_SOCKET_H_
#define IO_NETLINK_SOCKET_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/netlink_wire.h"
#include "io/unique_fd.h"

namespace ballast {

class NetlinkSocket {
 public:
  // `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER.
  static absl::StatusOr<NetlinkSocket> Open(int protocol);

  // One request, acknowledged. `what` opens the error message: "add route".
  absl::Status Request(NetlinkBuilder request, absl::string_view what);
  // One request answered by one or many messages (a dump), given to `visit`.
  // kAborted: the kernel's list changed while it was read; ask again.
  absl::Status Query(NetlinkBuilder request, absl::string_view what,
                     absl::FunctionRef<void(const NetlinkMessage&)> visit);
  // A finished batch, whose last message carries `last_sequence` and NLM_F_ACK;
  // any message's refusal is the batch's.
  absl::Status Batch(std::span<const uint8_t> batch, uint32_t last_sequence,
                     absl::string_view what);

 private:
  explicit NetlinkSocket(UniqueFd fd);
  absl::Status Exchange(std::span<const uint8_t> bytes, uint32_t sequence,
                        bool dump, absl::string_view what,
                        absl::FunctionRef<void(const NetlinkMessage&)> visit);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
  std::vector<uint8_t> buffer_;
};

// The error of an errno value: what was asked, and the system's words for it.
absl::Status NetlinkError(int error, absl::string_view what,
                          absl::string_view explanation);

}  // namespace ballast

#endif  // IO_NETLINK_SOCKET_H_
