// Which frames of an interface a packet socket copies to us: a classic BPF
// program, made by pure code. Everything else of the host's traffic is left
// out in the kernel, before it costs anything.
//
// Passes  - ARP, and IPv6 neighbour discovery (ICMPv6 133-137), to any MAC;
//         - IPv4 and IPv6 of `ip_protocols`, to any MAC;
//         - every frame to one of `own_macs`, but IP to `host_addresses`.
// Drops   what this host sends itself, and frames tagged for a VLAN (they
//         belong to the VLAN's own interface; a priority tag is no VLAN).
//
// Offsets are those of a SOCK_RAW packet socket: from the Ethernet header.
#ifndef IO_PACKET_FILTER_H_
#define IO_PACKET_FILTER_H_

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "io/base/address.h"

namespace ballast {

struct PacketFilter {
  std::vector<MacAddress> own_macs;
  // Where an own MAC is the card's, too: the host's addresses, whose traffic is
  // not ours.
  std::vector<Address> host_addresses;
  // E.g. 112, CARP and VRRP. IPv6: only directly after the fixed header.
  std::vector<uint8_t> ip_protocols;
  // Every untagged frame that arrives, whatever the above says.
  bool everything = false;
};

// kInvalidArgument: the lists need more than the kernel's 4096 instructions (a
// MAC or IPv6 address about 10, an IPv4 address 2).
absl::StatusOr<std::vector<sock_filter>> CompilePacketFilter(
    const PacketFilter& filter);

}  // namespace ballast

#endif  // IO_PACKET_FILTER_H_
