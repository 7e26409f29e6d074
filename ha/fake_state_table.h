// A StateTable for tests: a plain list of connections, by the contract of
// state_table.h and nothing else.
//
// Threads  one.
#ifndef HA_FAKE_STATE_TABLE_H_
#define HA_FAKE_STATE_TABLE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/instant.h"

namespace ballast::ha {

class FakeStateTable : public StateTable {
 public:
  using Key = std::tuple<uint8_t, Endpoint, Endpoint>;
  static Key KeyOf(const SyncRecord& record) {
    return {record.protocol, record.client, record.virtual_service};
  }

  explicit FakeStateTable(size_t changes_max = 100000)
      : changes_max_(changes_max) {}

  // A connection of TCP in state ESTABLISHED; distinct for distinct `n`.
  static SyncRecord Connection(uint32_t n, uint8_t server = 1,
                               bool v6 = false) {
    SyncRecord record;
    record.protocol = 6;
    record.v6 = v6;
    record.state = 1;
    record.timeout_s = 900;
    const auto address = [v6](uint32_t bits) {
      if (!v6) return Address::V4(bits);
      std::array<uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8};
      for (int i = 0; i < 4; ++i) {
        bytes[12 + i] = static_cast<uint8_t>(bits >> (24 - 8 * i));
      }
      return Address::V6(bytes);
    };
    record.client = {address(0x0a000000 + (n >> 8)),
                     static_cast<uint16_t>(1024 + (n & 255))};
    record.virtual_service = {address(0xc0000201), 80};
    record.server = {address(0xc0a80000 + server), 8080};
    return record;
  }

  // -- The unit's own life --------------------------------------------------

  // A connection begins or changes. If its server changes, so does what it is:
  // the old one is gone first.
  void Put(const SyncRecord& record) {
    const auto found = connections_.find(KeyOf(record));
    if (found != connections_.end()) {
      if (found->second.record.server != record.server) {
        Remove(record);
      } else {
        found->second.record = record;
        found->second.applied = false;
        Tell(found->second);
        return;
      }
    }
    Entry& entry = connections_[KeyOf(record)];
    entry.record = record;
    entry.id = ++ids_;
    by_id_[entry.id] = KeyOf(record);
    Tell(entry);
  }
  void Remove(const SyncRecord& record) {
    const auto found = connections_.find(KeyOf(record));
    if (found == connections_.end()) return;
    const bool told = Untell(found->second);
    SyncRecord gone;
    gone.kind = SyncRecord::Kind::kGone;
    gone.protocol = record.protocol;
    gone.v6 = record.v6;
    gone.client = record.client;
    gone.virtual_service = record.virtual_service;
    if (told && telling_) Push(gone);
    by_id_.erase(found->second.id);
    connections_.erase(found);
  }
  // A connection begins that is not worth telling yet.
  void PutUntold(const SyncRecord& record) {
    Entry& entry = connections_[KeyOf(record)];
    entry.record = record;
    entry.id = ++ids_;
    by_id_[entry.id] = KeyOf(record);
  }
  void TellTemplate(const SyncRecord& record) {
    if (telling_) Push(record);
  }
  // Loses what is not yet taken, as a full queue would.
  void LoseChanges() {
    lost_ += changes_.size();
    changes_.clear();
    marked_.reset();
  }
  // Loses a connection by mishap, without a word.
  void Forget(const SyncRecord& record) {
    const auto found = connections_.find(KeyOf(record));
    if (found == connections_.end()) return;
    by_id_.erase(found->second.id);
    connections_.erase(found);
  }
  // Its packet threads do not run, or do again.
  void set_ready(bool ready) { ready_ = ready; }
  // How often it was asked while they did not.
  uint64_t asked_not_ready() const { return asked_not_ready_; }
  // A serving unit leaves connections alone that it has (R6).
  void set_active(bool active) { active_ = active; }
  // What came by Apply() is neither a change nor exported, until Put().
  void set_tells_applied(bool tells) { tells_applied_ = tells; }
  // Refuses what would be more.
  void set_connections_max(size_t count) { connections_max_ = count; }

  // -- What is there --------------------------------------------------------

  size_t connection_count() const { return connections_.size(); }
  bool Has(const SyncRecord& record) const {
    const auto found = connections_.find(KeyOf(record));
    return found != connections_.end() &&
           found->second.record.server == record.server;
  }
  const SyncRecord* Find(const SyncRecord& record) const {
    const auto found = connections_.find(KeyOf(record));
    return found == connections_.end() ? nullptr : &found->second.record;
  }
  std::vector<SyncRecord> Connections() const {
    std::vector<SyncRecord> records;
    for (const auto& [key, entry] : connections_) {
      records.push_back(entry.record);
    }
    return records;
  }
  // Of what is told, made anew from the connections.
  TableSummary ToldNow() const {
    TableSummary sum;
    for (const auto& [key, entry] : connections_) {
      if (entry.told != epoch_) continue;
      ++sum.count;
      sum.digest += IdentityHash(entry.record);
    }
    return sum;
  }
  // What TakeChanges() and Export() returned since StartTelling(), in order.
  const std::vector<SyncRecord>& given() const { return given_; }
  size_t changes() const { return changes_.size(); }
  bool telling() const { return telling_; }
  bool replacing() const { return replacing_; }
  const std::vector<SyncRecord>& templates() const { return templates_; }

  // -- StateTable -----------------------------------------------------------

  bool Ready() override { return ready_; }
  size_t TakeChanges(Instant, std::span<SyncRecord> records) override {
    Asked();
    size_t count = 0;
    while (count < records.size() && !changes_.empty() && marked_ != 0) {
      given_.push_back(changes_.front());
      records[count++] = changes_.front();
      changes_.pop_front();
      if (marked_) --*marked_;
    }
    if (count == 0) marked_.reset();
    return count;
  }
  TableSummary Mark(Instant) override {
    Asked();
    marked_ = changes_.size();
    return ToldNow();
  }
  uint64_t changes_lost() const override { return lost_; }
  void StartTelling(Instant) override {
    ++epoch_;
    telling_ = true;
    given_.clear();
    changes_.clear();
    marked_.reset();
  }
  void StopTelling(Instant) override {
    telling_ = false;
    changes_.clear();
    marked_.reset();
  }
  size_t Export(Instant, Cursor& cursor,
                std::span<SyncRecord> records) override {
    Asked();
    size_t count = 0;
    auto at = by_id_.lower_bound(cursor.position[0]);
    std::set<Key> exported;
    for (; at != by_id_.end() && count < records.size(); ++at) {
      Entry& entry = connections_.at(at->second);
      if (cursor.only_untold && entry.told == epoch_) continue;
      if (entry.applied && !tells_applied_) continue;
      entry.told = epoch_;
      exported.insert(at->second);
      records[count] = entry.record;
      records[count].has_detail = true;
      given_.push_back(records[count++]);
    }
    cursor.done = at == by_id_.end();
    cursor.position[0] = cursor.done ? ids_ + 1 : at->first;
    // What is exported is newer than its changes that nobody has taken.
    std::erase_if(changes_, [&](const SyncRecord& record) {
      return record.kind != SyncRecord::Kind::kTemplate &&
             exported.contains(KeyOf(record));
    });
    return count;
  }
  uint64_t size() const override { return connections_.size(); }
  void BeginReplace(Instant) override {
    ++epoch_;
    replacing_ = true;
  }
  void EndReplace(Instant, bool complete) override {
    replacing_ = false;
    if (!complete) return;
    for (auto it = connections_.begin(); it != connections_.end();) {
      if (it->second.told == epoch_) {
        ++it;
        continue;
      }
      by_id_.erase(it->second.id);
      it = connections_.erase(it);
    }
  }
  ApplyCounts Apply(Instant, std::span<const SyncRecord> records) override {
    ApplyCounts counts;
    for (const SyncRecord& record : records) ApplyOne(record, counts);
    return counts;
  }

 private:
  struct Entry {
    SyncRecord record;
    uint64_t id = 0;
    uint64_t told = 0;     // The epoch in which it was.
    bool applied = false;  // Not Put() since.
  };

  void Asked() { asked_not_ready_ += ready_ ? 0 : 1; }
  void Push(const SyncRecord& record) {
    if (changes_.size() == changes_max_) {
      ++lost_;
      return;
    }
    changes_.push_back(record);
  }
  void Tell(Entry& entry) {
    if (!telling_) return;
    if (changes_.size() == changes_max_) {
      ++lost_;
      return;
    }
    entry.told = epoch_;
    changes_.push_back(entry.record);
  }
  bool Untell(Entry& entry) { return std::exchange(entry.told, 0) == epoch_; }
  void ApplyOne(const SyncRecord& record, ApplyCounts& counts) {
    if (record.kind == SyncRecord::Kind::kTemplate) {
      templates_.push_back(record);
      ++counts.created;
      return;
    }
    const auto found = connections_.find(KeyOf(record));
    const bool known = found != connections_.end();
    if (active_ && known) {
      ++counts.stale;
      return;
    }
    if (record.kind == SyncRecord::Kind::kGone) {
      if (!known) return;
      by_id_.erase(found->second.id);
      connections_.erase(found);
      ++counts.removed;
      return;
    }
    if (!known && connections_.size() >= connections_max_) {
      ++counts.refused;
      return;
    }
    Entry& entry = connections_[KeyOf(record)];
    if (!known) {
      entry.id = ++ids_;
      by_id_[entry.id] = KeyOf(record);
    }
    ++(known ? counts.updated : counts.created);
    entry.record = record;
    entry.applied = true;
    if (telling_ && !tells_applied_) return;
    if (telling_) {
      Tell(entry);
    } else {
      entry.told = epoch_;
    }
  }

  const size_t changes_max_;
  size_t connections_max_ = ~size_t{0};
  bool active_ = false;
  bool tells_applied_ = true;
  bool ready_ = true;
  uint64_t asked_not_ready_ = 0;
  bool telling_ = false;
  bool replacing_ = false;
  uint64_t epoch_ = 1;
  uint64_t ids_ = 0;
  uint64_t lost_ = 0;
  std::map<Key, Entry> connections_;
  std::map<uint64_t, Key> by_id_;
  std::deque<SyncRecord> changes_;
  std::optional<size_t> marked_;  // Changes before the mark.
  std::vector<SyncRecord> templates_;
  std::vector<SyncRecord> given_;
};

}  // namespace ballast::ha

#endif  // HA_FAKE_STATE_TABLE_H_
