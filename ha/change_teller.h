// Takes the tables' changes, packs them into datagrams and sends these at the
// allowed pace, with a sum now and then (R3) or the advice to ask anew (R5).
//
// Cost     a Tell(): at most 3 * kTakeMax changes.
// Threads  one.
#ifndef HA_CHANGE_TELLER_H_
#define HA_CHANGE_TELLER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ha/l7_record.h"
#include "ha/outgoing_changes.h"
#include "ha/replication.h"
#include "ha/state_table.h"
#include "ha/sync_datagram.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ChangeTeller {
 public:
  static constexpr size_t kTakeMax = 4096;

  ChangeTeller(const ReplicationOptions& options, StateTable& table,
               ReplicationHost& host, OutgoingChanges& outgoing, Pacer& pacer,
               ReplicatorStats& stats);

  // A transfer has ended. `lost`: ChangesLost() as far as the follower knows of
  // it.
  void Start(Instant now, uint64_t lost);
  // What was taken and not sent yet is not sent.
  void Stop();

  void Tell(Instant now);
  // The table has changes: soon they are told.
  void OnTableChanged(Instant now);
  // R7: what is there and was not worth telling is told as well, with the next
  // Tell()s, beginning at the table's front.
  void TellAll();
  bool telling_all() const { return untold_.has_value(); }
  // All that is left and all that is not told, with a sum, at whatever pace but
  // no more datagrams than can be sent again. What is left then is counted.
  void Finish(Instant now);

  // With the next datagram.
  void AskAnew() { ask_anew_ = true; }

  // When to Tell() again.
  Instant deadline(Instant now) const;

 private:
  // Changes into datagrams, up to a Mark() if there is one. True: none left.
  bool TakeChanges(Instant now, bool paced);
  // The same of L7 entries.
  bool TakeEntries(Instant now, bool paced);
  // Of what is not told, by untold_. True: none left.
  bool TakeUntold(Instant now, bool paced);
  void NoticeLoss();
  void Flush(Instant now);
  template <typename Thing>
  void Pack(Instant now, const Thing& thing);
  void PackSum(Instant now);

  const ReplicationOptions& options_;
  StateTable& table_;
  ReplicationHost& host_;
  OutgoingChanges& outgoing_;
  Pacer& pacer_;
  ReplicatorStats& stats_;

  SyncPacker packer_;
  Instant packed_;  // When the first of its records was.
  std::vector<SyncRecord> batch_;
  std::vector<L7Record> entries_;
  Instant entries_at_;    // When to look for their changes.
  bool backlog_ = false;  // More to take than the pace allowed.
  Instant look_at_;       // For changes.
  uint64_t lost_ = 0;
  bool ask_anew_ = false;
  std::optional<StateTable::Cursor> untold_;  // R7, under way.
  std::optional<TableSummary> sum_;  // Of the Mark() that is not reached yet.
  Instant next_sum_;
};

}  // namespace ballast::ha

#endif  // HA_CHANGE_TELLER_H_
