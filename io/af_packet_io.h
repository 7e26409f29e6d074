// PacketIo on Linux packet sockets: one receiving socket per port (interface),
// one sending socket for all, batches through recvmmsg and sendmmsg.
//
// Offload  PACKET_VNET_HDR: GSO super-frames and partial checksums pass whole;
//          the kernel finishes them where a device cannot.
// Filter   Only what PacketFilter passes is copied, never what this host
//          sends, never frames tagged for a VLAN. MACs of our own are added to
//          the card's address filter; whether such frames arrive is for the
//          caller to probe.
// Threads  A group of N objects on the same ports, one per thread: the kernel
//          steers frames by PacketSteering. Each object is used by one thread
//          at a time.
// Links    A port whose interface goes down gives nothing and takes nothing
//          (send_refused) and works again when it comes up. One that is
//          deleted is gone: make a new AfPacketIo.
// Needs    CAP_NET_RAW in the network namespace; with CAP_NET_ADMIN the queues
//          may exceed net.core.rmem_max.
// Cost     A batch is a system call for each port and one to send. Handing
//          frames from one veth to another took 1.4 us of this thread's
//          processor time a small frame (most is the kernel's transmit path,
//          the receiver's half of the veth included) and 0.22 s for 400 MiB of
//          TCP in super-frames (2 cores, Linux 6.18, af_packet_io_kernel_test).
// Order    Kept on each port. On virtual links a thread that moves to another
//          processor can still overtake its own frames, and TCP answers with
//          needless retransmissions: pin packet threads.
#ifndef IO_AF_PACKET_IO_H_
#define IO_AF_PACKET_IO_H_

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/base/frame.h"
#include "io/packet_filter.h"
#include "io/packet_io.h"
#include "io/packet_io_buffers.h"
#include "io/packet_io_vnet.h"
#include "io/packet_steering.h"

namespace ballast {

struct AfPacketOptions {
  struct Port {
    std::string interface;
    PacketFilter filter;
  };
  std::vector<Port> ports;  // The position is Frame::port.
  uint32_t buffer_count = 512;
  // The longest frame: 64 KiB of IP, Ethernet header, a tag.
  uint32_t frame_bytes = 65536 + 18;
  // What the kernel keeps for us: of each port, and on the way out.
  uint32_t receive_queue_bytes = 8 << 20;
  uint32_t send_queue_bytes = 8 << 20;
};

class AfPacketIo : public PacketIo {
 public:
  //   kPermissionDenied  no CAP_NET_RAW
  //   kNotFound          no such interface
  //   kInvalidArgument   an interface that is not Ethernet, no port, or a
  //                      filter too long
  static absl::StatusOr<std::unique_ptr<AfPacketIo>> Create(
      const AfPacketOptions& options);
  // steering.thread_count objects; the position is the thread. They begin to
  // receive together, with every frame steered.
  static absl::StatusOr<std::vector<std::unique_ptr<AfPacketIo>>> CreateGroup(
      const AfPacketOptions& options, const PacketSteering& steering);
  ~AfPacketIo() override;

  // Frames queued already stay. Of a group: tell every member.
  absl::Status SetFilter(uint16_t port, const PacketFilter& filter);
  // For the whole group; tell any one member. The thread count cannot change
  // (kInvalidArgument). Frames queued already stay where they are.
  absl::Status SetSteering(const PacketSteering& steering);

  size_t Receive(std::span<Frame> frames) override;
  size_t Send(std::span<const Frame> frames) override;
  void Release(std::span<const Frame> frames) override;
  size_t Allocate(std::span<Frame> frames) override;
  int fd() const override { return epoll_; }
  // Asks the kernel for its drops: a system call per port.
  PacketIoStats stats() const override;

 private:
  struct Port {
    std::string interface;
    int socket = -1;
    sockaddr_ll address = {};
    PacketFilter filter;
  };

  AfPacketIo(const AfPacketOptions& options, uint32_t group_size);
  absl::Status Open(const AfPacketOptions& options);
  absl::Status OpenPort(const AfPacketOptions& options, Port& port);
  // The n-th message of a batch: header, then bytes.
  void SetMessage(size_t n, uint8_t* data, size_t length);
  size_t ReceiveFrom(uint16_t port, std::span<Frame> frames);
  size_t SendBatch(std::span<const Frame> frames);

  const uint32_t group_size_;
  FrameBuffers buffers_;
  std::vector<Port> ports_;
  int epoll_ = -1;
  int sender_ = -1;
  size_t next_port_ = 0;
  std::array<mmsghdr, kBatchMax> messages_ = {};
  std::array<std::array<iovec, 2>, kBatchMax> parts_ = {};
  std::array<VnetHeader, kBatchMax> headers_ = {};
  // Mutable: asking the kernel for its drops resets them there.
  mutable PacketIoStats stats_;
};

}  // namespace ballast

#endif  // IO_AF_PACKET_IO_H_
