// The persistence entries of a unit's L7 services for its partner: a KeyStore,
// whose numbers are this process's own, in names that both units understand.
//
// Names    a table: its service's id and, unless the whole service shares it,
//          its sub service's name; a server: its endpoint
// Clocks   an entry travels with its age, so each unit's own clock ends it
// Unknown  an entry of a service or server that is not configured here waits
//          for a configuration that has it, since the partner's may be a moment
//          ahead; of more than kWaitingMax the oldest are dropped
// Cost     of a record either way two look-ups in hash tables and the store's.
// Threads  one. Those that serve go on with the store meanwhile.
#ifndef LB_RUN_L7_SYNC_H_
#define LB_RUN_L7_SYNC_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "ha/l7_record.h"
#include "ha/l7_table.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "lb/l7/service_chooser.h"
#include "persist/key_entry.h"
#include "persist/key_store.h"

namespace ballast::run {

class L7Sync final : public ha::L7Table {
 public:
  static constexpr size_t kWaitingMax = 4096;

  struct Table {
    uint32_t number = 0;      // KeyId::table.
    uint64_t service = 0;     // l4::ServiceId.
    std::string sub_service;  // Empty: the whole service's.
    // With the table's numbers for them.
    std::vector<std::pair<Endpoint, uint32_t>> servers;
  };
  struct Stats {
    uint64_t told = 0;
    uint64_t taken = 0;    // Made, renewed, or removed an entry.
    uint64_t stale = 0;    // Ours was newer, or it had expired.
    uint64_t dropped = 0;  // No such server, no room, or nonsense.
  };

  // Of every sub service, or of the service itself.
  static std::vector<Table> TablesOf(const l7::ServicePlan& plan);
  // What names a sub service on the wire; 0 if `name` is empty.
  static uint64_t SubServiceId(absl::string_view name);

  explicit L7Sync(std::shared_ptr<persist::KeyStore> store)
      : store_(std::move(store)) {}

  // After each configuration. Before the first, what comes waits.
  void SetTables(Instant now, std::span<const Table> tables);
  const Stats& stats() const { return stats_; }
  size_t waiting() const { return waiting_.size(); }

  // ha::L7Table.
  void StartTelling() override { store_->StartTelling(); }
  void StopTelling() override;
  size_t TakeChanges(Instant now, std::span<ha::L7Record> records) override;
  uint64_t changes_lost() const override { return lost_; }
  size_t Export(Instant now, Cursor& cursor,
                std::span<ha::L7Record> records) override;
  uint64_t size() const override { return store_->size(); }
  // What goes is taken out by the store's Advance().
  void BeginReplace(Instant now) override;
  void EndReplace(Instant now, bool complete) override;
  void Apply(Instant now, const ha::L7Record& record) override;

 private:
  using TableName = std::pair<uint64_t, uint64_t>;  // Service, sub service.
  struct Waiting {
    ha::L7Record record;
    Instant came;
    bool unheard = false;  // Since BeginReplace().
  };

  // False: it has no name.
  bool Name(Instant now, const persist::KeyEntry& entry,
            ha::L7Record& record) const;
  size_t NameAll(Instant now, std::span<ha::L7Record> records);
  // False: of a service or server that is not configured here.
  bool TryApply(Instant now, const ha::L7Record& record);
  void Wait(const Waiting& waiting);

  const std::shared_ptr<persist::KeyStore> store_;
  absl::flat_hash_map<TableName, uint32_t> tables_;
  absl::flat_hash_map<uint32_t, TableName> table_names_;
  absl::flat_hash_map<std::pair<uint32_t, Endpoint>, uint32_t> servers_;
  // By table and number.
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, Endpoint> endpoints_;
  std::deque<Waiting> waiting_;
  std::vector<persist::KeyEntry> entries_;  // Taken, not named yet.
  uint64_t lost_ = 0;
  Stats stats_;
};

}  // namespace ballast::run

#endif  // LB_RUN_L7_SYNC_H_
