#include "io/datagram.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/socket_address.h"

namespace ballast {
namespace {

absl::Status SetInt(int fd, int level, int option, int value,
                    absl::string_view name) {
  if (setsockopt(fd, level, option, &value, sizeof(value)) == 0) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("set ", name));
}

template <typename T>
T ControlValue(const cmsghdr* control) {
  T value{};
  if (control->cmsg_len >= CMSG_LEN(sizeof(T))) {
    std::memcpy(&value, CMSG_DATA(control), sizeof(T));
  }
  return value;
}

void ReadControl(msghdr& message, ReceivedDatagram& datagram) {
  for (const cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr;
       c = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(c))) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      const auto info = ControlValue<in_pktinfo>(c);
      datagram.destination = Address::V4(ntohl(info.ipi_addr.s_addr));
      datagram.ifindex = info.ipi_ifindex;
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
      datagram.ttl = static_cast<uint8_t>(ControlValue<int>(c));
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      const auto info = ControlValue<in6_pktinfo>(c);
      datagram.destination = Address::FromBytes(info.ipi6_addr.s6_addr);
      datagram.ifindex = static_cast<int>(info.ipi6_ifindex);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) {
      datagram.ttl = static_cast<uint8_t>(ControlValue<int>(c));
    }
  }
}

group_req GroupRequest(const Address& group, int ifindex) {
  group_req request{};
  request.gr_interface = static_cast<uint32_t>(ifindex);
  SocketAddress address({group, 0});
  address.set_scope(ifindex);
  std::memcpy(&request.gr_group, address.get(), address.length());
  return request;
}

absl::Status GroupError(absl::string_view what, const Address& group,
                        int ifindex) {
  const int error = errno;
  const std::string text =
      absl::StrCat(what, " ", group.ToString(), " on interface ", ifindex);
  // The kernel's words for "is a member" and "is no member".
  if (error == EADDRINUSE) return absl::AlreadyExistsError(text);
  if (error == EADDRNOTAVAIL) return absl::NotFoundError(text);
  return absl::ErrnoToStatus(error, text);
}

}  // namespace

absl::Status AskForHeaderFields(int fd, bool ipv6) {
  if (ipv6) {
    BALLAST_RETURN_IF_ERROR(
        SetInt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"));
    return SetInt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT");
  }
  BALLAST_RETURN_IF_ERROR(SetInt(fd, IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO"));
  return SetInt(fd, IPPROTO_IP, IP_RECVTTL, 1, "IP_RECVTTL");
}

absl::StatusOr<ReceivedDatagram> ReceiveDatagram(int fd,
                                                 std::span<uint8_t> buffer,
                                                 bool skip_ip_header) {
  SocketAddress source;
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[256];
  msghdr message{};
  message.msg_name = source.get();
  message.msg_namelen = SocketAddress::capacity();
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t n;
  do {
    n = recvmsg(fd, &message, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return absl::ErrnoToStatus(errno, "receive datagram");
  ReceivedDatagram datagram;
  datagram.source = source.endpoint();
  datagram.payload = buffer.first(static_cast<size_t>(n));
  ReadControl(message, datagram);
  if (skip_ip_header) {
    const size_t header_bytes =
        n < static_cast<ssize_t>(sizeof(iphdr)) ? 0 : (buffer[0] & 0x0f) * 4u;
    if (header_bytes < sizeof(iphdr) ||
        header_bytes > datagram.payload.size()) {
      return absl::DataLossError("raw datagram: broken IPv4 header");
    }
    datagram.payload = datagram.payload.subspan(header_bytes);
  }
  return datagram;
}

absl::Status SendDatagram(int fd, std::span<const uint8_t> payload,
                          const Endpoint& destination, int ifindex) {
  SocketAddress to(destination);
  to.set_scope(ifindex);
  ssize_t n;
  do {
    n = sendto(fd, payload.data(), payload.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
               to.get(), to.length());
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("send to ", destination.address.ToString()));
  }
  return absl::OkStatus();
}

absl::Status JoinGroup(int fd, const Address& group, int ifindex) {
  const group_req request = GroupRequest(group, ifindex);
  if (setsockopt(fd, group.is_v4() ? IPPROTO_IP : IPPROTO_IPV6,
                 MCAST_JOIN_GROUP, &request, sizeof(request)) != 0) {
    return GroupError("join group", group, ifindex);
  }
  return absl::OkStatus();
}

absl::Status LeaveGroup(int fd, const Address& group, int ifindex) {
  const group_req request = GroupRequest(group, ifindex);
  if (setsockopt(fd, group.is_v4() ? IPPROTO_IP : IPPROTO_IPV6,
                 MCAST_LEAVE_GROUP, &request, sizeof(request)) != 0) {
    return GroupError("leave group", group, ifindex);
  }
  return absl::OkStatus();
}

absl::Status SetMulticast(int fd, bool ipv6, uint8_t ttl, bool loop,
                          int ifindex) {
  if (ipv6) {
    BALLAST_RETURN_IF_ERROR(
        SetInt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl, "IPV6_UNICAST_HOPS"));
    BALLAST_RETURN_IF_ERROR(SetInt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl,
                                   "IPV6_MULTICAST_HOPS"));
    BALLAST_RETURN_IF_ERROR(SetInt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, loop,
                                   "IPV6_MULTICAST_LOOP"));
    return SetInt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, ifindex,
                  "IPV6_MULTICAST_IF");
  }
  BALLAST_RETURN_IF_ERROR(SetInt(fd, IPPROTO_IP, IP_TTL, ttl, "IP_TTL"));
  BALLAST_RETURN_IF_ERROR(
      SetInt(fd, IPPROTO_IP, IP_MULTICAST_TTL, ttl, "IP_MULTICAST_TTL"));
  BALLAST_RETURN_IF_ERROR(
      SetInt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, loop, "IP_MULTICAST_LOOP"));
  ip_mreqn interface {};
  interface.imr_ifindex = ifindex;
  if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface,
                 sizeof(interface)) != 0) {
    return absl::ErrnoToStatus(errno, "set IP_MULTICAST_IF");
  }
  return absl::OkStatus();
}

absl::StatusOr<int> InterfaceIndex(absl::string_view name) {
  const unsigned index = if_nametoindex(std::string(name).c_str());
  if (index == 0) {
    return absl::NotFoundError(absl::StrCat("no interface '", name, "'"));
  }
  return static_cast<int>(index);
}

}  // namespace ballast
