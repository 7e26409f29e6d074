#include "io/af_packet_io.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

// Linux 5.17; older kernels know the group's frames of our own by the filter.
constexpr int kFanoutIgnoreOutgoing = 0x4000;

absl::Status Failed(absl::string_view what, absl::string_view interface) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " on ", interface));
}

template <typename T>
int SetOption(int socket, int level, int name, const T& value) {
  return setsockopt(socket, level, name, &value, sizeof(value));
}

absl::StatusOr<int> OpenSocket() {
  // Protocol 0: receives nothing before it is bound.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd == -1) {
    return absl::ErrnoToStatus(
        errno, "a packet socket (needs CAP_NET_RAW in this network namespace)");
  }
  if (SetOption(fd, SOL_PACKET, PACKET_VNET_HDR, int{1}) == -1) {
    const absl::Status status = Failed("PACKET_VNET_HDR", "packet socket");
    close(fd);
    return status;
  }
  return fd;
}

// As large as allowed, up to `bytes`.
void SetQueue(int socket, int force, int polite, uint32_t bytes) {
  const int value = static_cast<int>(bytes);
  if (SetOption(socket, SOL_SOCKET, force, value) == -1) {
    SetOption(socket, SOL_SOCKET, polite, value);
  }
}

absl::Status CheckEthernet(int socket, const std::string& interface) {
  ifreq request = {};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  if (ioctl(socket, SIOCGIFHWADDR, &request) == -1) {
    return Failed("link address", interface);
  }
  const int type = request.ifr_hwaddr.sa_family;
  if (type != ARPHRD_ETHER && type != ARPHRD_LOOPBACK) {
    return absl::InvalidArgumentError(
        absl::StrCat(interface, " does not carry Ethernet frames"));
  }
  return absl::OkStatus();
}

absl::Status Attach(int socket, int level, int option,
                    const std::vector<sock_filter>& program) {
  const sock_fprog code = {static_cast<uint16_t>(program.size()),
                           const_cast<sock_filter*>(program.data())};
  if (SetOption(socket, level, option, code) == -1) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("attach a program of ", program.size(),
                            " instructions (see net.core.optmem_max)"));
  }
  return absl::OkStatus();
}

// Lets the card pass what its own address would not. A device that refuses is
// not an error: whether such frames arrive is probed, not believed.
void ChangeMembership(int socket, int ifindex, const PacketFilter& filter,
                      int option) {
  packet_mreq request = {};
  request.mr_ifindex = ifindex;
  request.mr_alen = ETH_ALEN;
  if (filter.everything) {
    request.mr_type = PACKET_MR_PROMISC;
    SetOption(socket, SOL_PACKET, option, request);
  }
  request.mr_type = PACKET_MR_UNICAST;
  for (const MacAddress& mac : filter.own_macs) {
    std::copy(mac.bytes.begin(), mac.bytes.end(), request.mr_address);
    SetOption(socket, SOL_PACKET, option, request);
  }
}

// `group` empty: a new group, its number is returned. Else joins it.
absl::StatusOr<int> JoinFanout(int socket, std::optional<int> group) {
  for (const int extra : {kFanoutIgnoreOutgoing, 0}) {
    const int type = PACKET_FANOUT_CBPF | extra |
                     (group.has_value() ? 0 : PACKET_FANOUT_FLAG_UNIQUEID);
    if (SetOption(socket, SOL_PACKET, PACKET_FANOUT,
                  type << 16 | group.value_or(0)) == 0) {
      int value = 0;
      socklen_t size = sizeof(value);
      getsockopt(socket, SOL_PACKET, PACKET_FANOUT, &value, &size);
      return value & 0xffff;
    }
    if (errno != EINVAL) break;
  }
  return absl::ErrnoToStatus(errno, "PACKET_FANOUT");
}

}  // namespace

AfPacketIo::AfPacketIo(const AfPacketOptions& options, uint32_t group_size)
    : group_size_(group_size),
      buffers_(options.buffer_count, options.frame_bytes) {
  for (size_t n = 0; n < kBatchMax; ++n) {
    parts_[n][0] = {&headers_[n], sizeof(VnetHeader)};
    messages_[n].msg_hdr.msg_iov = parts_[n].data();
    messages_[n].msg_hdr.msg_iovlen = 2;
  }
}

AfPacketIo::~AfPacketIo() {
  for (const Port& port : ports_) {
    if (port.socket != -1) close(port.socket);
  }
  if (sender_ != -1) close(sender_);
  if (epoll_ != -1) close(epoll_);
}

absl::StatusOr<std::unique_ptr<AfPacketIo>> AfPacketIo::Create(
    const AfPacketOptions& options) {
  BALLAST_ASSIGN_OR_RETURN(auto group, CreateGroup(options, PacketSteering()));
  return std::move(group[0]);
}

absl::StatusOr<std::vector<std::unique_ptr<AfPacketIo>>>
AfPacketIo::CreateGroup(const AfPacketOptions& options,
                        const PacketSteering& steering) {
  if (options.ports.empty()) {
    return absl::InvalidArgumentError("packet I/O needs a port");
  }
  // The kernel numbers a group's sockets in the order they join; after a link
  // went down and up, in the order they were made. Both are the threads' order.
  std::vector<std::unique_ptr<AfPacketIo>> group;
  for (uint32_t thread = 0; thread < steering.thread_count; ++thread) {
    group.emplace_back(new AfPacketIo(options, steering.thread_count));
    BALLAST_RETURN_IF_ERROR(group.back()->Open(options));
  }
  if (group.size() != 1) {
    for (size_t port = 0; port < options.ports.size(); ++port) {
      std::optional<int> number;
      for (const auto& member : group) {
        BALLAST_ASSIGN_OR_RETURN(
            number, JoinFanout(member->ports_[port].socket, number));
      }
    }
    BALLAST_RETURN_IF_ERROR(group[0]->SetSteering(steering));
  }
  for (const auto& member : group) {
    for (size_t port = 0; port < options.ports.size(); ++port) {
      BALLAST_RETURN_IF_ERROR(member->SetFilter(static_cast<uint16_t>(port),
                                                options.ports[port].filter));
    }
  }
  return group;
}

absl::Status AfPacketIo::Open(const AfPacketOptions& options) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ == -1) return absl::ErrnoToStatus(errno, "epoll");
  BALLAST_ASSIGN_OR_RETURN(sender_, OpenSocket());
  SetQueue(sender_, SO_SNDBUFFORCE, SO_SNDBUF, options.send_queue_bytes);
  for (const AfPacketOptions::Port& port : options.ports) {
    ports_.emplace_back().interface = port.interface;
    BALLAST_RETURN_IF_ERROR(OpenPort(options, ports_.back()));
  }
  return absl::OkStatus();
}

absl::Status AfPacketIo::OpenPort(const AfPacketOptions& options, Port& port) {
  const unsigned ifindex = if_nametoindex(port.interface.c_str());
  if (ifindex == 0) {
    return absl::NotFoundError(absl::StrCat("no interface ", port.interface));
  }
  BALLAST_ASSIGN_OR_RETURN(port.socket, OpenSocket());
  BALLAST_RETURN_IF_ERROR(CheckEthernet(port.socket, port.interface));
  SetQueue(port.socket, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_queue_bytes);
  if (SetOption(port.socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, int{1}) ==
      -1) {
    return Failed("PACKET_IGNORE_OUTGOING", port.interface);
  }
  // Nothing before the real filter.
  BALLAST_RETURN_IF_ERROR(Attach(port.socket, SOL_SOCKET, SO_ATTACH_FILTER,
                                 {{BPF_RET | BPF_K, 0, 0, 0}}));
  port.address.sll_family = AF_PACKET;
  port.address.sll_ifindex = static_cast<int>(ifindex);
  sockaddr_ll bound = port.address;
  bound.sll_protocol = htons(ETH_P_ALL);
  if (bind(port.socket, reinterpret_cast<const sockaddr*>(&bound),
           sizeof(bound)) == -1) {
    return Failed("bind", port.interface);
  }
  epoll_event event = {};
  event.events = EPOLLIN;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, port.socket, &event) == -1) {
    return Failed("epoll", port.interface);
  }
  return absl::OkStatus();
}

absl::Status AfPacketIo::SetFilter(uint16_t port, const PacketFilter& filter) {
  BALLAST_CHECK(port < ports_.size());
  Port& p = ports_[port];
  BALLAST_ASSIGN_OR_RETURN(const auto program, CompilePacketFilter(filter));
  const int ifindex = p.address.sll_ifindex;
  ChangeMembership(p.socket, ifindex, filter, PACKET_ADD_MEMBERSHIP);
  if (const absl::Status status =
          Attach(p.socket, SOL_SOCKET, SO_ATTACH_FILTER, program);
      !status.ok()) {
    ChangeMembership(p.socket, ifindex, filter, PACKET_DROP_MEMBERSHIP);
    return status;
  }
  ChangeMembership(p.socket, ifindex, p.filter, PACKET_DROP_MEMBERSHIP);
  p.filter = filter;
  return absl::OkStatus();
}

absl::Status AfPacketIo::SetSteering(const PacketSteering& steering) {
  if (steering.thread_count != group_size_) {
    return absl::InvalidArgumentError(
        absl::StrCat("steering to ", steering.thread_count,
                     " threads in a group of ", group_size_));
  }
  if (group_size_ == 1) return absl::OkStatus();
  BALLAST_ASSIGN_OR_RETURN(const auto program, CompilePacketSteering(steering));
  for (const Port& port : ports_) {
    BALLAST_RETURN_IF_ERROR(
        Attach(port.socket, SOL_PACKET, PACKET_FANOUT_DATA, program));
  }
  return absl::OkStatus();
}

void AfPacketIo::SetMessage(size_t n, uint8_t* data, size_t length) {
  parts_[n][1] = {data, length};
}

size_t AfPacketIo::Receive(std::span<Frame> frames) {
  if (!frames.empty() && buffers_.free_count() == 0) {
    ++stats_.no_buffer;
    return 0;
  }
  frames = frames.first(std::min(frames.size(), kBatchMax));
  size_t count = 0;
  for (size_t i = 0; i < ports_.size() && count < frames.size(); ++i) {
    const size_t port = (next_port_ + i) % ports_.size();
    count += ReceiveFrom(static_cast<uint16_t>(port), frames.subspan(count));
  }
  next_port_ = (next_port_ + 1) % ports_.size();
  stats_.received += count;
  return count;
}

size_t AfPacketIo::ReceiveFrom(uint16_t port, std::span<Frame> frames) {
  const size_t room = std::min<size_t>(frames.size(), buffers_.free_count());
  if (room == 0) return 0;
  for (size_t n = 0; n < room; ++n) {
    SetMessage(n, buffers_.Peek(n), buffers_.frame_bytes());
    messages_[n].msg_hdr.msg_name = nullptr;
    messages_[n].msg_hdr.msg_namelen = 0;
  }
  int filled = -1;
  // An error is of one frame (EINVAL: offload that no header describes) or of
  // the link (told once): behind either there may be more frames.
  for (size_t tries = 0; filled == -1 && tries < kBatchMax; ++tries) {
    filled = recvmmsg(ports_[port].socket, messages_.data(),
                      static_cast<unsigned>(room), MSG_DONTWAIT, nullptr);
    if (filled == -1 && errno == EAGAIN) return 0;
    if (filled == -1 && errno == EINVAL) ++stats_.receive_unsupported;
  }
  size_t count = 0;
  // Given back only after all are taken: Take() must follow Peek()'s order.
  std::array<Frame, kBatchMax> dropped;
  size_t dropped_count = 0;
  for (int n = 0; n < filled; ++n) {
    Frame frame;
    BALLAST_CHECK(buffers_.Take(frame));
    const mmsghdr& message = messages_[n];
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0 ||
        message.msg_len < sizeof(VnetHeader)) {
      ++stats_.receive_truncated;
    } else if (!ReadVnetHeader(headers_[n], frame.offload)) {
      ++stats_.receive_unsupported;
    } else {
      frame.length = message.msg_len - sizeof(VnetHeader);
      frame.tailroom -= frame.length;
      frame.port = port;
      frames[count++] = frame;
      continue;
    }
    dropped[dropped_count++] = frame;
  }
  Release(std::span<Frame>(dropped).first(dropped_count));
  return count;
}

size_t AfPacketIo::Send(std::span<const Frame> frames) {
  size_t taken = 0;
  while (taken < frames.size()) {
    const size_t size = std::min(frames.size() - taken, kBatchMax);
    const size_t now = SendBatch(frames.subspan(taken, size));
    taken += now;
    if (now < size) {
      ++stats_.send_full;
      break;
    }
  }
  return taken;
}

size_t AfPacketIo::SendBatch(std::span<const Frame> frames) {
  // Message n is frame of[n]: frames no port can take have no message.
  std::array<size_t, kBatchMax> of;
  unsigned count = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    const Frame& frame = frames[i];
    if (frame.port >= ports_.size() || frame.length < ETH_HLEN) continue;
    of[count] = i;
    headers_[count] = WriteVnetHeader(frame.offload);
    SetMessage(count, frame.data, frame.length);
    messages_[count].msg_hdr.msg_name = &ports_[frame.port].address;
    messages_[count].msg_hdr.msg_namelen = sizeof(sockaddr_ll);
    ++count;
  }
  unsigned done = 0;
  uint64_t sent = 0;
  size_t taken = frames.size();
  while (done < count) {
    const int result =
        sendmmsg(sender_, &messages_[done], count - done, MSG_DONTWAIT);
    if (result > 0) {
      done += static_cast<unsigned>(result);
      sent += static_cast<uint64_t>(result);
    } else if (errno == EAGAIN) {
      taken = of[done];
      break;
    } else if (errno != EINTR) {
      ++done;  // Refused: its link is down, or it is too long for it.
    }
  }
  stats_.sent += sent;
  stats_.send_refused += taken - sent;
  Release(frames.first(taken));
  return taken;
}

void AfPacketIo::Release(std::span<const Frame> frames) {
  for (const Frame& frame : frames) buffers_.Give(frame);
}

size_t AfPacketIo::Allocate(std::span<Frame> frames) {
  for (size_t i = 0; i < frames.size(); ++i) {
    if (!buffers_.Take(frames[i])) {
      ++stats_.no_buffer;
      return i;
    }
  }
  return frames.size();
}

PacketIoStats AfPacketIo::stats() const {
  for (const Port& port : ports_) {
    tpacket_stats kernel = {};
    socklen_t size = sizeof(kernel);
    if (getsockopt(port.socket, SOL_PACKET, PACKET_STATISTICS, &kernel,
                   &size) == 0) {
      stats_.receive_dropped += kernel.tp_drops;
    }
  }
  return stats_;
}

}  // namespace ballast
