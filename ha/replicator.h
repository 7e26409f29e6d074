// Keeps the partner's tables equal to this unit's, or this unit's to the
// partner's: a leader tells, a follower is told.
//
// Pure: bytes go in and out through Host, tables through StateTable. What is
// said is sealed and proven fresh by the owner before it gets here.
//
//   leader                                     follower
//     <- request ------------------------------  (on becoming follower)
//     -- begin, records, changes..., end ------>  stream, in order
//     <- done (sums equal or not) --------------
//     -- changes: datagrams 1, 2, 3 ... -------->  lossy, any order
//     <- repair 2..2 ---------------------------  a datagram is missing
//     -- change 2 again ------------------------>
//
// R1  a follower applies changes in the order of their positions, no other way.
//     A missing one is asked for again; one the leader no longer has, or a sum
//     that differs, makes it ask for the whole table (with growing pauses).
// R2  while a table is given, changes go into the same stream between its
//     pieces; its end names the position from which datagrams count.
// R3  every second, and at Finish(), the leader adds the sum of its table (what
//     is told: state_table.h) to the changes; the follower compares at that
//     very position.
// R4  the owner puts position() into its adverts, so that the loss of the last
//     datagram is noticed too: OnLeaderPosition().
// R5  nothing waits: a full outgoing queue drops changes, counts them, and has
//     the follower ask for the table again.
// R6  merging: the yielding unit of a healed split gives its table to one that
//     is itself a leader. Records are added or ignored, none is removed.
//
// complete()  a follower that has all of the table, no change missing, and sums
//     that agreed when last compared.
//
// Payloads (big endian). A sync datagram: position (8), then sections.
//   section: type (1), 0 (1), length (2), bytes
//     1  an IPVS version 1 message (ipvs_wire.h), detail as its option
//     2  connections gone, 37 or 13 bytes each (protocol, v6, client, virtual)
//     3  an L7 persistence entry (l7_record.h)
//     4  sum: count (8), digest (8)
//   position 0: a request of the follower: type 16 = repair: first (8), last
//   (8)
// Stream messages: type (1), then
//     32 request: transfer id (8)      33 begin: id (8), 0 replace or 1 merge,
//                                         records about (8)
//     34 a datagram's bytes, in its place
//     35 records: sections 1           36 end: id, position (8), count, digest
//     37 done: id (8), 0 equal, 1 not; count, digest
//
// Bounds   outgoing: queue_max datagrams kept for repair; incoming: as many out
//          of order. Pacing: burst_max datagrams each millisecond.
// Errors   what cannot be decoded is dropped and counted.
// Threads  one.
#ifndef HA_REPLICATOR_H_
#define HA_REPLICATOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ha/l7_record.h"
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
  uint64_t malformed = 0;
  uint64_t overflow = 0;  // Changes dropped by a full queue (R5).
  uint64_t sums_compared = 0;
  uint64_t sums_differed = 0;
  uint64_t transfers_begun = 0;  // As leader or follower.
  uint64_t transfers_complete = 0;
  uint64_t transfer_records = 0;  // Of the current or last one, so far
  uint64_t transfer_total = 0;    // of about so many.
};

class Replicator {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    // To the partner; may be lost.
    virtual void SendSync(Instant now, std::span<const uint8_t> payload) = 0;
    // False: no stream, or no room in it now; try again later.
    virtual bool SendStream(Instant now, std::span<const uint8_t> payload) = 0;
    // An L7 entry of the partner.
    virtual void ApplyL7(Instant now, const L7Record& record) = 0;
  };

  struct Options {
    bool l4 = true;  // Inter HA L4 TCP Connection Updates.
    bool l7 = false;
    size_t payload_max = 1400;  // Of a datagram, before it is sealed.
    size_t queue_max = 4096;    // Datagrams.
    size_t burst_max = 64;
    // A partly filled datagram is sent when its first record is this old.
    absl::Duration flush_after = absl::Milliseconds(10);
    absl::Duration repair_after = absl::Milliseconds(5);
    absl::Duration sum_period = absl::Seconds(1);
    uint8_t syncid = 0;
    uint64_t seed = 0;  // Makes transfer ids.
  };

  // `table` and `host` outlive it.
  Replicator(const Options& options, StateTable& table, Host& host);
  ~Replicator();

  // -- Roles. It begins idle. -----------------------------------------------
  void Lead(Instant now);
  // The partner leads. Asks for its table when the stream is there.
  void Follow(Instant now);
  // Follower: nothing more comes; what is there is kept. Leader: tells no more.
  void Idle(Instant now);
  // Leader, about to yield: sends all changes and a sum now. position() is
  // final then. Resends go on until the next role.
  void Finish(Instant now);
  // R6. Leader: gives its table to a leader; `done(complete)` is called once.
  void GiveTable(Instant now, std::function<void(bool complete)> done);
  // Leader: gives the follower everything anew ("resync").
  void Resync(Instant now);

  // Tells of an L7 entry (leader with l7; else ignored).
  void TellL7(Instant now, const L7Record& record);

  // -- Events ---------------------------------------------------------------
  void OnSync(Instant now, std::span<const uint8_t> payload);
  void OnStreamUp(Instant now);
  void OnStreamDown(Instant now);
  void OnStream(Instant now, std::span<const uint8_t> payload);
  void OnLeaderPosition(Instant now, uint64_t position);  // R4.
  // At deadline(), or any time; a leader at least every few milliseconds, to
  // take the table's changes.
  void Tick(Instant now);
  Instant deadline() const;

  // -- Outcome --------------------------------------------------------------
  // Leader: of the last datagram sent. Follower: of the last one applied.
  uint64_t position() const;
  bool complete() const;
  // Follower: how far behind the leader's last known position, in datagrams.
  uint64_t lag() const;
  const ReplicatorStats& stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ballast::ha

#endif  // HA_REPLICATOR_H_
