// Takes what the partner tells into this unit's tables: single datagrams, and
// the whole table that a transfer brings.
//
// Errors   what cannot be decoded is counted as malformed and touches nothing.
// Threads  one.
#ifndef HA_TABLE_TAKER_H_
#define HA_TABLE_TAKER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "ha/replication.h"
#include "ha/state_table.h"
#include "ha/sync_datagram.h"
#include "ha/transfer_wire.h"
#include "io/base/instant.h"

namespace ballast::ha {

// Decodes all of a datagram, then applies all of it.
class SyncApplier {
 public:
  SyncApplier(const ReplicationOptions& options, StateTable& table,
              ReplicatorStats& stats)
      : options_(options), table_(table), stats_(stats) {}

  // False: malformed, and counted.
  bool Read(std::span<const uint8_t> sections);
  // What Read() found. With `merge` nothing is removed (R6).
  void Apply(Instant now, bool merge);
  const SyncContent& content() const { return content_; }

 private:
  const ReplicationOptions& options_;
  StateTable& table_;
  ReplicatorStats& stats_;
  SyncContent content_;
};

class TableTaker {
 public:
  // What a message of a transfer was.
  enum class Outcome : uint8_t { kTaken, kIgnored, kFailed };

  TableTaker(const ReplicationOptions& options, StateTable& table,
             SyncApplier& applier, ReplicatorStats& stats)
      : options_(options), table_(table), applier_(applier), stats_(stats) {}

  bool taking() const { return taking_; }
  bool merging() const { return taking_ && begin_.merge; }
  // One under way is abandoned.
  void Begin(Instant now, const TransferBegin& begin);
  // Keeps what is there.
  void Abandon(Instant now);

  // kIgnored: none is under way, or another. kFailed: it makes no sense, and
  // is abandoned.
  Outcome OnChanges(Instant now, std::span<const uint8_t> datagram);
  Outcome OnRecords(Instant now, std::span<const uint8_t> sections);
  // kTaken: all is here.
  Outcome OnEnd(Instant now, const TransferEnd& end);

 private:
  Outcome Fail(Instant now);
  // Of both tables, unless it is a merge.
  void BeginReplace(Instant now);
  void EndReplace(Instant now, bool complete);

  const ReplicationOptions& options_;
  StateTable& table_;
  SyncApplier& applier_;
  ReplicatorStats& stats_;

  bool taking_ = false;
  TransferBegin begin_;
  uint64_t position_ = 0;
};

}  // namespace ballast::ha

#endif  // HA_TABLE_TAKER_H_
