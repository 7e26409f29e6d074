// What a director tells its partner: how, which of its connections have been
// told, and their sum.
//
// Told  a connection is told when its told_epoch is epoch(). A new epoch thus
//       untells all of them at once, without a look at any; marks of an epoch
//       whose number comes round again are to be cleared before (255 of them).
// Threads  one.
#ifndef LB_L4_TELLER_H_
#define LB_L4_TELLER_H_

#include <cstddef>
#include <cstdint>

#include "ha/state_table.h"
#include "ha/sync_policy.h"
#include "ha/sync_record.h"
#include "lb/l4/change_ring.h"

namespace ballast::l4 {

// When a persistence entry is told.
enum class TemplateRule : uint8_t {
  // Between our own units: when a record of a connection it has made goes out,
  // and what the partner knows of it is older than an eighth of its timeout.
  kWhenOld,
  // As Linux does: the IPVS rule is asked about it, with version 1 at each
  // packet of such a connection, with version 0 at each of its records.
  kEachPacket,
  kEachRecord,
};

struct SyncOptions {
  // When a connection is worth a record: the IPVS rule.
  ha::SyncSettings settings;
  // Between our own units: the end of what was told is told, too. Linux knows
  // no such record.
  bool gone = true;
  TemplateRule templates = TemplateRule::kWhenOld;
  // With a peer that has no roles, which tells its own connections while we
  // tell ours (conntrackd). What it told is its own until a packet of it comes
  // here: not told, and changed or ended by its word though we are active.
  bool shared = false;
};

class Teller {
 public:
  explicit Teller(size_t changes_max) : changes_(changes_max) {}

  const SyncOptions& options() const { return options_; }
  void SetOptions(const SyncOptions& options) { options_ = options; }

  bool telling() const { return telling_; }
  // After NewEpoch().
  void Start() {
    changes_.Reserve();
    changes_.Clear();
    telling_ = true;
  }
  void Stop() {
    telling_ = false;
    changes_.Clear();
  }

  // Nothing is told.
  void NewEpoch() {
    if (++epoch_ == 0) epoch_ = 1;
    sum_ = {};
  }
  // 1..255.
  uint8_t epoch() const { return epoch_; }

  // The mark of a connection that is told from now on, with the record that
  // names it; of one that is no longer.
  void MarkTold(uint8_t& told_epoch, const ha::SyncRecord& record) {
    if (told_epoch == epoch_) return;
    told_epoch = epoch_;
    ++sum_.count;
    sum_.digest += ha::IdentityHash(record);
  }
  void MarkUntold(uint8_t& told_epoch, const ha::SyncRecord& record) {
    if (told_epoch != epoch_) return;
    told_epoch = 0;
    --sum_.count;
    sum_.digest -= ha::IdentityHash(record);
  }
  const ha::TableSummary& sum() const { return sum_; }

  // While telling: a change of a connection. One that finds no room is not
  // told by it.
  void Tell(uint8_t& told_epoch, const ha::SyncRecord& record) {
    if (changes_.Push(record)) MarkTold(told_epoch, record);
  }
  // The end of a connection: `record` names it.
  void TellGone(uint8_t& told_epoch, const ha::SyncRecord& record) {
    if (told_epoch != epoch_) return;
    MarkUntold(told_epoch, record);
    if (!telling_ || !options_.gone) return;
    ha::SyncRecord gone;
    gone.kind = ha::SyncRecord::Kind::kGone;
    gone.protocol = record.protocol;
    gone.v6 = record.v6;
    gone.client = record.client;
    gone.virtual_service = record.virtual_service;
    changes_.Push(gone);
  }
  void TellTemplate(const ha::SyncRecord& record) { changes_.Push(record); }

  ChangeRing& changes() { return changes_; }
  const ChangeRing& changes() const { return changes_; }

 private:
  SyncOptions options_;
  bool telling_ = false;
  uint8_t epoch_ = 1;
  ha::TableSummary sum_;
  ChangeRing changes_;
};

}  // namespace ballast::l4

#endif  // LB_L4_TELLER_H_
