// PacketIo on TAP devices: each port is an Ethernet interface of this host
// whose other end is us. For running beside a kernel without touching its
// cards, and for tests.
//
// Offload  The kernel hands us super-frames and partial checksums
// (TUNSETOFFLOAD)
//          and takes them back.
// Cost     One read or write a frame (TAP has no batch call).
// Needs    /dev/net/tun and CAP_NET_ADMIN in the network namespace; containers
//          and user namespaces often lack the first.
// Links    The interfaces exist as long as this object; they start down, and
//          giving them addresses is the caller's.
#ifndef IO_TUN_PACKET_IO_H_
#define IO_TUN_PACKET_IO_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/base/frame.h"
#include "io/packet_io.h"
#include "io/packet_io_buffers.h"

namespace ballast {

struct TunPacketOptions {
  // Names of the interfaces to make; the position is Frame::port.
  std::vector<std::string> interfaces;
  uint32_t buffer_count = 512;
  // The longest frame: 64 KiB of IP, Ethernet header, a tag.
  uint32_t frame_bytes = 65536 + 18;
};

class TunPacketIo : public PacketIo {
 public:
  //   kNotFound          no /dev/net/tun here
  //   kPermissionDenied  not allowed to open it or to make interfaces
  //   kInvalidArgument   no interface, or a name that cannot be
  static absl::StatusOr<std::unique_ptr<TunPacketIo>> Create(
      const TunPacketOptions& options);
  ~TunPacketIo() override;

  size_t Receive(std::span<Frame> frames) override;
  size_t Send(std::span<const Frame> frames) override;
  void Release(std::span<const Frame> frames) override;
  size_t Allocate(std::span<Frame> frames) override;
  int fd() const override { return epoll_; }
  // receive_dropped is what the interfaces count as dropped on transmit.
  PacketIoStats stats() const override;

 private:
  explicit TunPacketIo(const TunPacketOptions& options);
  absl::Status Open(const std::string& interface);
  // Whether `frame` was filled; false, nothing waits.
  bool ReceiveOne(uint16_t port, Frame& frame);
  enum class Sent { kYes, kRefused, kFull };
  Sent SendOne(const Frame& frame) const;

  FrameBuffers buffers_;
  std::vector<std::string> interfaces_;
  std::vector<int> ports_;
  int epoll_ = -1;
  int devices_ = -1;  // The kernel's table of interface counters.
  size_t next_port_ = 0;
  PacketIoStats stats_;
};

}  // namespace ballast

#endif  // IO_TUN_PACKET_IO_H_
