#include "io/udp_multicast.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/socket_address.h"

// Linux 4.20; missing from Debian 12's netinet/in.h.
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

namespace ballast {

absl::StatusOr<UdpMulticast> UdpMulticast::Open(const Options& options) {
  const Address& group = options.group.address;
  if (!group.is_multicast()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "multicast group ", group.ToString(), ": must be a multicast address"));
  }
  if (options.receive && options.source) {
    return absl::InvalidArgumentError(
        absl::StrCat("multicast source ", options.source->ToString(),
                     ": must be none where datagrams are received"));
  }
  BALLAST_ASSIGN_OR_RETURN(const int ifindex,
                           InterfaceIndex(options.interface));
  const bool ipv6 = !group.is_v4();
  UniqueFd fd(socket(ipv6 ? AF_INET6 : AF_INET,
                     SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "UDP socket");
  BALLAST_RETURN_IF_ERROR(
      SetMulticast(fd.get(), ipv6, options.ttl, options.loop, ifindex));
  if (options.receive) {
    BALLAST_RETURN_IF_ERROR(AskForHeaderFields(fd.get(), ipv6));
    const int on = 1;
    const int off = 0;
    // Several processes may listen to one group.
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes,
               sizeof(options.receive_buffer_bytes));
    // Without this, what any process joined on any interface comes here too.
    if (setsockopt(fd.get(), ipv6 ? int{IPPROTO_IPV6} : int{IPPROTO_IP},
                   ipv6 ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL, &off,
                   sizeof(off)) != 0) {
      return absl::ErrnoToStatus(errno, "clear MULTICAST_ALL");
    }
    // Bound to the group: other datagrams to the port stay away. Linux sends
    // from the interface's own address all the same.
    SocketAddress self(options.group);
    self.set_scope(ifindex);
    if (bind(fd.get(), self.get(), self.length()) != 0) {
      return absl::ErrnoToStatus(errno, "bind to " + options.group.ToString());
    }
    BALLAST_RETURN_IF_ERROR(JoinGroup(fd.get(), group, ifindex));
  } else if (options.source) {
    SocketAddress self(Endpoint{*options.source, 0});
    self.set_scope(ifindex);
    if (bind(fd.get(), self.get(), self.length()) != 0) {
      return absl::ErrnoToStatus(errno,
                                 "bind to " + options.source->ToString());
    }
  }
  return UdpMulticast(std::move(fd), options.group, ifindex);
}

absl::Status UdpMulticast::Send(std::span<const uint8_t> payload) {
  return SendDatagram(fd_.get(), payload, group_, ifindex_);
}

absl::StatusOr<ReceivedDatagram> UdpMulticast::Receive(
    std::span<uint8_t> buffer) {
  return ReceiveDatagram(fd_.get(), buffer, /*skip_ip_header=*/false);
}

}  // namespace ballast
