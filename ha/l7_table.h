// The persistence entries of a unit's L7 services as the pair sees them: a
// source of entries to tell the partner, and a place to put what the partner
// tells. Implemented by lb/run over persist::KeyStore, and by fakes in tests.
//
// There is no sum as in state_table.h: entries expire by each unit's own clock,
// and one that is missing costs a client its server, not its connection.
//
// Threads  one.
#ifndef HA_L7_TABLE_H_
#define HA_L7_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "ha/l7_record.h"
#include "io/base/instant.h"

namespace ballast::ha {

class L7Table {
 public:
  virtual ~L7Table() = default;

  // -- Telling ------------------------------------------------------------

  // From here on changes are kept to be told. Those kept before are dropped.
  virtual void StartTelling() = 0;
  virtual void StopTelling() = 0;
  // Moves changes into `records`; returns how many. 0: none left. Of an entry
  // the last one comes last.
  virtual size_t TakeChanges(Instant now, std::span<L7Record> records) = 0;
  // Changes for which there was no room, ever. When it grows, the follower must
  // be given everything anew.
  virtual uint64_t changes_lost() const = 0;

  // Every entry, in pieces: begins with a default cursor, done when
  // cursor.done. A piece may be of none.
  struct Cursor {
    uint64_t position = 0;
    bool done = false;
  };
  virtual size_t Export(Instant now, Cursor& cursor,
                        std::span<L7Record> records) = 0;
  // About how many records Export() will give; for progress.
  virtual uint64_t size() const = 0;

  // -- Being told ---------------------------------------------------------

  // A whole table follows. What is there now, and neither is told nor changes
  // before EndReplace(true), goes then, or within minutes; EndReplace(false)
  // keeps it.
  virtual void BeginReplace(Instant now) = 0;
  virtual void EndReplace(Instant now, bool complete) = 0;
  virtual void Apply(Instant now, const L7Record& record) = 0;
};

}  // namespace ballast::ha

#endif  // HA_L7_TABLE_H_
