// Gives all of both tables to the partner, by stream: L7 entries, then
// connections, in pieces with the changes between them (R2), at the pace the
// stream takes them.
//
// Cost     at most kMessagesPerPump messages a call, some 30 KB each.
// Threads  one.
#ifndef HA_TABLE_GIVER_H_
#define HA_TABLE_GIVER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "ha/l7_record.h"
#include "ha/l7_table.h"
#include "ha/outgoing_changes.h"
#include "ha/replication.h"
#include "ha/state_table.h"
#include "ha/sync_datagram.h"
#include "io/base/instant.h"

namespace ballast::ha {

class TableGiver {
 public:
  static constexpr int kMessagesPerPump = 16;

  TableGiver(const ReplicationOptions& options, StateTable& table,
             OutgoingChanges& outgoing, ReplicatorStats& stats);

  // The tables tell from here on.
  void Start(Instant now, uint64_t id, bool merge);
  void Stop() { stage_ = Stage::kNone; }
  // Ends it with the advice to ask anew, unless its end is already on its way
  // (false) or nothing was said yet.
  bool Break();

  bool giving() const { return stage_ != Stage::kNone; }
  uint64_t id() const { return id_; }
  bool merge() const { return merge_; }
  // Of ChangesLost(), what has been counted.
  uint64_t lost() const { return lost_; }

  enum class Outcome : uint8_t {
    kMore,     // Pump() again soon.
    kBlocked,  // The stream has no room.
    kEnded,    // The end was sent; changes may follow by datagram.
    kBroken,   // Changes were lost; the follower asks again.
  };
  Outcome Pump(Instant now, absl::FunctionRef<bool(std::span<const uint8_t>)>);

 private:
  // Of the next message, or once it is prepared, what comes after it.
  enum class Stage : uint8_t {
    kNone,
    kBegin,
    kTable,
    kChanges,
    kEnd,     // Is prepared.
    kBreak,   // Comes next.
    kBroken,  // Is prepared.
  };

  // The next message into pending_.
  void Prepare(Instant now);
  // False: there are none.
  bool PrepareChanges(Instant now);
  bool PrepareEntryChanges(Instant now);
  void PrepareRecords(Instant now);
  // What changes_ has becomes the next message.
  void TakePacked();
  void PrepareMessage(std::vector<uint8_t> message);

  const ReplicationOptions& options_;
  StateTable& table_;
  OutgoingChanges& outgoing_;
  ReplicatorStats& stats_;

  Stage stage_ = Stage::kNone;
  uint64_t id_ = 0;
  bool merge_ = false;
  L7Table::Cursor entry_cursor_;
  StateTable::Cursor cursor_;
  TableSummary sum_;
  uint64_t lost_ = 0;
  uint32_t turn_ = 0;  // Pieces of the tables and changes of either take turns.
  std::vector<SyncRecord> batch_;
  std::vector<L7Record> entries_;
  SyncPacker changes_;
  SyncPacker records_;
  std::vector<uint8_t> message_;
  std::span<const uint8_t> pending_;  // Into one of the three.
};

}  // namespace ballast::ha

#endif  // HA_TABLE_GIVER_H_
