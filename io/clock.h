// The monotonic clock, for the code that owns a loop. Pure code is handed the
// time instead.
//
// Cost  a vDSO call, some 20 ns.
#ifndef IO_CLOCK_H_
#define IO_CLOCK_H_

#include <time.h>

#include "io/base/instant.h"

namespace ballast {

inline Instant MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return Instant::FromNanos(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

}  // namespace ballast

#endif  // IO_CLOCK_H_
