// A point on the monotonic clock, in nanoseconds. Pure code is handed one; only
// io/ reads a clock. Calendar time is another thing and is not an Instant.
//
// Cost  one 64-bit integer; compare and subtract are single instructions.
#ifndef IO_BASE_INSTANT_H_
#define IO_BASE_INSTANT_H_

#include <compare>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace ballast {

class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant FromNanos(int64_t ns) { return Instant(ns); }
  // Later than every instant a clock can show: "no deadline".
  static constexpr Instant Never() {
    return Instant(std::numeric_limits<int64_t>::max());
  }

  constexpr int64_t nanos() const { return ns_; }

  friend constexpr auto operator<=>(Instant, Instant) = default;
  // Never() plus anything is Never().
  friend Instant operator+(Instant t, absl::Duration d) {
    return t == Never() ? t : Instant(t.ns_ + absl::ToInt64Nanoseconds(d));
  }
  friend Instant operator-(Instant t, absl::Duration d) { return t + -d; }
  friend absl::Duration operator-(Instant a, Instant b) {
    return absl::Nanoseconds(a.ns_ - b.ns_);
  }
  Instant& operator+=(absl::Duration d) { return *this = *this + d; }

 private:
  constexpr explicit Instant(int64_t ns) : ns_(ns) {}

  int64_t ns_ = 0;
};

}  // namespace ballast

#endif  // IO_BASE_INSTANT_H_
