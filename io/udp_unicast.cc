#include "io/udp_unicast.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/socket_address.h"

namespace ballast {
namespace {

// The kernel doubles what it is given, for its own needs, and says so.
void SetBuffer(int fd, int force, int option, size_t bytes) {
  const int value = static_cast<int>(std::min<size_t>(bytes, 0x3fffffff));
  if (setsockopt(fd, SOL_SOCKET, force, &value, sizeof(value)) == 0) return;
  setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
}

size_t BufferOf(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof(value);
  if (getsockopt(fd, SOL_SOCKET, option, &value, &length) != 0) return 0;
  return static_cast<size_t>(value) / 2;
}

absl::StatusOr<UniqueFd> Bind(const Endpoint& local, int ifindex,
                              const std::string& interface) {
  UniqueFd fd(socket(local.address.is_v4() ? AF_INET : AF_INET6,
                     SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "UDP socket");
  if (setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                 static_cast<socklen_t>(interface.size())) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("bind to device ", interface));
  }
  SocketAddress self(local);
  self.set_scope(ifindex);
  if (bind(fd.get(), self.get(), self.length()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("bind to ", local.ToString(),
                                                   " (UDP) on ", interface));
  }
  return fd;
}

}  // namespace

absl::StatusOr<UdpUnicast> UdpUnicast::Open(const Options& options) {
  if (options.local.address.is_v4() != options.peer.address.is_v4()) {
    return absl::InvalidArgumentError(
        absl::StrCat("UDP from ", options.local.ToString(), " to ",
                     options.peer.ToString(), ": must be of one family"));
  }
  BALLAST_ASSIGN_OR_RETURN(const int ifindex,
                           InterfaceIndex(options.interface));
  BALLAST_ASSIGN_OR_RETURN(UniqueFd receiver,
                           Bind(options.local, ifindex, options.interface));
  BALLAST_ASSIGN_OR_RETURN(UniqueFd sender, Bind({options.local.address, 0},
                                                 ifindex, options.interface));
  BALLAST_RETURN_IF_ERROR(
      AskForHeaderFields(receiver.get(), !options.local.address.is_v4()));
  SetBuffer(receiver.get(), SO_RCVBUFFORCE, SO_RCVBUF,
            options.receive_buffer_bytes);
  SetBuffer(sender.get(), SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer_bytes);
  return UdpUnicast(std::move(receiver), std::move(sender), options.peer,
                    ifindex);
}

absl::Status UdpUnicast::Send(std::span<const uint8_t> payload) {
  return SendDatagram(sender_.get(), payload, peer_, ifindex_);
}

absl::StatusOr<ReceivedDatagram> UdpUnicast::Receive(
    std::span<uint8_t> buffer) {
  return ReceiveDatagram(receiver_.get(), buffer, /*skip_ip_header=*/false);
}

void UdpUnicast::Vacate() {
  // A bound port cannot be given up, but sockets of other devices may have it.
  constexpr char kLoopback[] = "lo";
  setsockopt(receiver_.get(), SOL_SOCKET, SO_BINDTODEVICE, kLoopback,
             sizeof(kLoopback) - 1);
}

size_t UdpUnicast::send_buffer_bytes() const {
  return BufferOf(sender_.get(), SO_SNDBUF);
}
size_t UdpUnicast::receive_buffer_bytes() const {
  return BufferOf(receiver_.get(), SO_RCVBUF);
}

}  // namespace ballast
