#include "io/frame_sender.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/datagram.h"

namespace ballast {

absl::StatusOr<FrameSender> FrameSender::Open(absl::string_view interface) {
  BALLAST_ASSIGN_OR_RETURN(const int ifindex, InterfaceIndex(interface));
  // Protocol 0: it receives nothing.
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "packet socket");
  sockaddr_ll self{};
  self.sll_family = AF_PACKET;
  self.sll_ifindex = ifindex;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&self), sizeof(self)) !=
      0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("packet socket: bind to ", interface));
  }
  return FrameSender(std::move(fd));
}

absl::Status FrameSender::Send(std::span<const uint8_t> frame) {
  const ssize_t sent = send(fd_.get(), frame.data(), frame.size(), 0);
  if (sent == static_cast<ssize_t>(frame.size())) return absl::OkStatus();
  if (sent == -1 &&
      (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) {
    return absl::UnavailableError("packet socket: the queue is full");
  }
  return absl::ErrnoToStatus(sent == -1 ? errno : EMSGSIZE,
                             "packet socket: send");
}

}  // namespace ballast
