// An L7Table by the letter, for tests: an entry for each service, and a queue
// of changes with a bound.
//
// Threads  one.
#ifndef HA_FAKE_L7_TABLE_H_
#define HA_FAKE_L7_TABLE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "ha/l7_record.h"
#include "ha/l7_table.h"
#include "io/base/address.h"
#include "io/base/instant.h"

namespace ballast::ha {

class FakeL7Table : public L7Table {
 public:
  using Key = std::pair<uint64_t, std::array<uint8_t, L7Record::kKeySize>>;

  explicit FakeL7Table(size_t changes_max = 1000) : changes_max_(changes_max) {}

  static L7Record Entry(uint64_t service, uint8_t port = 80) {
    return {.service = service,
            .mode = 1,
            .key = {1, 2, 3},
            .server = {Address::V4(0x0a000001), port},
            .timeout_ms = 60'000};
  }

  // What a request does.
  void Put(const L7Record& record) {
    entries_[KeyOf(record)] = record;
    Tell(record);
  }
  void Erase(uint64_t service) {
    L7Record record = Entry(service);
    entries_.erase(KeyOf(record));
    record.gone = true;
    Tell(record);
  }
  const std::map<Key, L7Record>& entries() const { return entries_; }
  bool telling() const { return telling_; }

  void StartTelling() override {
    changes_.clear();
    telling_ = true;
  }
  void StopTelling() override {
    changes_.clear();
    telling_ = false;
  }
  size_t TakeChanges(Instant, std::span<L7Record> records) override {
    const size_t count = std::min(records.size(), changes_.size());
    std::copy_n(changes_.begin(), count, records.begin());
    changes_.erase(changes_.begin(),
                   changes_.begin() + static_cast<ptrdiff_t>(count));
    return count;
  }
  uint64_t changes_lost() const override { return changes_lost_; }
  size_t Export(Instant, Cursor& cursor, std::span<L7Record> records) override {
    size_t count = 0;
    auto next = entries_.lower_bound({cursor.position, {}});
    for (; next != entries_.end() && count < records.size(); ++next) {
      records[count++] = next->second;
    }
    if (next != entries_.end()) cursor.position = next->first.first;
    cursor.done = next == entries_.end();
    return count;
  }
  uint64_t size() const override { return entries_.size(); }
  void BeginReplace(Instant) override {
    unheard_.clear();
    for (const auto& [key, record] : entries_) unheard_.insert(key);
  }
  void EndReplace(Instant, bool complete) override {
    for (const Key& key : unheard_) {
      if (complete) entries_.erase(key);
    }
    unheard_.clear();
  }
  void Apply(Instant, const L7Record& record) override {
    unheard_.erase(KeyOf(record));
    if (record.gone) {
      entries_.erase(KeyOf(record));
    } else {
      entries_[KeyOf(record)] = record;
    }
  }

 private:
  static Key KeyOf(const L7Record& record) {
    return {record.service, record.key};
  }
  void Tell(const L7Record& record) {
    if (!telling_) return;
    if (changes_.size() == changes_max_) {
      ++changes_lost_;
    } else {
      changes_.push_back(record);
    }
  }

  const size_t changes_max_;
  std::map<Key, L7Record> entries_;
  std::set<Key> unheard_;  // Since BeginReplace().
  std::deque<L7Record> changes_;
  bool telling_ = false;
  uint64_t changes_lost_ = 0;
};

}  // namespace ballast::ha

#endif  // HA_FAKE_L7_TABLE_H_
