// Keeps the partner's tables equal to this unit's, or this unit's to the
// partner's: a leader tells, a follower is told.
//
// Pure: bytes go in and out through Host, tables through StateTable and
// L7Table. What is said is sealed and proven fresh by the owner before it gets
// here.
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
// R2  while the tables are given, changes go into the same stream between its
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
// R7  a connection that was not worth telling yet is told before the role is
//     handed over: while the leader still serves, TellAll(), at the usual pace;
//     and what began since, at Finish(). More than queue_max datagrams at
//     Finish() are not sent: what then remains untold is lost, and counted.
// R8  L7 entries are part of the whole table and of the changes, at Finish()
//     too; no sum has them. One that went while the follower was away goes
//     there too, once a whole table has come without it.
//
// complete()  a follower that has all of the table, no change missing, and sums
//     that agreed when last compared. (A position heard of counts as missing
//     once it is repair_after late: adverts overtake datagrams.)
//
// Positions count datagrams, from 1 in each leadership: its number is in their
// upper 20 bits. A unit's leadership grows whenever it begins to lead, and
// whenever it ceases to tell while it leads; so no position of before can be
// taken for one of now, and a follower that hears of a later leadership than
// the one it follows knows that it must ask anew. (Those of an earlier start of
// the partner never get here: boot ids.)
//
// Payloads (big endian). A sync datagram: position (8), then sections.
//   section: type (1), 0 (1), length (2), bytes
//     1  an IPVS version 1 message (ipvs_wire.h), detail as its option
//     2  connections gone, 38 or 14 bytes each: protocol (1), v6 (1), client
//        and virtual endpoint (address 16 or 4, port 2)
//     3  an L7 persistence entry (l7_record.h)
//     4  sum: count (8), digest (8). The last section.
//     5  ask anew: changes were lost (R5), or a resync. The last section.
//   position 0: no change, but at most 32 sections of
//     16 of a follower, repair: first (8), last (8)
//     17 of a leader, these it does not have any more: first (8), last (8)
// Stream messages: type (1), then
//     32 request: transfer id (8)
//     33 begin: id (8), 0 replace or 1 merge (1), records about (8), position
//        (8) which the changes in it follow
//     34 a datagram's bytes, in its place
//     35 records: sections 1
//     36 end: id (8), position (8), count (8), digest (8)
//     37 done: id (8), 0 equal or 1 not (1), count (8), digest (8)
//   A transfer begins only as the answer to the last request, by its id; a
//   merge needs none. A follower whose transfer failed or whose sums differ
//   asks at once if it did not for a while, else after a pause: 1 s, doubled
//   each time up to 60 s, until a sum agrees.
//
// Bounds   outgoing: queue_max datagrams kept for repair; incoming: as many out
//          of order. Pacing: burst_max datagrams each millisecond, and what a
//          stream takes.
// Errors   what cannot be decoded is dropped and counted.
// Threads  one.
#ifndef HA_REPLICATOR_H_
#define HA_REPLICATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "ha/replication.h"
#include "ha/state_table.h"
#include "io/base/instant.h"

namespace ballast::ha {

class Replicator {
 public:
  using Host = ReplicationHost;
  using Options = ReplicationOptions;

  // `table` and `host` outlive it.
  Replicator(const Options& options, StateTable& table, Host& host);
  ~Replicator();

  // -- Roles. It begins idle. -----------------------------------------------
  void Lead(Instant now);
  // The partner leads. Asks for its table when the stream is there.
  void Follow(Instant now);
  // Follower: nothing more comes; what is there is kept. Leader: tells no more.
  void Idle(Instant now);
  // R7. Leader, soon to yield: begins to tell what is not told. Serve on until
  // it is done or for as long as the claimant waits.
  void TellAll(Instant now);
  bool telling_all() const;
  // Leader, about to yield: sends all changes, what is not told, and a sum now.
  // position() is final then. Resends go on until the next role.
  void Finish(Instant now);
  // R6. Leader: gives its table to a leader; `done(complete)` is called once,
  // in any of the calls here, at the latest at the next role. Without a stream
  // it waits for one.
  void GiveTable(Instant now, std::function<void(bool complete)> done);
  // Leader: gives the follower everything anew ("resync").
  void Resync(Instant now);

  // -- Events ---------------------------------------------------------------
  void OnSync(Instant now, std::span<const uint8_t> payload);
  void OnStreamUp(Instant now);
  void OnStreamDown(Instant now);
  void OnStream(Instant now, std::span<const uint8_t> payload);
  void OnLeaderPosition(Instant now, uint64_t position);  // R4.
  // The table has changes to take (told_of_changes). Costs nothing.
  void OnTableChanged(Instant now);
  // At deadline(), or any time. Without told_of_changes a leader's deadline()
  // is never far: it has to look for the table's changes.
  void Tick(Instant now);
  Instant deadline() const;

  // -- Outcome --------------------------------------------------------------
  // Leader: of the last datagram sent, also after Finish(). Follower: of the
  // last one applied; 0 while it has no whole table.
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
