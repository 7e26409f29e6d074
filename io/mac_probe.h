// Whether frames to a MAC of our own arrive on an interface (D16), asked once
// at start. Where they do, floating addresses use that MAC and the host's stack
// never sees their frames; where they don't (macvlan, ipvlan, wireless, clouds
// that lock the MAC), the director uses the card's own MAC behind a MacGuard.
//
// The proof is an answer: an ARP probe (RFC 5227: sender address 0.0.0.0, which
// changes nobody's cache) from our MAC to a neighbour, whose reply must come
// back to it. If none comes, the same is asked from the card's MAC: a neighbour
// that answers one but not the other proves that our MAC is filtered. Where no
// neighbour answers either, the kind of link decides. IPv6 neighbours are not
// asked.
//
// Cost     blocks up to twice `timeout`; not for a running control loop.
// Source   RFC 826, RFC 5227 2.1.1; build notes ("A MAC of our own").
#ifndef IO_MAC_PROBE_H_
#define IO_MAC_PROBE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/base/address.h"

namespace ballast {

struct MacProbeOptions {
  std::string interface;
  MacAddress own_mac;
  // Gateways, real servers, the peer: any IPv4 one that should be up.
  std::vector<Address> neighbours{};
  absl::Duration timeout = absl::Seconds(1);
};

struct MacProbeResult {
  bool own_mac_arrives = false;  // False: card's MAC and guard.
  bool proven = false;           // By an answer, not by the kind of link.
  std::string reason{};          // For the log: one line.
};

//   kNotFound            no such interface
//   kFailedPrecondition  it is down, or has no MAC
//   kPermissionDenied    without CAP_NET_RAW
absl::StatusOr<MacProbeResult> ProbeOwnMac(const MacProbeOptions& options);

}  // namespace ballast

#endif  // IO_MAC_PROBE_H_
