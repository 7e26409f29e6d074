// TCP sockets of a proxy: listeners on addresses that may not be the host's
// (yet), and connections from an address of choice, a client's own among them.
//
// Transparent   needs CAP_NET_ADMIN; what comes back to an address that is not
//               the host's must be routed to this host.
// Tos           the octet of IP headers without its two ECN bits; where there
//               are queues by priority, minimize-delay goes first.
// Errors        name the address and what the kernel says of it.
// Threads       none of their own.
// Source        ip(7), ipv6(7), tcp(7).
#ifndef IO_TCP_SOCKET_H_
#define IO_TCP_SOCKET_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/base/address.h"
#include "io/unique_fd.h"

namespace ballast {

struct ListenOptions {
  // The address need not be the host's when the listener is made.
  bool foreign = false;
  // Several listeners, one for each thread, share what arrives.
  bool shared = false;
  int backlog = 4096;
};
// Non-blocking. An IPv6 listener takes no IPv4.
absl::StatusOr<UniqueFd> ListenTcp(const Endpoint& at,
                                   const ListenOptions& options = {});

struct DialOptions {
  // From here; port 0: any. Unset: the kernel chooses.
  std::optional<Endpoint> source{};
  // `source` is somebody else's address.
  bool transparent = false;
  uint8_t tos = 0;
};
// A non-blocking socket to be connected to `to`.
//   kUnavailable  no more ports or descriptors
absl::StatusOr<UniqueFd> MakeTcpSocket(const Endpoint& to,
                                       const DialOptions& options = {});

// Small writes leave at once.
void SetNoDelay(int fd);
// What was received and waits for an answer to be acknowledged with is
// acknowledged now; nothing else changes.
void AcknowledgeNow(int fd);
// What the kernel takes from the peer ahead of the reader, about.
void SetReceiveBuffer(int fd, int bytes);
absl::Status SetTos(int fd, uint8_t tos);
// Has the kernel remember what ReceivedTos() tells; on a listener, for what it
// accepts.
absl::Status RememberTos(int fd, bool wanted = true);
// Of an accepted connection's first packet; with IPv6 of its last.
std::optional<uint8_t> ReceivedTos(int fd);

}  // namespace ballast

#endif  // IO_TCP_SOCKET_H_
