#include "io/tun_packet_io.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "io/base/status_macros.h"
#include "io/packet_io_vnet.h"

namespace ballast {
namespace {

constexpr char kDevice[] = "/dev/net/tun";
// TUN_F_USO4 and TUN_F_USO6, Linux 6.2.
constexpr unsigned kOffloadUdp = 0x20 | 0x40;
constexpr unsigned kOffloadTcp =
    TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
// In /proc/net/dev, after the name: 8 columns of receive, then bytes, packets,
// errors, dropped.
constexpr size_t kTransmitDropped = 8 + 3;

absl::Status OpenFailed() {
  const int error = errno;
  const std::string what = absl::StrCat(
      "TAP interfaces need ", kDevice, ", which this system or container ",
      error == ENOENT || error == ENODEV || error == ENXIO
          ? "does not have: "
          : "does not let us open: ",
      std::strerror(error));
  return error == EACCES || error == EPERM ? absl::PermissionDeniedError(what)
                                           : absl::NotFoundError(what);
}

}  // namespace

TunPacketIo::TunPacketIo(const TunPacketOptions& options)
    // One byte more than a frame, to know a longer one.
    : buffers_(options.buffer_count, options.frame_bytes + 1) {}

TunPacketIo::~TunPacketIo() {
  for (const int port : ports_) close(port);
  if (epoll_ != -1) close(epoll_);
  if (devices_ != -1) close(devices_);
}

absl::StatusOr<std::unique_ptr<TunPacketIo>> TunPacketIo::Create(
    const TunPacketOptions& options) {
  if (options.interfaces.empty()) {
    return absl::InvalidArgumentError("packet I/O needs a port");
  }
  std::unique_ptr<TunPacketIo> io(new TunPacketIo(options));
  io->epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (io->epoll_ == -1) return absl::ErrnoToStatus(errno, "epoll");
  io->devices_ = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
  if (io->devices_ == -1) return absl::ErrnoToStatus(errno, "/proc/net/dev");
  for (const std::string& interface : options.interfaces) {
    BALLAST_RETURN_IF_ERROR(io->Open(interface));
  }
  return io;
}

absl::Status TunPacketIo::Open(const std::string& interface) {
  if (interface.empty() || interface.size() >= IFNAMSIZ) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", interface, "\" is no interface name"));
  }
  const int fd = open(kDevice, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd == -1) return OpenFailed();
  ports_.push_back(fd);
  interfaces_.push_back(interface);
  ifreq request = {};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(fd, TUNSETIFF, &request) == -1) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("make the TAP interface ", interface));
  }
  if (ioctl(fd, TUNSETOFFLOAD, kOffloadTcp | kOffloadUdp) == -1 &&
      ioctl(fd, TUNSETOFFLOAD, kOffloadTcp) == -1) {
    return absl::ErrnoToStatus(errno, absl::StrCat("offload of ", interface));
  }
  epoll_event event = {};
  event.events = EPOLLIN;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == -1) {
    return absl::ErrnoToStatus(errno, absl::StrCat("epoll ", interface));
  }
  return absl::OkStatus();
}

size_t TunPacketIo::Receive(std::span<Frame> frames) {
  if (!frames.empty() && buffers_.free_count() == 0) {
    ++stats_.no_buffer;
    return 0;
  }
  frames = frames.first(std::min(frames.size(), kBatchMax));
  size_t count = 0;
  for (size_t i = 0; i < ports_.size(); ++i) {
    const size_t port = (next_port_ + i) % ports_.size();
    while (count < frames.size() &&
           ReceiveOne(static_cast<uint16_t>(port), frames[count])) {
      ++count;
    }
  }
  next_port_ = (next_port_ + 1) % ports_.size();
  stats_.received += count;
  return count;
}

bool TunPacketIo::ReceiveOne(uint16_t port, Frame& frame) {
  if (!buffers_.Take(frame)) return false;
  for (size_t tries = 0; tries < kBatchMax; ++tries) {
    VnetHeader header;
    std::array<iovec, 2> parts = {
        {{&header, sizeof(header)}, {frame.data, buffers_.frame_bytes()}}};
    const ssize_t size = readv(ports_[port], parts.data(), 2);
    if (size < 0) {
      if (errno == EINTR) continue;
      // EINVAL: offload that no header describes. The frame is gone.
      if (errno != EINVAL) break;
      ++stats_.receive_unsupported;
      continue;
    }
    const uint32_t length =
        static_cast<uint32_t>(size) - static_cast<uint32_t>(sizeof(header));
    if (length >= buffers_.frame_bytes()) {
      ++stats_.receive_truncated;
    } else if (!ReadVnetHeader(header, frame.offload)) {
      ++stats_.receive_unsupported;
    } else {
      frame.length = length;
      frame.tailroom -= length;
      frame.port = port;
      return true;
    }
  }
  buffers_.Give(frame);
  return false;
}

size_t TunPacketIo::Send(std::span<const Frame> frames) {
  for (size_t i = 0; i < frames.size(); ++i) {
    switch (SendOne(frames[i])) {
      case Sent::kFull:
        ++stats_.send_full;
        return i;
      case Sent::kRefused:
        ++stats_.send_refused;
        break;
      case Sent::kYes:
        ++stats_.sent;
        break;
    }
    buffers_.Give(frames[i]);
  }
  return frames.size();
}

TunPacketIo::Sent TunPacketIo::SendOne(const Frame& frame) const {
  if (frame.port >= ports_.size() || frame.length < ETH_HLEN) {
    return Sent::kRefused;
  }
  VnetHeader header = WriteVnetHeader(frame.offload);
  const std::array<iovec, 2> parts = {
      {{&header, sizeof(header)}, {frame.data, frame.length}}};
  ssize_t size;
  do {
    size = writev(ports_[frame.port], parts.data(), 2);
  } while (size == -1 && errno == EINTR);
  if (size >= 0) return Sent::kYes;
  return errno == EAGAIN ? Sent::kFull : Sent::kRefused;
}

void TunPacketIo::Release(std::span<const Frame> frames) {
  for (const Frame& frame : frames) buffers_.Give(frame);
}

size_t TunPacketIo::Allocate(std::span<Frame> frames) {
  for (size_t i = 0; i < frames.size(); ++i) {
    if (!buffers_.Take(frames[i])) {
      ++stats_.no_buffer;
      return i;
    }
  }
  return frames.size();
}

PacketIoStats TunPacketIo::stats() const {
  PacketIoStats stats = stats_;
  std::string table;
  std::array<char, 4096> part;
  ssize_t size;
  while ((size = pread(devices_, part.data(), part.size(),
                       static_cast<off_t>(table.size()))) > 0) {
    table.append(part.data(), static_cast<size_t>(size));
  }
  for (absl::string_view line : absl::StrSplit(table, '\n')) {
    line = absl::StripLeadingAsciiWhitespace(line);
    for (const std::string& interface : interfaces_) {
      absl::string_view counters = line;
      if (!absl::ConsumePrefix(&counters, absl::StrCat(interface, ":"))) {
        continue;
      }
      const std::vector<absl::string_view> columns =
          absl::StrSplit(counters, ' ', absl::SkipEmpty());
      uint64_t dropped = 0;
      if (columns.size() > kTransmitDropped &&
          absl::SimpleAtoi(columns[kTransmitDropped], &dropped)) {
        stats.receive_dropped += dropped;
      }
    }
  }
  return stats;
}

}  // namespace ballast
