// When to look at a connection again: a ring of 4096 lists, one for each 256
// ms of the next 17 minutes, threaded through the connections themselves.
//
// Packets don't touch it. A connection is linked at the deadline it had; when
// that comes its true deadline is asked for, and it is either expired or
// linked again. So it costs one look per timeout, not one per packet. A
// deadline beyond the ring is looked at each time round.
//
// Precision  never early; at most two ticks (512 ms) late if Advance keeps up.
// Clock      ClockMs (connection.h): 32 bits, may wrap. Timeouts up to 24 days.
// Cost       Link, Unlink: O(1), the neighbours' lines.
// Node       has wheel_next and wheel_prev (uint32_t), 0 before the first
//            Link; nodes[0] is never linked.
#ifndef LB_L4_TIMER_WHEEL_H_
#define LB_L4_TIMER_WHEEL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ballast::l4 {

template <typename Node>
class TimerWheel {
 public:
  static constexpr uint32_t kTickMs = 256;
  static constexpr uint32_t kSlotCount = 4096;

  TimerWheel() : heads_(kSlotCount, 0) {}

  // Where the ring begins. Only while nothing is linked.
  void Reset(uint32_t now_ms) { next_tick_ = now_ms / kTickMs; }

  void Link(Node* nodes, uint32_t index, uint32_t deadline_ms) {
    // The tick at whose start the deadline has passed. The slot at next_tick_
    // may be half emptied, and never gets new ones.
    const uint32_t tick = (deadline_ms + (kTickMs - 1)) / kTickMs;
    uint32_t ahead = (tick - next_tick_) & kTickMask;
    if (ahead > kTickMask / 2) ahead = 0;  // Past already.
    ahead = std::clamp<uint32_t>(ahead, 1, kSlotCount - 1);
    const uint32_t slot = (next_tick_ + ahead) % kSlotCount;
    Node& node = nodes[index];
    node.wheel_prev = kHead | slot;
    node.wheel_next = heads_[slot];
    if (heads_[slot] != 0) nodes[heads_[slot]].wheel_prev = index;
    heads_[slot] = index;
  }

  void Unlink(Node* nodes, uint32_t index) {
    Node& node = nodes[index];
    if ((node.wheel_prev & kHead) != 0) {
      heads_[node.wheel_prev & ~kHead] = node.wheel_next;
    } else {
      nodes[node.wheel_prev].wheel_next = node.wheel_next;
    }
    if (node.wheel_next != 0)
      nodes[node.wheel_next].wheel_prev = node.wheel_prev;
    node.wheel_next = node.wheel_prev = 0;
  }

  // Before Unlink, to have time for something else meanwhile.
  void PrefetchNeighbours(const Node* nodes, uint32_t index) const {
    const Node& node = nodes[index];
    __builtin_prefetch(&nodes[node.wheel_next]);
    if ((node.wheel_prev & kHead) == 0) {
      __builtin_prefetch(&nodes[node.wheel_prev]);
    }
  }

  // Looks at up to `budget` connections whose time has come. deadline_of
  // (index) gives the true deadline in ms; if it has passed, expire(index)
  // must Unlink it. Returns whether all due ones were looked at.
  template <typename DeadlineOf, typename Expire>
  bool Advance(Node* nodes, uint32_t now_ms, size_t budget,
               DeadlineOf&& deadline_of, Expire&& expire) {
    const uint32_t now_tick = now_ms / kTickMs;
    uint32_t due = (now_tick + 1 - next_tick_) & kTickMask;
    if (due > kTickMask / 2) return true;  // The ring begins later.
    if (due > kSlotCount) {  // After a long sleep once round is enough.
      next_tick_ = (next_tick_ + due - kSlotCount) & kTickMask;
      due = kSlotCount;
    }
    for (; due > 0; --due) {
      uint32_t& head = heads_[next_tick_ % kSlotCount];
      while (head != 0) {
        if (budget == 0) return false;
        --budget;
        const uint32_t index = head;
        const uint32_t following = nodes[index].wheel_next;
        if (following != 0) __builtin_prefetch(&nodes[following]);
        const uint32_t deadline_ms = deadline_of(index);
        if (static_cast<int32_t>(now_ms - deadline_ms) >= 0) {
          expire(index);
        } else {
          Unlink(nodes, index);
          Link(nodes, index, deadline_ms);
        }
      }
      next_tick_ = (next_tick_ + 1) & kTickMask;
    }
    return true;
  }

 private:
  static constexpr uint32_t kTickMask = 0xffffffffu / kTickMs;
  static_assert((kTickMask + 1) % kSlotCount == 0, "wraps with the clock");
  static constexpr uint32_t kHead = 0x80000000u;  // wheel_prev is a slot.

  std::vector<uint32_t> heads_;
  uint32_t next_tick_ = 0;  // The first whose slot may hold anything due.
};

}  // namespace ballast::l4

#endif  // LB_L4_TIMER_WHEEL_H_
