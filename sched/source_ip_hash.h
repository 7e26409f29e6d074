// Source IP hash scheduling: the client's slot in a table of 4096. A client
// whose server is full goes to the next available one in list order, and the
// table stays as it is.
#ifndef SCHED_SOURCE_IP_HASH_H_
#define SCHED_SOURCE_IP_HASH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "io/base/check.h"
#include "sched/scheduler.h"
#include "sched/source_hash_table.h"

namespace ballast::sched {

class SourceIpHash final : public Scheduler {
 public:
  SourceIpHash(const Options& options, std::span<const ServerState> servers,
               std::shared_ptr<const SourceHashTable> table)
      : Scheduler(options, servers),
        table_was_given_(options.table != nullptr),
        table_(std::move(table)) {}

  std::unique_ptr<Scheduler> Clone() const override {
    return std::make_unique<SourceIpHash>(*this);
  }
  std::optional<uint16_t> Pick(Instant /*now*/, uint32_t source_hash) override {
    const uint16_t server = PickSlot(live_, source_hash);
    if (server == kNoServer) return std::nullopt;
    if (available_.Contains(server)) [[likely]]
      return server;
    return available_.NextFrom(server + 1u);
  }

 private:
  // A table made here goes on from the one before, as kEven wants it.
  void CarryTurn(const Scheduler& previous,
                 std::span<const uint16_t> /*now_at*/) override {
    if (table_was_given_) return;
    auto table = SourceHashTable::Build(
        table_->fill(), table_->servers(),
        static_cast<const SourceIpHash&>(previous).table_.get());
    BALLAST_CHECK(table.ok());  // It was built from the same once already.
    table_ = std::make_shared<const SourceHashTable>(*std::move(table));
    Reset();
  }

  void Reset() override {
    for (uint16_t i = 0; i < server_count(); ++i) {
      down_.Set(i, !servers_[i].eligible());
    }
    live_ = table_->Without(down_);
  }
  void Changed(uint16_t server, Change change) override {
    if (change == Change::kFull || change == Change::kConnections) return;
    const bool down = !servers_[server].eligible();
    if (down == down_.Contains(server)) return;
    down_.Set(server, down);
    live_ = table_->Without(down_);
  }

  const bool table_was_given_;
  std::shared_ptr<const SourceHashTable> table_;
  ServerSet down_;
  Slots live_;
};

}  // namespace ballast::sched

#endif  // SCHED_SOURCE_IP_HASH_H_
