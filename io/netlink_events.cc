#include "io/netlink_events.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <span>
#include <utility>

#include "absl/status/status.h"

namespace ballast {

absl::StatusOr<NetlinkEvents> NetlinkEvents::Open(const Options& options) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                     NETLINK_ROUTE));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "netlink event socket");
  // Losing events only costs a new dump, so being refused more room is fine.
  const int room = 1 << 20;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  self.nl_groups = RTMGRP_LINK;
  if (options.addresses) {
    self.nl_groups |= RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  }
  if (options.routes) self.nl_groups |= RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (options.neighbours) self.nl_groups |= RTMGRP_NEIGH;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&self), sizeof(self)) !=
      0) {
    return absl::ErrnoToStatus(errno, "subscribe to netlink events");
  }
  return NetlinkEvents(std::move(fd));
}

absl::StatusOr<NetlinkEvents::Outcome> NetlinkEvents::Read(
    absl::FunctionRef<void(const NetlinkEvent&)> visit) {
  bool lost = false;
  for (int i = 0; i < kReadsMax; ++i) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof(sender);
    const ssize_t n =
        recvfrom(fd_.get(), buffer_.data(), buffer_.size(), 0,
                 reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == ENOBUFS) {  // Told once; what follows is readable again.
        lost = true;
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return lost ? Outcome::kLost : Outcome::kDrained;
      }
      return absl::ErrnoToStatus(errno, "read netlink events");
    }
    if (sender.nl_pid != 0) continue;  // Not the kernel's.
    std::span<const uint8_t> rest(buffer_.data(), static_cast<size_t>(n));
    while (const auto message = NextNetlinkMessage(rest)) {
      if (const auto event = DecodeNetlinkEvent(*message)) visit(*event);
    }
  }
  return lost ? Outcome::kLost : Outcome::kMore;
}

}  // namespace ballast
