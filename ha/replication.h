// What the parts of replication share: its settings, the owner it speaks
// through, and what it counts. The manual is replicator.h.
#ifndef HA_REPLICATION_H_
#define HA_REPLICATION_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/time/time.h"
#include "ha/l7_table.h"
#include "ha/state_table.h"
#include "io/base/instant.h"

namespace ballast::ha {

struct ReplicatorStats {
  uint64_t records_sent = 0;
  uint64_t datagrams_sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t datagrams_received = 0;
  uint64_t records_received = 0;
  ApplyCounts applied;
  uint64_t gaps = 0;           // Times a datagram was missing.
  uint64_t repaired = 0;       // Datagrams that came after being asked for.
  uint64_t resent = 0;         // Datagrams sent again.
  uint64_t repair_failed = 0;  // The leader no longer had it.
  uint64_t duplicates = 0;     // Had it already: not applied again.
  uint64_t outdated = 0;  // Of a role or transfer that is over or not begun.
  uint64_t malformed = 0;
  uint64_t table_not_ready = 0;  // Times it was left for later (Ready()).
  uint64_t overflow = 0;         // Changes dropped by a full queue (R5).
  uint64_t left_untold = 0;      // Hand-overs that could not tell all (R7).
  uint64_t too_early = 0;  // Datagrams too far ahead of a missing one to keep.
  uint64_t requests = 0;   // For the whole table, sent or received.
  uint64_t sums_compared = 0;
  uint64_t sums_differed = 0;
  uint64_t transfers_begun = 0;  // As leader or follower.
  uint64_t transfers_complete = 0;
  uint64_t transfer_records = 0;  // Of the current or last one, so far
  uint64_t transfer_total = 0;    // of about so many.
};

class ReplicationHost {
 public:
  virtual ~ReplicationHost() = default;
  // To the partner; may be lost.
  virtual void SendSync(Instant now, std::span<const uint8_t> payload) = 0;
  // False: no stream, or no room in it now; try again later.
  virtual bool SendStream(Instant now, std::span<const uint8_t> payload) = 0;
};

// The bounds are no settings of an operator's: they decide what a bad day
// costs, never what is lost, and fit any pair. queue_max: 4096 datagrams, some
// 150,000 records, can be sent again; a follower that lacks older ones takes
// the whole table anew. burst_max: 64 a millisecond, 90 MB/s, is more than
// packet threads find to tell, and no more than a socket's buffer holds.
// alone_after: longer than any restart of the partner's; to be wrong costs one
// whole table.
struct ReplicationOptions {
  bool l4 = true;  // Inter HA L4 TCP Connection Updates.
  // Inter HA L7 Persistence Updates; null: none are told or taken. Outlives
  // what it is given to.
  L7Table* l7 = nullptr;
  size_t payload_max = 1400;  // Of a datagram, before it is sealed; >= 256.
  size_t queue_max = 4096;    // Datagrams.
  size_t burst_max = 64;
  // A partly filled datagram is sent when its first record is this old.
  absl::Duration flush_after = absl::Milliseconds(10);
  absl::Duration repair_after = absl::Milliseconds(5);
  // The owner says when the table has changes (OnTableChanged()); else a leader
  // looks for them twice in flush_after.
  bool told_of_changes = false;
  absl::Duration sum_period = absl::Seconds(1);
  // A leader without a stream for so long has nobody to tell.
  absl::Duration alone_after = absl::Minutes(1);
  uint8_t syncid = 0;
  uint64_t seed = 0;  // Makes transfer ids.
};

// Of both tables.
inline uint64_t ChangesLost(const ReplicationOptions& options,
                            const StateTable& table) {
  return table.changes_lost() +
         (options.l7 == nullptr ? 0 : options.l7->changes_lost());
}

}  // namespace ballast::ha

#endif  // HA_REPLICATION_H_
