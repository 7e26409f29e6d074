// One director's tables as the pair sees them, for whoever runs it on his own
// thread: the simulator, tests, a unit without packet threads.
//
// What it tells and how is the director's SetSync(); whether what came by sync
// ends by the partner's word alone, its SetFollowing().
//
// Changes  those of a connection that Export() returns are newer than what
//          TakeChanges() has not given yet: that is taken back. Do not export
//          between a Mark() and the 0 at which TakeChanges() reaches it: the
//          sum would lack what was exported.
// Threads  the director's.
#ifndef LB_L4_DIRECTOR_STATE_TABLE_H_
#define LB_L4_DIRECTOR_STATE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "ha/state_table.h"
#include "lb/l4/director.h"

namespace ballast::l4 {

class DirectorStateTable : public ha::StateTable {
 public:
  // Not owned; outlives this.
  explicit DirectorStateTable(Director& director) : director_(director) {}

  size_t TakeChanges(Instant now, std::span<ha::SyncRecord> records) override {
    return director_.TakeChanges(now, records);
  }
  ha::TableSummary Mark(Instant now) override { return director_.Mark(now); }
  uint64_t changes_lost() const override { return director_.changes_lost(); }

  void StartTelling(Instant now) override { director_.StartTelling(now); }
  void StopTelling(Instant now) override { director_.StopTelling(now); }
  size_t Export(Instant now, Cursor& cursor,
                std::span<ha::SyncRecord> records) override {
    return director_.Export(now, cursor, records);
  }
  uint64_t size() const override { return director_.state_size(); }

  void BeginReplace(Instant now) override { director_.BeginReplace(now); }
  void EndReplace(Instant now, bool complete) override {
    director_.EndReplace(now, complete);
  }
  ha::ApplyCounts Apply(Instant now,
                        std::span<const ha::SyncRecord> records) override {
    return director_.Apply(now, records);
  }

 private:
  Director& director_;
};

}  // namespace ballast::l4

#endif  // LB_L4_DIRECTOR_STATE_TABLE_H_
