// What a unit has told its partner of its connections, or was told: a table
// between the unit's replicator and its director that writes down what passes.
// It is kept apart from the director's own marks, so that one can be held
// against the other, and one unit's against its partner's.
//
// A leader's lines are of what it told since it last began to tell. When it
// ceases, what was waiting to be told is written down too: nothing may be.
// A follower's are of what it was told. Those of a whole table that is being
// replaced are kept apart until they are told again, or the new one is whole.
#ifndef LB_SIM_LEDGER_H_
#define LB_SIM_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "io/base/instant.h"

namespace ballast::sim {

class Ledger : public ha::StateTable {
 public:
  struct Line {
    Endpoint server;
    uint16_t state = 0;
    bool bound = true;  // Its server was configured here when it was told.

    friend bool operator==(const Line& a, const Line& b) {
      return a.server == b.server && a.state == b.state;
    }
  };
  using Lines = absl::flat_hash_map<FlowKey, Line>;

  // Not owned; outlives this.
  explicit Ledger(ha::StateTable& table) : table_(table) {}

  bool telling() const { return telling_; }
  const Lines& lines() const { return lines_; }
  // A follower's: of the table before, and not told again so far.
  const Lines& kept() const { return kept_; }
  // Of the lines, whatever their order.
  uint64_t digest() const { return digest_; }
  // When they last changed, by the unit's clock.
  Instant changed() const { return changed_; }
  // The unit has another role: what it was told says nothing any more.
  void Forget();

  // -- ha::StateTable
  size_t TakeChanges(Instant now, std::span<ha::SyncRecord> records) override;
  ha::TableSummary Mark(Instant now) override { return table_.Mark(now); }
  uint64_t changes_lost() const override { return table_.changes_lost(); }
  void StartTelling(Instant now) override;
  void StopTelling(Instant now) override;
  size_t Export(Instant now, Cursor& cursor,
                std::span<ha::SyncRecord> records) override;
  uint64_t size() const override { return table_.size(); }
  void BeginReplace(Instant now) override;
  void EndReplace(Instant now, bool complete) override;
  ha::ApplyCounts Apply(Instant now,
                        std::span<const ha::SyncRecord> records) override;

 private:
  void Write(Instant now, const ha::SyncRecord& record, bool bound);
  void Erase(const FlowKey& key);

  ha::StateTable& table_;
  bool telling_ = false;
  Lines lines_;
  Lines kept_;
  uint64_t digest_ = 0;
  Instant changed_;
};

}  // namespace ballast::sim

#endif  // LB_SIM_LEDGER_H_
