#include "io/realtime.h"

#include <sched.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace ballast {

absl::Status RunInRealTime(int priority) {
  sched_param parameter{};
  parameter.sched_priority = priority;
  if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameter) == 0) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno,
                             absl::StrCat("SCHED_RR at priority ", priority));
}

}  // namespace ballast
