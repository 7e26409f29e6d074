// The tables of all packet threads as one ha::StateTable: what the pair's
// control thread reads and writes, by orders that run between two rounds of
// packets.
//
// Cost     an order per lane and call, some 20 us of waiting for a thread that
//          is awake; none to take changes from a lane that has none. Ready()
//          waits no longer than kPatience for those that are not. A lane
//          that takes no orders any more is left out, and counted in
//          lanes_deaf(): its unit must drop the role.
// Threads  the control thread's. `lanes` and what they hold outlive this.
#ifndef LB_RUN_LANES_STATE_TABLE_H_
#define LB_RUN_LANES_STATE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "ha/state_table.h"
#include "io/packet_steering.h"
#include "lb/run/lane.h"

namespace ballast::run {

class LanesStateTable : public ha::StateTable {
 public:
  static constexpr absl::Duration kPatience = absl::Milliseconds(5);

  explicit LanesStateTable(const std::vector<std::unique_ptr<Lane>>& lanes)
      : lanes_(lanes) {}

  // Which lane a client's flows are on; before anything is applied.
  void SetSteering(PacketSteering steering) { steering_ = std::move(steering); }
  uint64_t lanes_deaf() const { return lanes_deaf_; }

  bool Ready() override;
  size_t TakeChanges(Instant now, std::span<ha::SyncRecord> records) override;
  ha::TableSummary Mark(Instant now) override;
  uint64_t changes_lost() const override;
  void StartTelling(Instant now) override;
  void StopTelling(Instant now) override;
  size_t Export(Instant now, Cursor& cursor,
                std::span<ha::SyncRecord> records) override;
  uint64_t size() const override;
  void BeginReplace(Instant now) override;
  void EndReplace(Instant now, bool complete) override;
  ha::ApplyCounts Apply(Instant now,
                        std::span<const ha::SyncRecord> records) override;

 private:
  void Call(Lane& lane, Lane::Order order);

  const std::vector<std::unique_ptr<Lane>>& lanes_;
  std::optional<PacketSteering> steering_;
  // Lanes before this one have reached the Mark(); all have: none is set.
  std::optional<size_t> marked_;
  size_t next_lane_ = 0;  // To be asked for changes first.
  std::vector<std::vector<ha::SyncRecord>> sorted_;
  mutable uint64_t lanes_deaf_ = 0;
};

}  // namespace ballast::run

#endif  // LB_RUN_LANES_STATE_TABLE_H_
