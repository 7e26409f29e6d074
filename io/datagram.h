// What raw and UDP sockets share: group membership, and receiving a datagram
// with what its IP header said.
//
// Source  ip(7), ipv6(7), raw(7), RFC 3542.
#ifndef IO_DATAGRAM_H_
#define IO_DATAGRAM_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"

namespace ballast {

struct ReceivedDatagram {
  Endpoint source;      // Port 0 on raw sockets.
  Address destination;  // As the sender wrote it: a group, or one of ours.
  int ifindex = 0;      // Where it came in; 0 if the kernel did not say.
  uint8_t ttl = 0;      // Or hop limit.
  std::span<const uint8_t> payload;  // Into the caller's buffer.
};

// Has the kernel tell destination, interface and TTL of what is received.
absl::Status AskForHeaderFields(int fd, bool ipv6);

// Never blocks: kUnavailable when nothing is there. `skip_ip_header`: the
// payload begins with an IPv4 header, as on raw sockets; one that is broken
// is kDataLoss.
absl::StatusOr<ReceivedDatagram> ReceiveDatagram(int fd,
                                                 std::span<uint8_t> buffer,
                                                 bool skip_ip_header);
// Never blocks: kUnavailable when the socket's buffer is full.
absl::Status SendDatagram(int fd, std::span<const uint8_t> payload,
                          const Endpoint& destination, int ifindex);

// kAlreadyExists, kNotFound: this socket is, or is not, a member already.
absl::Status JoinGroup(int fd, const Address& group, int ifindex);
absl::Status LeaveGroup(int fd, const Address& group, int ifindex);

// TTL or hop limit of unicast and multicast, whether the host hears its own
// multicast, and the interface multicast goes out of (0: the route's).
absl::Status SetMulticast(int fd, bool ipv6, uint8_t ttl, bool loop,
                          int ifindex);

// kNotFound, naming it.
absl::StatusOr<int> InterfaceIndex(absl::string_view name);

}  // namespace ballast

#endif  // IO_DATAGRAM_H_
