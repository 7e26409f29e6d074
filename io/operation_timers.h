// The pending timeouts of one reactor: a binary heap by (deadline, starting
// order) that knows where each operation is. For io/ only.
//
// Cost  Add, Remove and Pop O(log n); earliest() one load. Memory grows with
//       the number of timeouts pending at once and is kept.
#ifndef IO_OPERATION_TIMERS_H_
#define IO_OPERATION_TIMERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/base/instant.h"
#include "io/reactor.h"

namespace ballast {

class OperationTimers {
 public:
  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  // Never() when there are none.
  Instant earliest() const {
    return heap_.empty() ? Instant::Never() : heap_[0].deadline;
  }

  void Add(Operation* op, Instant deadline) {
    heap_.push_back({deadline, next_sequence_++, op});
    SiftUp(heap_.size() - 1);
  }
  // `op` was added and neither removed nor popped since.
  void Remove(Operation* op) {
    const size_t position = op->progress_;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (position == heap_.size()) return;
    Put(position, last);
    SiftUp(position);
    SiftDown(last.op->progress_);
  }
  // The earliest; there must be one.
  Operation* Pop() {
    Operation* op = heap_[0].op;
    Remove(op);
    return op;
  }

 private:
  struct Entry {
    Instant deadline;
    uint64_t sequence;
    Operation* op;

    bool Before(const Entry& other) const {
      return deadline != other.deadline ? deadline < other.deadline
                                        : sequence < other.sequence;
    }
  };

  void Put(size_t position, const Entry& entry) {
    heap_[position] = entry;
    entry.op->progress_ = static_cast<uint32_t>(position);
  }
  void SiftUp(size_t position) {
    const Entry entry = heap_[position];
    while (position > 0) {
      const size_t parent = (position - 1) / 2;
      if (!entry.Before(heap_[parent])) break;
      Put(position, heap_[parent]);
      position = parent;
    }
    Put(position, entry);
  }
  void SiftDown(size_t position) {
    const Entry entry = heap_[position];
    for (;;) {
      size_t child = 2 * position + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && heap_[child + 1].Before(heap_[child])) {
        ++child;
      }
      if (!heap_[child].Before(entry)) break;
      Put(position, heap_[child]);
      position = child;
    }
    Put(position, entry);
  }

  std::vector<Entry> heap_;
  uint64_t next_sequence_ = 0;
};

}  // namespace ballast

#endif  // IO_OPERATION_TIMERS_H_
