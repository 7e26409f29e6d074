#include "lb/run/probe_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "io/socket_address.h"

namespace ballast::run {
namespace {

template <typename T>
bool Set(const UniqueFd& fd, int level, int option, const T& value) {
  return setsockopt(fd.get(), level, option, &value, sizeof(value)) == 0;
}

UniqueFd Open(const Address& to, int type,
              const std::optional<Address>& source) {
  UniqueFd fd(socket(to.is_v4() ? AF_INET : AF_INET6,
                     type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid() || !source) return fd;
  // The port is chosen by connect(), which knows that another destination
  // may share it.
  Set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  const SocketAddress self(Endpoint{*source, 0});
  if (bind(fd.get(), self.get(), self.length()) != 0) return UniqueFd();
  return fd;
}

}  // namespace

UniqueFd OpenProbeStream(const Address& to,
                         const std::optional<Address>& source) {
  UniqueFd fd = Open(to, SOCK_STREAM, source);
  if (fd.valid() &&
      !Set(fd, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0})) {
    return UniqueFd();
  }
  return fd;
}

UniqueFd OpenProbeDatagram(const Address& to,
                           const std::optional<Address>& source) {
  return Open(to, SOCK_DGRAM, source);
}

}  // namespace ballast::run
