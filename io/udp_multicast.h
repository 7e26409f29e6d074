// UDP to and from a multicast group on one interface (connection sync, and any
// other traffic between units). IPv4 and IPv6.
//
// Errors   Send and Receive never block: kUnavailable when they would.
// Threads  one at a time.
// Source   ip(7), ipv6(7), RFC 3493, RFC 3542.
#ifndef IO_UDP_MULTICAST_H_
#define IO_UDP_MULTICAST_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/base/address.h"
#include "io/datagram.h"
#include "io/unique_fd.h"

namespace ballast {

class UdpMulticast {
 public:
  struct Options {
    Endpoint group;                      // 224.0.0.81:8848, [ff02::81]:8848
    std::string interface {};            // By name; must exist.
    uint8_t ttl = 1;                     // Hops; 1 stays on the link.
    bool loop = false;                   // Whether this host hears its own.
    bool receive = true;                 // Join; false: a mere sender,
    std::optional<Address> source{};     // from this address of the host's.
    int receive_buffer_bytes = 1 << 20;  // As much as the system allows.
  };
  static absl::StatusOr<UdpMulticast> Open(const Options& options);

  absl::Status Send(std::span<const uint8_t> payload);
  // One datagram into `buffer`; longer ones are cut. kUnavailable: none there.
  // Only what came in on the interface and was sent to the group.
  absl::StatusOr<ReceivedDatagram> Receive(std::span<uint8_t> buffer);

  int fd() const { return fd_.get(); }

 private:
  UdpMulticast(UniqueFd fd, Endpoint group, int ifindex)
      : fd_(std::move(fd)), group_(group), ifindex_(ifindex) {}

  UniqueFd fd_;
  Endpoint group_;
  int ifindex_;
};

}  // namespace ballast

#endif  // IO_UDP_MULTICAST_H_
