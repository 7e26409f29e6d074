// How long a persistence entry lives: the pure rules, for every kind of entry.
//
// Rules    L1  the clock starts when a connection is established, and each new
//              connection inside the timeout starts it again
//          L2  an entry is valid while now < start + timeout, not at equality
//          L3  a connection that stays open does not keep its entry alive,
//              unless refresh is on and the timeout is 4 days or more: then the
//              entry is started again once a day
//          L4  timeouts are whole minutes, 1 minute to 28 days: rounded down,
//              less than a minute turns persistence off
// Source   LoadMaster, persistence options: PersistTimeout, RefreshPersist.
//          Equality in L2 is our choice; the vendor is silent.
#ifndef PERSIST_LIFETIME_H_
#define PERSIST_LIFETIME_H_

#include "absl/time/time.h"
#include "io/base/instant.h"

namespace ballast::persist {

inline constexpr absl::Duration kTimeoutMin = absl::Minutes(1);
inline constexpr absl::Duration kTimeoutMax = absl::Hours(28 * 24);
inline constexpr absl::Duration kRefreshFrom = absl::Hours(4 * 24);
inline constexpr absl::Duration kRefreshPeriod = absl::Hours(24);

// L4. Zero: persistence is off. Above kTimeoutMax: kTimeoutMax.
inline absl::Duration RoundPersistTimeout(absl::Duration timeout) {
  if (timeout < kTimeoutMin) return absl::ZeroDuration();
  if (timeout > kTimeoutMax) return kTimeoutMax;
  return absl::Floor(timeout, absl::Minutes(1));
}

// L2.
inline bool IsValid(Instant now, Instant start, absl::Duration timeout) {
  return now < start + timeout;
}

// L3: whether an entry last started at `start` is to be started again for a
// connection that is still open.
inline bool IsRefreshDue(Instant now, Instant start, absl::Duration timeout,
                         bool refresh) {
  return refresh && timeout >= kRefreshFrom && now >= start + kRefreshPeriod;
}

}  // namespace ballast::persist

#endif  // PERSIST_LIFETIME_H_
