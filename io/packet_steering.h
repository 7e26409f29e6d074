// Which of N packet threads a frame goes to, decided by the kernel (a classic
// BPF program for PACKET_FANOUT_CBPF) by the *client's* address, so that both
// directions of a flow, its ICMP errors and the client's persistence entry meet
// on one thread.
//
//   frame                             client
//   to a floating address             its source
//   any other IP                      its destination (a server's answer)
//   ICMP/ICMPv6 error                 of the packet it quotes: its destination
//                                     if its source is floating (we or a
//                                     server sent it to a client), else its
//                                     source (a client sent it to a server)
//   ARP, neighbour discovery, rest    thread 0
//
// Fragments go by their outer addresses, so all fragments of a packet meet.
// The quoted packet is looked for directly after an IPv4 header of any length,
// or after an IPv6 header without extensions.
#ifndef IO_PACKET_STEERING_H_
#define IO_PACKET_STEERING_H_

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "io/base/address.h"

namespace ballast {

struct PacketSteering {
  static constexpr uint32_t kThreadCountMax = 256;

  uint32_t thread_count = 1;
  // Keeps outsiders from choosing addresses that meet on one thread.
  uint32_t seed = 0;
  // Floating addresses: VIPs and the gateway addresses of servers.
  std::vector<Address> floating;

  // The thread of a client: what the program does, for code that must know
  // (records from another unit go to the thread of their client).
  uint32_t ThreadOf(const Address& client) const;
};

// The program; it counts offsets from the network header, as fanout programs
// do even on SOCK_RAW sockets (found by trying), and returns the thread.
//   kInvalidArgument  thread_count is not 1..kThreadCountMax, or more than the
//                     kernel's 4096 instructions (an IPv4 address takes 2, an
//                     IPv6 address 13)
absl::StatusOr<std::vector<sock_filter>> CompilePacketSteering(
    const PacketSteering& steering);

}  // namespace ballast

#endif  // IO_PACKET_STEERING_H_
