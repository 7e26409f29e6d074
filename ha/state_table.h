// The tables of a unit as the pair sees them: a source of changes to tell the
// partner, and a place to put what the partner tells.
//
// Implemented by lb/l4 over the director's tables, by lb/run over several
// packet threads' directors, and by fakes in tests.
//
// Told   a connection is "told" from the moment a record of it was returned by
//        TakeChanges() or Export(), or taken by Apply(), until its kGone record
//        was. Both ends sum up what is told: equal sums, equal tables.
//        (Templates expire by each unit's own clock, and are not in the sum.)
// Cost   whatever the tables cost; called on the control thread, never on the
//        packet path.
// Threads  one.
#ifndef HA_STATE_TABLE_H_
#define HA_STATE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "ha/sync_record.h"
#include "io/base/instant.h"

namespace ballast::ha {

// The sum does not depend on order: of each told connection, IdentityHash().
struct TableSummary {
  uint64_t count = 0;
  uint64_t digest = 0;  // Modulo 2^64.

  friend bool operator==(const TableSummary&, const TableSummary&) = default;
};

// Of (protocol, client, virtual service, server): equal on both units. Not
// secret and not keyed: it is compared, never indexed by.
uint64_t IdentityHash(const SyncRecord& record);

struct ApplyCounts {
  uint64_t created = 0;
  uint64_t updated = 0;
  uint64_t removed = 0;
  uint64_t unbound = 0;  // Kept until its service or server is configured.
  uint64_t stale = 0;    // Left alone: what we have is newer.
  uint64_t refused = 0;  // No room, or nothing this unit could ever serve.

  ApplyCounts& operator+=(const ApplyCounts& other);
};

class StateTable {
 public:
  virtual ~StateTable() = default;

  // -- Telling ------------------------------------------------------------

  // Whether the calls of this part are answered at once. False: a packet thread
  // does not run just now; a leader with nothing urgent to tell asks again in a
  // moment and sends its adverts meanwhile, for a call would wait.
  virtual bool Ready() { return true; }

  // Moves the oldest changes into `records`; returns how many. 0: none left, or
  // the Mark() was reached, which that 0 clears.
  virtual size_t TakeChanges(Instant now, std::span<SyncRecord> records) = 0;
  // The sum of what is told once all changes up to now have been taken.
  // TakeChanges() then stops exactly there, once.
  virtual TableSummary Mark(Instant now) = 0;
  // Changes dropped because the queue to here was full, ever. When it grows,
  // the follower must be given everything anew.
  virtual uint64_t changes_lost() const = 0;

  // Everything worth telling, in pieces: begins with a default cursor, done
  // when cursor.done. StartTelling() first: from then on nothing is told, and
  // what Export() returns is. Records have detail.
  //
  // only_untold: of a table that tells, what is not told, worth it or not: a
  // connection of one packet, a persistence entry nobody asked about. Not
  // between a Mark() and the 0 at which TakeChanges() reaches it: the sum would
  // lack what is returned.
  struct Cursor {
    uint64_t position[2] = {};
    bool done = false;
    bool only_untold = false;
  };
  virtual void StartTelling(Instant now) = 0;
  // Nobody follows: no more changes, and those not yet taken are dropped. So it
  // begins.
  virtual void StopTelling(Instant now) = 0;
  virtual size_t Export(Instant now, Cursor& cursor,
                        std::span<SyncRecord> records) = 0;
  // About how many records Export() will give; for progress.
  virtual uint64_t size() const = 0;

  // -- Being told ---------------------------------------------------------

  // A whole table follows. What was told before and is not told again before
  // EndReplace(true) is removed then; EndReplace(false) keeps it.
  virtual void BeginReplace(Instant now) = 0;
  virtual void EndReplace(Instant now, bool complete) = 0;
  // Creates, updates, removes. Each record takes effect whole or not at all.
  virtual ApplyCounts Apply(Instant now,
                            std::span<const SyncRecord> records) = 0;
};

}  // namespace ballast::ha

#endif  // HA_STATE_TABLE_H_
