// ARP probes as frames: "who has this address?" from a MAC, claiming no address
// of its own, and the answers to it. Pure.
//
// Source  RFC 826; RFC 5227 1.1: a probe is a request with sender address 0,
//         which changes nobody's cache.
#ifndef IO_ARP_PROBE_H_
#define IO_ARP_PROBE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "io/base/address.h"

namespace ballast {

inline constexpr size_t kArpProbeBytes = 42;  // With its Ethernet header.

// To everybody on the link, from `sender`. `target` is IPv4.
std::array<uint8_t, kArpProbeBytes> WriteArpProbe(const MacAddress& sender,
                                                  const Address& target);

// Who says to have the address asked for, if the frame is a reply to a probe
// from `mac`; nullopt for any other frame, among them replies to the host's own
// questions.
std::optional<Address> ReadArpProbeReply(std::span<const uint8_t> frame,
                                         const MacAddress& mac);

}  // namespace ballast

#endif  // IO_ARP_PROBE_H_
