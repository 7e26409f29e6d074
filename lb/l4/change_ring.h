// What a director's tables have to tell, on its way from the packet path to
// whoever sends it: a ring of records, the oldest first.
//
// Full     what comes then is dropped and counted: the packet path never waits.
// Cost     Push: a copy of some 100 bytes. Memory is taken at Reserve().
// Threads  one, but for lost().
#ifndef LB_L4_CHANGE_RING_H_
#define LB_L4_CHANGE_RING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ha/sync_record.h"
#include "lb/l4/counters.h"

namespace ballast::l4 {

class ChangeRing {
 public:
  explicit ChangeRing(size_t limit) : limit_(std::max<size_t>(limit, 1)) {}

  // Before the first Push().
  void Reserve() {
    if (places_.empty()) places_.resize(limit_);
  }

  // False: full, and counted.
  bool Push(const ha::SyncRecord& record) {
    if (pushed_ - taken_ == places_.size()) {
      lost_.Add(1);
      return false;
    }
    places_[pushed_++ % places_.size()] = {record, true};
    return true;
  }

  // As StateTable::TakeChanges().
  size_t Take(std::span<ha::SyncRecord> records) {
    size_t count = 0;
    const uint64_t end = mark_.value_or(pushed_);
    for (; taken_ < end && count < records.size(); ++taken_) {
      const Place& place = places_[taken_ % places_.size()];
      if (place.valid) records[count++] = place.record;
    }
    if (count == 0 && taken_ == end) mark_.reset();
    return count;
  }
  // Take() stops here, once.
  void Mark() { mark_ = pushed_; }

  // Takes back what is_it(record) says of the records not yet taken.
  template <typename IsIt>
  void Retract(IsIt&& is_it) {
    for (uint64_t at = taken_; at < pushed_; ++at) {
      Place& place = places_[at % places_.size()];
      if (place.valid && is_it(place.record)) place.valid = false;
    }
  }
  void Clear() {
    taken_ = pushed_;
    mark_.reset();
  }

  bool empty() const { return taken_ == pushed_; }
  // Any thread's.
  uint64_t lost() const { return lost_.value(); }

 private:
  struct Place {
    ha::SyncRecord record;
    bool valid = false;  // Not taken back.
  };

  size_t limit_;
  std::vector<Place> places_;
  uint64_t pushed_ = 0;
  uint64_t taken_ = 0;
  Counter lost_;
  std::optional<uint64_t> mark_;
};

}  // namespace ballast::l4

#endif  // LB_L4_CHANGE_RING_H_
