// The side that tells: changes by datagram, the whole table by stream when
// asked, repairs, sums. Also the two ends of a merge (R6), which is between
// leaders. Rules and wire: replicator.h.
//
// Cost     a Tick: ChangeTeller's or TableGiver's bound.
// Threads  one.
#ifndef HA_REPLICATION_LEADER_H_
#define HA_REPLICATION_LEADER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ha/change_teller.h"
#include "ha/outgoing_changes.h"
#include "ha/replication.h"
#include "ha/state_table.h"
#include "ha/sync_datagram.h"
#include "ha/table_giver.h"
#include "ha/table_taker.h"
#include "ha/transfer_wire.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ReplicationLeader {
 public:
  ReplicationLeader(const ReplicationOptions& options, StateTable& table,
                    ReplicationHost& host, ReplicatorStats& stats);

  void Begin(Instant now, bool stream);
  void End(Instant now);
  void Finish(Instant now);
  void TellAll(Instant now);
  bool telling_all() const { return teller_.telling_all(); }
  bool leading() const {
    return phase_ != Phase::kIdle && phase_ != Phase::kFinished;
  }
  // Leading, or finished and still answering.
  bool answering() const { return phase_ != Phase::kIdle; }

  void GiveTable(Instant now, std::function<void(bool complete)> done);
  void Resync(Instant now);

  void OnRepair(Instant now, std::span<const SyncRange> ranges);
  void OnStreamUp(Instant now);
  void OnStreamDown(Instant now);
  void OnStream(Instant now, StreamMessage type, std::span<const uint8_t> body);
  void OnTableChanged(Instant now);
  void Tick(Instant now);
  Instant deadline() const { return deadline_; }

  uint64_t position() const { return outgoing_.position(); }

 private:
  enum class Phase : uint8_t {
    kIdle,
    kAlone,     // Nobody follows: nothing is told.
    kGiving,    // A transfer is under way.
    kTelling,   // By datagrams.
    kFinished,  // Not leading any more; repairs go on.
  };

  void OnRequest(Instant now, const TransferRequest& request);
  void OnDone(const TransferDone& done);
  void OnMerge(Instant now, TableTaker::Outcome outcome);
  void StopTelling(Instant now);
  // Nobody is told from here on; who was, learns that by the leadership.
  void BeAlone(Instant now);
  void Give(Instant now);
  bool Ready();
  void SendDone(Instant now);
  void FinishGiveTable(bool complete);
  void Reckon(Instant now);

  const ReplicationOptions& options_;
  StateTable& table_;
  ReplicationHost& host_;
  ReplicatorStats& stats_;

  Phase phase_ = Phase::kIdle;
  bool stream_ = false;
  Instant stream_ended_;
  Instant deadline_ = Instant::Never();

  OutgoingChanges outgoing_;
  Pacer pacer_;
  ChangeTeller teller_;
  TableGiver giver_;
  bool ready_ = true;      // The table, when last looked at.
  bool blocked_ = false;   // The stream had no room.
  uint64_t given_id_ = 0;  // Of the last transfer whose end was sent.

  // R6, giving and taking.
  std::function<void(bool)> given_;  // A merge is under way, or wanted.
  bool merge_sent_ = false;          // And waits for its kDone.
  uint64_t merges_ = 0;
  SyncApplier applier_;
  TableTaker taker_;
  std::optional<TransferDone> done_;
  std::vector<uint8_t> out_;
};

}  // namespace ballast::ha

#endif  // HA_REPLICATION_LEADER_H_
