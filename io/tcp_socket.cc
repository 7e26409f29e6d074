#include "io/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/socket_address.h"

namespace ballast {
namespace {

constexpr uint8_t kEcnBits = 0x03;

absl::Status Failed(const char* what, const Endpoint& endpoint) {
  const int error = errno;
  const std::string message =
      absl::StrCat(what, " ", endpoint.ToString(), ": ", std::strerror(error));
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return absl::UnavailableError(message);
    case EADDRINUSE:
      return absl::AlreadyExistsError(message);
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(message);
    default:
      return absl::FailedPreconditionError(message);
  }
}

bool SetInt(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

absl::StatusOr<UniqueFd> OpenSocket(const Endpoint& endpoint) {
  UniqueFd fd(socket(endpoint.address.is_v4() ? AF_INET : AF_INET6,
                     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Failed("socket for", endpoint);
  return fd;
}

bool IsV4(int fd) { return SocketAddress::Local(fd).family() == AF_INET; }

}  // namespace

absl::StatusOr<UniqueFd> ListenTcp(const Endpoint& at,
                                   const ListenOptions& options) {
  BALLAST_ASSIGN_OR_RETURN(UniqueFd fd, OpenSocket(at));
  const bool v4 = at.address.is_v4();
  const bool set =
      SetInt(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) &&
      (v4 || SetInt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
      (!options.shared || SetInt(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) &&
      (!options.foreign || SetInt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6,
                                  v4 ? IP_FREEBIND : IPV6_FREEBIND, 1));
  const SocketAddress address(at);
  if (!set || bind(fd.get(), address.get(), address.length()) != 0 ||
      listen(fd.get(), options.backlog) != 0) {
    return Failed("listening on", at);
  }
  return fd;
}

absl::StatusOr<UniqueFd> MakeTcpSocket(const Endpoint& to,
                                       const DialOptions& options) {
  BALLAST_ASSIGN_OR_RETURN(UniqueFd fd, OpenSocket(to));
  const bool v4 = to.address.is_v4();
  const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  if (options.transparent &&
      !SetInt(fd.get(), level, v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT, 1)) {
    return Failed("a foreign source address to", to);
  }
  if (options.source) {
    // A port is chosen when the destination is known: 64 thousand for each
    // destination, not in all. (The option is the same for both families.)
    const bool any_port = options.source->port == 0;
    const SocketAddress source(*options.source);
    if ((any_port &&
         !SetInt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)) ||
        (!any_port && !SetInt(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1)) ||
        bind(fd.get(), source.get(), source.length()) != 0) {
      return Failed("source address", *options.source);
    }
  }
  if (options.tos != 0) BALLAST_RETURN_IF_ERROR(SetTos(fd.get(), options.tos));
  SetNoDelay(fd.get());
  return fd;
}

void SetNoDelay(int fd) { SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1); }

void AcknowledgeNow(int fd) {
  // An even number: without leaving the state in which it may wait
  // (net/ipv4/tcp.c, __tcp_sock_set_quickack).
  SetInt(fd, IPPROTO_TCP, TCP_QUICKACK, 2);
}

void SetReceiveBuffer(int fd, int bytes) {
  SetInt(fd, SOL_SOCKET, SO_RCVBUF, bytes);
}

absl::Status SetTos(int fd, uint8_t tos) {
  const bool v4 = IsV4(fd);
  // IPv4's also sets the priority; IPv6's does not.
  const bool set = SetInt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
                          v4 ? IP_TOS : IPV6_TCLASS, tos & ~kEcnBits) &&
                   (v4 || SetInt(fd, SOL_SOCKET, SO_PRIORITY,
                                 (tos & IPTOS_LOWDELAY) != 0 ? 6 : 0));
  if (set) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("ToS ", tos, ": ", std::strerror(errno)));
}

absl::Status RememberTos(int fd, bool wanted) {
  const bool v4 = IsV4(fd);
  if (SetInt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
             v4 ? IP_RECVTOS : IPV6_RECVTCLASS, wanted)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("peer's ToS: ", std::strerror(errno)));
}

std::optional<uint8_t> ReceivedTos(int fd) {
  const bool v4 = IsV4(fd);
  alignas(cmsghdr) uint8_t control[256];
  socklen_t length = sizeof(control);
  if (getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
                 v4 ? IP_PKTOPTIONS : IPV6_2292PKTOPTIONS, control,
                 &length) != 0) {
    return std::nullopt;
  }
  msghdr message{};
  message.msg_control = control;
  message.msg_controllen = length;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (v4 && header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TOS) {
      return *CMSG_DATA(header) & ~kEcnBits;
    }
    if (!v4 && header->cmsg_level == IPPROTO_IPV6 &&
        header->cmsg_type == IPV6_TCLASS) {
      int value = 0;
      std::memcpy(&value, CMSG_DATA(header), sizeof(value));
      return static_cast<uint8_t>(value) & ~kEcnBits;
    }
  }
  return std::nullopt;
}

}  // namespace ballast
