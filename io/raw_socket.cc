#include "io/raw_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/socket_address.h"

namespace ballast {

absl::StatusOr<RawSocket> RawSocket::Open(const Options& options) {
  return OpenType(options, SOCK_RAW, options.protocol);
}

absl::StatusOr<RawSocket> RawSocket::OpenPing(const Options& options) {
  return OpenType(
      options, SOCK_DGRAM,
      options.family == Family::kIpv6 ? int{IPPROTO_ICMPV6} : IPPROTO_ICMP);
}

absl::StatusOr<RawSocket> RawSocket::OpenType(const Options& options, int type,
                                              int protocol) {
  const bool ipv6 = options.family == Family::kIpv6;
  UniqueFd fd(socket(ipv6 ? AF_INET6 : AF_INET,
                     type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat(type == SOCK_RAW ? "raw" : "ping",
                            ipv6 ? " IPv6" : " IPv4", " socket for protocol ",
                            protocol));
  }
  int ifindex = 0;
  if (!options.interface.empty()) {
    BALLAST_ASSIGN_OR_RETURN(ifindex, InterfaceIndex(options.interface));
    if (setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE,
                   options.interface.c_str(),
                   static_cast<socklen_t>(options.interface.size())) != 0) {
      return absl::ErrnoToStatus(errno, "bind socket to " + options.interface);
    }
  }
  BALLAST_RETURN_IF_ERROR(AskForHeaderFields(fd.get(), ipv6));
  BALLAST_RETURN_IF_ERROR(
      SetMulticast(fd.get(), ipv6, options.ttl, options.loop, ifindex));
  const int yes = 1;
  if (options.broadcast &&
      setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes)) != 0) {
    return absl::ErrnoToStatus(errno, "set SO_BROADCAST");
  }
  if (options.source) {
    // A floating source is not this host's yet. Free binding alone would let
    // it bind, but IPv4 looks again when it sends.
    const int on = 1;
    if (setsockopt(fd.get(), ipv6 ? int{IPPROTO_IPV6} : int{IPPROTO_IP},
                   ipv6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on,
                   sizeof(on)) != 0) {
      return absl::ErrnoToStatus(errno, "set IP_TRANSPARENT");
    }
    SocketAddress self(Endpoint{*options.source, 0});
    self.set_scope(ifindex);
    if (bind(fd.get(), self.get(), self.length()) != 0) {
      return absl::ErrnoToStatus(
          errno, "bind socket to " + options.source->ToString());
    }
  }
  return RawSocket(std::move(fd), ifindex, type == SOCK_RAW && !ipv6);
}

absl::Status RawSocket::Join(const Address& group, int ifindex) {
  return JoinGroup(fd_.get(), group, ifindex);
}

absl::Status RawSocket::Send(std::span<const uint8_t> payload,
                             const Address& destination) {
  return SendDatagram(fd_.get(), payload, {destination, 0}, ifindex_);
}

absl::StatusOr<ReceivedDatagram> RawSocket::Receive(std::span<uint8_t> buffer) {
  return ReceiveDatagram(fd_.get(), buffer, has_ip_header_);
}

}  // namespace ballast
