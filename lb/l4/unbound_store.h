// Connections and persistence entries a partner told of whose service or server
// is not configured here (yet): kept as they came.
//
// Full     Put() refuses.
// Cost     a hash look-up. Allocates as it grows; never on the packet path.
// Threads  one. Pointers hold until the next Put() or Erase().
#ifndef LB_L4_UNBOUND_STORE_H_
#define LB_L4_UNBOUND_STORE_H_

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ha/sync_record.h"

namespace ballast::l4 {

struct Unbound {
  ha::SyncRecord record;
  uint32_t last_seen_ms =
      0;  // ClockMs(): of its last record, less its idle_ms.
  uint8_t told_epoch = 0;
  bool live = false;
};

class UnboundStore {
 public:
  explicit UnboundStore(size_t limit) : limit_(limit) {}

  bool empty() const { return index_.empty(); }
  size_t size() const { return index_.size(); }

  // By kind (a template or not), protocol, client and virtual endpoint; null if
  // there is none.
  Unbound* Find(const ha::SyncRecord& record) {
    if (index_.empty()) return nullptr;
    const auto it = index_.find(KeyOf(record));
    return it == index_.end() ? nullptr : &places_[it->second];
  }
  // A new one: Find() found none. Null: full.
  Unbound* Put(const ha::SyncRecord& record) {
    if (index_.size() >= limit_) return nullptr;
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(places_.size()));
      places_.emplace_back();
    }
    const uint32_t place = free_.back();
    free_.pop_back();
    index_.emplace(KeyOf(record), place);
    places_[place] = {.record = record, .live = true};
    return &places_[place];
  }
  void Erase(Unbound* unbound) {
    index_.erase(KeyOf(unbound->record));
    unbound->live = false;
    free_.push_back(PlaceOf(unbound));
  }
  uint32_t PlaceOf(const Unbound* unbound) const {
    return static_cast<uint32_t>(unbound - places_.data());
  }

  // Visits what lives among the next `count` places from `cursor` (0 to begin);
  // returns the next cursor, 0 at the end. visit(Unbound&) may erase the one it
  // is given, and no other.
  template <typename Visit>
  uint32_t Walk(uint32_t cursor, size_t count, Visit&& visit) {
    for (; count > 0 && cursor < places_.size(); --count) {
      Unbound& unbound = places_[cursor++];
      if (unbound.live) visit(unbound);
    }
    return cursor < places_.size() ? cursor : 0;
  }

 private:
  using Key = std::tuple<bool, uint8_t, Endpoint, Endpoint>;
  static Key KeyOf(const ha::SyncRecord& record) {
    return {record.kind == ha::SyncRecord::Kind::kTemplate, record.protocol,
            record.client, record.virtual_service};
  }

  size_t limit_;
  std::vector<Unbound> places_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<Key, uint32_t> index_;
};

}  // namespace ballast::l4

#endif  // LB_L4_UNBOUND_STORE_H_
