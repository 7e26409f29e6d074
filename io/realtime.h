// Scheduling of the calling thread in real time.
#ifndef IO_REALTIME_H_
#define IO_REALTIME_H_

#include "absl/status/status.h"

namespace ballast {

// From now on the calling thread runs before every thread that is not in real
// time (SCHED_RR at `priority`, 1 to 99). Threads it makes do not inherit that.
// Meant for one that sleeps most of the time.
//   kPermissionDenied  no CAP_SYS_NICE
absl::Status RunInRealTime(int priority);

}  // namespace ballast

#endif  // IO_REALTIME_H_
