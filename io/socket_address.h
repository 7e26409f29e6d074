// An Endpoint in the form the socket calls take, and back.
#ifndef IO_SOCKET_ADDRESS_H_
#define IO_SOCKET_ADDRESS_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <span>

#include "io/base/address.h"

namespace ballast {

// Large enough for IPv4 and IPv6. Family AF_INET for an IPv4 endpoint.
class SocketAddress {
 public:
  SocketAddress() { std::memset(&v6_, 0, sizeof(v6_)); }
  explicit SocketAddress(const Endpoint& endpoint) : SocketAddress() {
    const auto wire = endpoint.address.wire();
    if (endpoint.address.is_v4()) {
      v4_.sin_family = AF_INET;
      v4_.sin_port = htons(endpoint.port);
      std::memcpy(&v4_.sin_addr, wire.data(), wire.size());
      length_ = sizeof(v4_);
    } else {
      v6_.sin6_family = AF_INET6;
      v6_.sin6_port = htons(endpoint.port);
      std::memcpy(&v6_.sin6_addr, wire.data(), wire.size());
      length_ = sizeof(v6_);
    }
  }
  // What getsockname(fd), getpeername(fd) say; unspecified if they fail.
  static SocketAddress Local(int fd) { return Ask(fd, &getsockname); }
  static SocketAddress Peer(int fd) { return Ask(fd, &getpeername); }

  // The interface of a link-local IPv6 address or group; no effect on others.
  void set_scope(int ifindex) {
    const uint8_t* bytes = v6_.sin6_addr.s6_addr;
    const bool is_link_local = bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
    const bool is_link_group = bytes[0] == 0xff && (bytes[1] & 0x0f) == 2;
    if (family() == AF_INET6 && (is_link_local || is_link_group)) {
      v6_.sin6_scope_id = static_cast<uint32_t>(ifindex);
    }
  }

  int family() const { return v6_.sin6_family; }
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&v6_);
  }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&v6_); }
  socklen_t length() const { return length_; }
  // How much a call such as accept() may write to get().
  static constexpr socklen_t capacity() { return sizeof(sockaddr_in6); }

  // "[::]:0" for any other family.
  Endpoint endpoint() const {
    if (family() == AF_INET) {
      return {Address::V4(ntohl(v4_.sin_addr.s_addr)), ntohs(v4_.sin_port)};
    }
    if (family() != AF_INET6) return {};
    return {Address::FromBytes(std::span(v6_.sin6_addr.s6_addr, 16)),
            ntohs(v6_.sin6_port)};
  }

 private:
  template <typename Call>
  static SocketAddress Ask(int fd, Call call) {
    SocketAddress address;
    socklen_t length = capacity();
    if (call(fd, address.get(), &length) != 0) return SocketAddress();
    address.length_ = length;
    return address;
  }

  union {
    sockaddr_in v4_;
    sockaddr_in6 v6_;
  };
  socklen_t length_ = 0;
};

}  // namespace ballast

#endif  // IO_SOCKET_ADDRESS_H_
