// The side that is told: asks for the table, keeps the order of changes, has
// missing ones repaired, compares sums. Rules and wire: replicator.h.
//
// Threads  one.
#ifndef HA_REPLICATION_FOLLOWER_H_
#define HA_REPLICATION_FOLLOWER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "ha/incoming_changes.h"
#include "ha/replication.h"
#include "ha/state_table.h"
#include "ha/sync_datagram.h"
#include "ha/table_taker.h"
#include "ha/transfer_wire.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ReplicationFollower {
 public:
  ReplicationFollower(const ReplicationOptions& options, StateTable& table,
                      ReplicationHost& host, ReplicatorStats& stats);

  void Begin(Instant now, bool stream);
  void End(Instant now);
  bool following() const { return phase_ != Phase::kIdle; }

  void OnDatagram(Instant now, uint64_t position,
                  std::span<const uint8_t> datagram);
  void OnForgotten(Instant now, std::span<const SyncRange> ranges);
  void OnLeaderPosition(Instant now, uint64_t position);
  void OnStreamUp(Instant now);
  void OnStreamDown(Instant now);
  void OnStream(Instant now, StreamMessage type, std::span<const uint8_t> body);
  void Tick(Instant now);
  Instant deadline() const;

  uint64_t position() const;
  bool complete() const;
  uint64_t lag() const;

 private:
  enum class Phase : uint8_t {
    kIdle,
    kWanting,  // No table yet, or an old one.
    kTaking,   // A transfer is under way.
    kHaving,   // The table as of incoming_.applied().
  };

  uint64_t NewId();
  // The whole table, as soon as the pause since the last request is over.
  void Want(Instant now);
  void Ask(Instant now);
  void SendDone(Instant now);
  void OnBegin(Instant now, const TransferBegin& begin);
  void OnEnd(Instant now, const TransferEnd& end);
  void OnOutcome(Instant now, TableTaker::Outcome outcome);
  bool ApplyNext(Instant now, std::span<const uint8_t> datagram);
  void ApplyKept(Instant now);
  void Compare(Instant now, const TableSummary& told);
  // R1: is there a gap, and since when?
  void LookForGap(Instant now);
  void AskRepair(Instant now);

  const ReplicationOptions& options_;
  StateTable& table_;
  ReplicationHost& host_;
  ReplicatorStats& stats_;
  SyncApplier applier_;
  TableTaker taker_;
  IncomingChanges incoming_;

  Phase phase_ = Phase::kIdle;
  bool stream_ = false;
  Instant heard_;  // The leader, by whatever means.

  // Asking for the table.
  bool wants_ = false;
  uint64_t ids_ = 0;
  uint64_t request_id_ = 0;  // The one not yet answered; 0: none.
  Instant ask_at_;           // Not before.
  absl::Duration ask_pause_;
  Instant progress_;  // Of the transfer.
  std::optional<TransferDone> done_;
  Instant done_at_;

  // What it is worth.
  bool agreed_ = false;  // When sums were last compared.

  // Repair.
  uint64_t gap_ = 0;  // The position that is missing; 0: none.
  bool late_ = false;
  bool forgotten_ = false;
  Instant repair_at_;
  absl::Duration repair_pause_;
  SyncQuestions questions_;
  std::vector<uint8_t> out_;
};

}  // namespace ballast::ha

#endif  // HA_REPLICATION_FOLLOWER_H_
