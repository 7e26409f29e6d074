// What a balancer says of itself when asked: counts since it was made, and what
// is so now. Balancer::GetStatistics() makes one; examples/ballastd prints it,
// lb/admin shows it.
//
// Counts only grow while the process lives, but for those called "now". Rates
// are over the last second or so.
#ifndef LB_STATISTICS_H_
#define LB_STATISTICS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "lb/config/model.h"
#include "lb/l7/application.h"

namespace ballast {

struct Traffic {
  uint64_t connections = 0;         // Ever opened; at layer 7 of clients, and
                                    // of ours to a server.
  uint64_t active_connections = 0;  // Open and not closing.
  uint64_t open_connections = 0;    // In the connection table.
  uint64_t packets_in = 0;          // From clients.
  uint64_t bytes_in = 0;            // Of IP packets; at layer 7 of contents.
  uint64_t packets_out = 0;         // From servers; none seen with DSR.
  uint64_t bytes_out = 0;
  // Layer 7, where a server's active and open connections are these: requests
  // and streams, ever, that no limit refused; those that went by a persistence
  // entry.
  uint64_t requests = 0;
  uint64_t persisted = 0;
  // Over the last second or so.
  double connections_per_second = 0;
  double requests_per_second = 0;
  double packets_per_second = 0;  // Both ways.
  double bytes_per_second = 0;
};

struct ServerStatistics {
  std::string name;
  Endpoint endpoint;
  uint32_t weight = 0;  // As it is now, where the schedule moves it.
  config::AdminState state = config::AdminState::kEnabled;
  bool up = false;
  std::string reason;        // Why it is up or down: "HTTP status 503".
  uint64_t unchanged_s = 0;  // Seconds since that changed, or it is known.
  bool sorry = false;        // The service's sorry server.
  bool removed = false;      // Gone from the configuration; flows remain.
  std::string sub_service;   // Whose it is; empty: the service's own.
  uint32_t persistence_entries = 0;  // Of layer 7.
  Traffic traffic;
};

struct ServiceStatistics {
  std::string name;
  Address address;
  uint16_t port = 0;
  Protocol protocol = Protocol::kTcp;
  bool proxy = false;  // Of layer 7.
  bool enabled = true;
  bool up = false;
  uint64_t refused = 0;    // New flows nothing could take.
  uint64_t stateless = 0;  // Packets forwarded by hash: the table was full.
  // Layer 7: connections and requests refused, by the limit they exceeded, as
  // ballast.proto calls it ("l7." before it: the unit's); those that occurred.
  std::vector<std::pair<std::string, uint64_t>> limited;
  Traffic traffic;                        // Of its servers together.
  l7::ApplicationStatistics application;  // Of Options::application.
  // Persistence mode UDP_SIP: datagrams that followed an entry, and those that
  // lacked the header field.
  uint64_t followed = 0;
  uint64_t keyless = 0;
  std::vector<ServerStatistics> servers;
  // Of a proxy (layer 7): requests, how they ended, what was refused and why;
  // by name, those that occurred. client_tls_X and server_tls_X: TLS that
  // failed with clients, and with servers at the handshake; X is a reason as
  // tls::SessionErrorName() has it, or "unfinished" (reset, or too slow).
  std::vector<std::pair<std::string, uint64_t>> events;
};

// A change of the unit's role.
struct RoleChangeStatistics {
  double seconds_ago = 0;
  std::string from;
  std::string to;
  std::string reason;
  bool incomplete = false;  // Took over without having everything.
};

// The unit's part in a pair; without one, `configured` alone is told.
struct PairStatistics {
  bool configured = false;
  // The partner is of another make: `complete`, `lag`, `repaired`,
  // `took_over_incomplete` and the transfer are not known.
  bool plain = false;
  std::string role;     // "active", "standby", ...
  std::string reason;   // Why it has it.
  std::string status;   // What the status icon stands for.
  std::string partner;  // The same of the partner.
  // The icons: "green_a", "green", "red", "blue" or "grey"; empty: none.
  std::string icon;
  std::string partner_icon;
  bool complete = false;  // Standby: the table is the active unit's.
  uint64_t lag = 0;       // Standby: datagrams behind.
  uint64_t role_changes = 0;
  std::vector<RoleChangeStatistics> last_role_changes;  // Oldest first.
  uint64_t took_over_incomplete = 0;
  uint64_t records_sent = 0;
  uint64_t records_received = 0;
  uint64_t left_untold = 0;  // Hand-overs that could not tell everything.
  uint64_t repaired = 0;     // Datagrams that were lost and came again.
  uint64_t overflow = 0;     // Changes a full queue dropped.
  uint64_t send_failed = 0;  // Messages the kernel did not take.
  // Persistence entries of layer 7 (ha.l7_updates).
  uint64_t l7_told = 0;
  uint64_t l7_taken = 0;
  uint64_t l7_stale = 0;          // Ours was newer, or theirs had expired.
  uint64_t l7_dropped = 0;        // No room, or no such service or server.
  uint64_t l7_waiting = 0;        // Now, for a configuration with their server.
  uint64_t transfer_records = 0;  // Of the table given or taken, so far,
  uint64_t transfer_total = 0;    // of about so many.
  // Messages that were not the partner's, or not new; of a plain partner what
  // was no good to it, too; by reason those that occurred.
  uint64_t refused = 0;
  std::vector<std::pair<std::string, uint64_t>> refused_by_reason;
};

// Connections shared with a conntrackd (connection_sync); `enabled` alone, if
// it is not.
struct ConnectionSyncStatistics {
  bool enabled = false;
  bool peer_heard = false;  // Of late; in mode ALARM ever.
  // Bytes, as the kernel gave them.
  uint64_t send_buffer = 0;
  uint64_t receive_buffer = 0;
  uint64_t entries_sent = 0;
  uint64_t entries_received = 0;
  // What became of those received: connections made, changed, ended; left
  // alone, since they are ours by now; of no server that is configured here.
  uint64_t created = 0;
  uint64_t updated = 0;
  uint64_t removed = 0;
  uint64_t stale = 0;
  uint64_t unbound = 0;
  // Mode FTFW: connections whose last news the peer has not acknowledged, and
  // since when.
  uint64_t lag = 0;
  absl::Duration lag_age = absl::ZeroDuration();
  uint64_t repeated = 0;  // Sent again, as the peer asked.
  uint64_t lost = 0;      // Numbers that did not come from the peer in order.
  uint64_t peer_starts = 0;
  uint64_t overflow = 0;     // What full queues dropped; all is told anew then.
  uint64_t send_failed = 0;  // Datagrams the kernel did not take.
  // Messages that were no good, and connections that no service here could
  // have; by reason those that occurred.
  uint64_t refused = 0;
  std::vector<std::pair<std::string, uint64_t>> refused_by_reason;
};

struct Statistics {
  std::vector<ServiceStatistics> services;
  uint64_t frames_received = 0;
  uint64_t frames_sent = 0;
  uint64_t packets_forwarded = 0;
  uint64_t packets_punted = 0;
  uint64_t packets_answered = 0;  // ARP, ND, echo, ICMP errors of our own.
  uint64_t resets_sent = 0;
  uint64_t address_conflicts = 0;
  uint64_t fragments_evicted = 0;  // Datagrams a full fragment table gave up.
  uint64_t connections = 0;        // In the tables now.
  // Persistence entries of layer 7 and of mode UDP_SIP: there now, and those
  // that there was no room for.
  uint64_t persistence_keys = 0;
  uint64_t persistence_keys_refused = 0;
  // Frames dropped by the director, by reason; reasons that occurred.
  std::vector<std::pair<std::string, uint64_t>> drops;
  // Frames lost outside it: before us, and by the output.
  uint64_t kernel_receive_dropped = 0;
  uint64_t kernel_send_refused = 0;
  // Of all proxies (layer 7): clients' connections, and idle ones to servers.
  // limits_clients_full: times a client passed without limits of its own, since
  // too many others had some.
  std::vector<std::pair<std::string, uint64_t>> proxy_events;
  uint64_t generation = 0;
  bool active = false;
  PairStatistics pair;
  ConnectionSyncStatistics connection_sync;
};

// The host itself, whatever else runs on it; as it was over the last interval.
struct HostStatistics {
  // Percent of the time. What other machines on the same hardware took is in
  // none of them.
  struct Cpu {
    std::string name;  // "total" first, then "cpu0" and on.
    double user = 0;
    double system = 0;
    double idle = 0;
    double io_wait = 0;
    double interrupts = 0;
    double soft_interrupts = 0;
  };
  struct Link {
    std::string name;
    uint32_t index = 0;
    uint32_t speed_mbit = 0;  // 0: it does not say.
    uint64_t bytes_in = 0;    // Ever.
    uint64_t bytes_out = 0;
    double bytes_in_per_second = 0;
    double bytes_out_per_second = 0;
  };
  struct Disk {
    std::string folder;  // That is on it.
    uint64_t total = 0;  // Bytes.
    uint64_t free = 0;
  };
  std::vector<Cpu> cpus;
  uint64_t memory_used = 0;  // Bytes.
  uint64_t memory_free = 0;  // To programs: what caches would give up, too.
  std::vector<Link> links;   // Without the loopback.
  std::vector<Disk> disks;
};

}  // namespace ballast

#endif  // LB_STATISTICS_H_
