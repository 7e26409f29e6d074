// The balancer's configuration as a value: what lb/config makes of a valid
// ballast.proto, with every default filled in and every global setting already
// folded into the service it applies to. Readers never ask "is this set?".
//
// A Model is built once by Validate(), handed out as shared_ptr<const Model>,
// and replaced whole. Two of them compare with ==, piece by piece, so that
// applying a new one touches only what differs.
//
// Identity  a service is its (address, port, protocol); a server is its
//           endpoint within the service. Names are labels, order is the
//           configured order and matters to the schedulers.
// Threads   immutable once shared.
// Source    LoadMaster behaviour: the vendor's REST name stands beside the
//           fields of ballast.proto, which is also the operator's manual.
#ifndef LB_CONFIG_MODEL_H_
#define LB_CONFIG_MODEL_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "lb/config/connection_sync.h"
#include "lb/config/ha_model.h"
#include "lb/config/l7_model.h"
#include "lb/config/server_pool.h"

namespace ballast::config {

// Both ends included; first <= last.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;

  bool Contains(uint16_t port) const { return first <= port && port <= last; }
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

struct VirtualService : ServerPool {
  std::string name;  // A label; empty if none was given.
  Address address;
  uint16_t port = 0;  // 0: every port of the address not served otherwise.
  Protocol protocol = Protocol::kTcp;  // kTcp or kUdp.
  // Ascending, disjoint, not adjacent, without `port`; 510 ports at most.
  std::vector<PortRange> extra_ports;
  bool enabled = true;
  // Stands in for the ESTABLISHED and the UDP timeout. Never zero.
  absl::Duration idle_timeout = absl::Seconds(660);
  std::optional<L7Service> l7;  // A proxy; else layer 4.

  friend bool operator==(const VirtualService&,
                         const VirtualService&) = default;
};

// A port of the director, by the host's name for the link.
struct Interface {
  std::string name;
  // The MAC of floating addresses here. nullopt: one of the unit's own, made
  // by the caller.
  std::optional<MacAddress> mac;
  // Use the card's own MAC and guard its frames from the host, without probing
  // whether another would arrive. Excludes `mac`.
  bool card_mac = false;

  friend bool operator==(const Interface&, const Interface&) = default;
};

// An address the director answers for (ARP, ND, echo) while it is active.
struct FloatingAddress {
  Address address;
  // Empty: the interface whose connected network contains the address.
  std::string interface;
  bool service = false;  // A VIP; otherwise a gateway for real servers.

  friend bool operator==(const FloatingAddress&,
                         const FloatingAddress&) = default;
};

// Bounds of the whole unit, split evenly across its packet threads.
struct Limits {
  uint32_t connections = 1'000'000;
  uint32_t persistence_entries = 262'144;
  uint32_t fragments = 16'384;      // Datagrams whose first fragment was seen.
  uint32_t pending_frames = 4'096;  // Frames that wait for a next hop.
  // Of layer 7, not split: clients' connections, persistence entries.
  uint32_t l7_connections = 65'536;
  uint32_t l7_persistence_entries = 262'144;

  friend bool operator==(const Limits&, const Limits&) = default;
};

// How long a connection may stay silent in each state but ESTABLISHED and UDP
// (the service's idle_timeout). Defaults: Linux IPVS.
struct TcpTimeouts {
  absl::Duration none = absl::Seconds(2);
  absl::Duration syn_sent = absl::Seconds(120);
  absl::Duration syn_recv = absl::Seconds(60);
  absl::Duration fin_wait = absl::Seconds(120);
  absl::Duration time_wait = absl::Seconds(120);
  absl::Duration close = absl::Seconds(10);
  absl::Duration close_wait = absl::Seconds(60);
  absl::Duration last_ack = absl::Seconds(30);
  absl::Duration listen = absl::Seconds(120);
  absl::Duration synack = absl::Seconds(120);

  friend bool operator==(const TcpTimeouts&, const TcpTimeouts&) = default;
};

// What is kept of changes to the configuration.
struct HistoryLimits {
  uint32_t revisions = 100;
  uint64_t revision_bytes = uint64_t{64} << 20;  // Of all together.
  uint64_t audit_bytes = uint64_t{16} << 20;     // Of a file.
  uint32_t audit_files = 4;                      // Besides the one written to.

  friend bool operator==(const HistoryLimits&, const HistoryLimits&) = default;
};

using HashKey = std::array<uint8_t, 16>;

struct Model {
  // Counts accepted configurations; set by whoever applies this one. Part of
  // the comparison: compare the parts to see what a reload changed.
  uint64_t generation = 0;
  int threads = 1;  // Packet threads, 1..64.
  std::vector<Interface> interfaces;
  // All of them: each service's address once, then the configured ones, then
  // the pair's shared one.
  std::vector<FloatingAddress> floating_addresses;
  Limits limits;
  TcpTimeouts tcp_timeouts;
  absl::Duration connection_timeout = absl::Seconds(660);
  // Flows of a failed server end at once with a RST; else they are left.
  bool drop_on_fail = false;
  // Keys the hash of client addresses: equal on both units of a pair. nullopt:
  // the caller makes one and keeps it in state_dir.
  std::optional<HashKey> hash_key;
  std::string state_dir;  // Empty: nothing outlives the process.
  // The host's end of the veth pair for what is not an L4 flow. Empty: none.
  std::string punt_interface;
  absl::Duration statistics_period = absl::Seconds(10);  // Zero: none.
  HistoryLimits history;
  HighAvailability ha;
  // Unset: not enabled.
  std::optional<ConnectionSync> connection_sync;
  L7Settings l7;
  std::vector<VirtualService> services;

  friend bool operator==(const Model&, const Model&) = default;
};

}  // namespace ballast::config

#endif  // LB_CONFIG_MODEL_H_
