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
#include "lb/config/ha_model.h"

namespace ballast::config {

// Both ends included; first <= last.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;

  bool Contains(uint16_t port) const { return first <= port && port <= last; }
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

enum class Forwarding : uint8_t {
  kNat,    // Destination rewritten on the way in, source on the way back.
  kRoute,  // Direct server return: only the destination MAC changes.
};

enum class AdminState : uint8_t {
  kEnabled,
  // No new flow, persistence entries dropped, open flows untouched.
  kDisabled,
  // As disabled, but valid persistence entries still reach it for drain_time;
  // after that, with drop_at_drain_end, its flows end with a RST to both ends.
  kDraining,
};

struct RealServer {
  std::string name;  // A label; empty if none was given.
  // Port 0: the port the client asked for, as any service with a wildcard or
  // extra ports commonly wants. kRoute rewrites nothing: there the port is 0
  // or the service's.
  Endpoint endpoint;
  uint32_t weight = 1000;  // 0..65535; 0 takes nothing new.
  Forwarding forwarding = Forwarding::kNat;
  AdminState state = AdminState::kEnabled;
  uint32_t connection_limit = 0;  // Open connections; 0: none.
  bool critical = false;          // Its failure takes the service down.
  absl::Duration drain_time = absl::Seconds(300);
  bool drop_at_drain_end = false;

  friend bool operator==(const RealServer&, const RealServer&) = default;
};

enum class Schedule : uint8_t {
  kRoundRobin,
  kWeightedRoundRobin,
  kLeastConnection,
  kWeightedLeastConnection,
  kFixed,
  kSourceHash,
};

// How Schedule::kSourceHash deals its 4096 slots.
enum class Fill : uint8_t { kLoadMaster, kEven, kMaglev };

struct Persistence {
  bool enabled = false;  // By source address: the only mode at L4.
  absl::Duration timeout = absl::ZeroDuration();  // Whole minutes.
  // Long-lived connections renew their entry once a day. Set only where it
  // takes effect, from four days up.
  bool refresh = false;

  friend bool operator==(const Persistence&, const Persistence&) = default;
};

enum class CheckType : uint8_t { kNone, kTcp, kIcmp };

// Effective values: the service's own, or the global ones.
struct HealthCheck {
  CheckType type = CheckType::kTcp;
  uint16_t port = 0;  // 0: the server's port; if that is 0, the service's.
  absl::Duration interval = absl::Seconds(9);
  absl::Duration timeout = absl::Seconds(4);
  int retry_count = 2;  // Consecutive failures that take a server down.

  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

// Where flows go while no server is available: not checked, assumed up.
struct SorryServer {
  Endpoint endpoint;
  Forwarding forwarding = Forwarding::kNat;

  friend bool operator==(const SorryServer&, const SorryServer&) = default;
};

struct VirtualService {
  std::string name;  // A label; empty if none was given.
  Address address;
  uint16_t port = 0;  // 0: every port of the address not served otherwise.
  Protocol protocol = Protocol::kTcp;  // kTcp or kUdp.
  // Ascending, disjoint, not adjacent, without `port`; 510 ports at most.
  std::vector<PortRange> extra_ports;
  bool enabled = true;
  Schedule schedule = Schedule::kRoundRobin;
  Fill fill = Fill::kLoadMaster;
  // Stands in for the ESTABLISHED and the UDP timeout. Never zero.
  absl::Duration idle_timeout = absl::Seconds(660);
  absl::Duration slow_start = absl::ZeroDuration();  // For lc and wlc.
  Persistence persistence;
  HealthCheck check;
  uint32_t servers_min = 1;         // Up only with this many servers available.
  std::vector<RealServer> servers;  // All of the address's family.
  std::optional<SorryServer> sorry_server;

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
  HighAvailability ha;
  std::vector<VirtualService> services;

  friend bool operator==(const Model&, const Model&) = default;
};

}  // namespace ballast::config

#endif  // LB_CONFIG_MODEL_H_
