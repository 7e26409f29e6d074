// Sockets for whole protocols beside TCP and UDP: raw IP (CARP is 112, ICMP for
// checks and floating addresses), and the kernel's unprivileged ping sockets.
//
// Raw IPv4 sockets receive the IP header too; ReceivedDatagram's payload is
// always what follows it, and the header's fields that matter are beside it.
// Checksums: the kernel fills in ICMPv6's; other protocols' are the caller's.
//
// Errors   Send and Receive never block: kUnavailable when they would.
// Threads  one at a time.
// Source   raw(7), icmp(7), ip(7), ipv6(7), RFC 3542.
#ifndef IO_RAW_SOCKET_H_
#define IO_RAW_SOCKET_H_

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

class RawSocket {
 public:
  enum class Family { kIpv4, kIpv6 };
  struct Options {
    Family family = Family::kIpv4;
    uint8_t protocol = 0;
    std::string interface {};         // Bound to it, unless empty.
    std::optional<Address> source{};  // Sends from it; it may be floating.
    uint8_t ttl = 64;                 // For unicast and multicast alike.
    bool loop = false;       // Whether this host hears its own multicast.
    bool broadcast = false;  // May send to 255.255.255.255 (IPv4).
  };
  // kPermissionDenied without CAP_NET_RAW.
  static absl::StatusOr<RawSocket> Open(const Options& options);

  // An ICMP echo socket that needs no capability where
  // net.ipv4.ping_group_range allows: sends and receives ICMP messages of type
  // echo only; the kernel writes checksum and identifier.
  static absl::StatusOr<RawSocket> OpenPing(const Options& options);

  // Receives what is sent to `group` on the interface, even when bound to none.
  absl::Status Join(const Address& group, int ifindex);

  // Multicast goes out of the bound interface, or the route's.
  absl::Status Send(std::span<const uint8_t> payload,
                    const Address& destination);
  // One datagram into `buffer`; longer ones are cut. kUnavailable: none there.
  absl::StatusOr<ReceivedDatagram> Receive(std::span<uint8_t> buffer);

  int fd() const { return fd_.get(); }

 private:
  RawSocket(UniqueFd fd, int ifindex, bool has_ip_header)
      : fd_(std::move(fd)), ifindex_(ifindex), has_ip_header_(has_ip_header) {}
  static absl::StatusOr<RawSocket> OpenType(const Options& options, int type,
                                            int protocol);

  UniqueFd fd_;
  int ifindex_;  // Of the bound interface; 0: none.
  bool has_ip_header_;
};

}  // namespace ballast

#endif  // IO_RAW_SOCKET_H_
