// A rate that many threads keep together: the generic cell rate algorithm
// (ITU-T I.371, "virtual scheduling") in one atomic word.
//
// The word is the time until which what was taken pays for: an event of a rate
// R costs 1/R seconds. `depth` is how far ahead of now it may be, which is the
// burst after a pause; so over any time t at most R*t + burst pass.
//
// Units    nanoseconds. A clock that was never used has all of its burst.
// Cost     one compare-and-swap.
// Threads  any; exact over all of them. A caller whose `now` lags is refused a
//          little early, never late.
#ifndef LB_L7_TOKEN_CLOCK_H_
#define LB_L7_TOKEN_CLOCK_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "io/base/instant.h"

namespace ballast::l7 {

class TokenClock {
 public:
  // False: too much, and nothing is taken.
  bool Take(Instant now, int64_t cost, int64_t depth) {
    int64_t at = at_.load(std::memory_order_relaxed);
    while (true) {
      const int64_t from = std::max(at, now.nanos());
      if (!Allows(from, now, cost, depth)) return false;
      if (at_.compare_exchange_weak(at, from + cost,
                                    std::memory_order_relaxed)) {
        return true;
      }
    }
  }
  // What Take() would say.
  bool WouldTake(Instant now, int64_t cost, int64_t depth) const {
    const int64_t at = at_.load(std::memory_order_relaxed);
    return Allows(std::max(at, now.nanos()), now, cost, depth);
  }
  // What Take() took was not used after all.
  void GiveBack(int64_t cost) {
    at_.fetch_sub(cost, std::memory_order_relaxed);
  }
  // Takes whatever it costs. Returns when the next may be taken: in the past
  // while within `depth`. Callers that wait so long keep the rate together.
  Instant Charge(Instant now, int64_t cost, int64_t depth) {
    int64_t at = at_.load(std::memory_order_relaxed);
    while (true) {
      const int64_t next = std::max(at, now.nanos()) + cost;
      if (at_.compare_exchange_weak(at, next, std::memory_order_relaxed)) {
        return Instant::FromNanos(next - depth);
      }
    }
  }
  // Forgets what is owed for longer than `depth`: the rate has changed.
  void Cap(Instant now, int64_t depth) {
    const int64_t most = now.nanos() + depth;
    int64_t at = at_.load(std::memory_order_relaxed);
    while (at > most &&
           !at_.compare_exchange_weak(at, most, std::memory_order_relaxed)) {
    }
  }
  // As good as new.
  bool Full(Instant now) const {
    return at_.load(std::memory_order_relaxed) <= now.nanos();
  }
  void Reset() { at_.store(0, std::memory_order_relaxed); }

 private:
  static bool Allows(int64_t from, Instant now, int64_t cost, int64_t depth) {
    return from - now.nanos() + cost <= depth;
  }
  std::atomic<int64_t> at_{0};
};

}  // namespace ballast::l7

#endif  // LB_L7_TOKEN_CLOCK_H_
