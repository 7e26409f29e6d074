// UDP between this host and one other on one interface: what comes to a fixed
// port is received, what is sent goes to a fixed port from another that the
// kernel chooses. That is how conntrackd does it. IPv4 and IPv6.
//
// Errors   Open() names what cannot be had. Send and Receive never block:
//          kUnavailable when they would.
// Threads  one at a time.
// Source   socket(7), ip(7), udp(7).
#ifndef IO_UDP_UNICAST_H_
#define IO_UDP_UNICAST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/base/address.h"
#include "io/datagram.h"
#include "io/unique_fd.h"

namespace ballast {

class UdpUnicast {
 public:
  struct Options {
    Endpoint local;         // The port received at; an address of the host's.
    Endpoint peer;          // Of the same family.
    std::string interface;  // By name; must exist.
    // Beyond the host's limit only with CAP_NET_ADMIN.
    size_t send_buffer_bytes = 65536;
    size_t receive_buffer_bytes = 65536;
  };
  static absl::StatusOr<UdpUnicast> Open(const Options& options);

  absl::Status Send(std::span<const uint8_t> payload);
  // One datagram into `buffer`, whoever sent it; longer ones are cut.
  // kUnavailable: none there.
  absl::StatusOr<ReceivedDatagram> Receive(std::span<uint8_t> buffer);

  // Leaves address and port to another socket, though the descriptor stays open
  // until a reactor has given it back. Nothing comes any more.
  void Vacate();

  int fd() const { return receiver_.get(); }
  // What the kernel gave, in the measure of Options.
  size_t send_buffer_bytes() const;
  size_t receive_buffer_bytes() const;

 private:
  UdpUnicast(UniqueFd receiver, UniqueFd sender, Endpoint peer, int ifindex)
      : receiver_(std::move(receiver)),
        sender_(std::move(sender)),
        peer_(peer),
        ifindex_(ifindex) {}

  UniqueFd receiver_;
  UniqueFd sender_;
  Endpoint peer_;
  int ifindex_;
};

}  // namespace ballast

#endif  // IO_UDP_UNICAST_H_
