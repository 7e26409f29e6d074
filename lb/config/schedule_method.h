// A configured schedule as the schedulers call it, and whether its weights
// move.
#ifndef LB_CONFIG_SCHEDULE_METHOD_H_
#define LB_CONFIG_SCHEDULE_METHOD_H_

#include "lb/config/server_pool.h"
#include "sched/scheduler.h"

namespace ballast::config {

inline sched::Method MethodOf(Schedule schedule) {
  switch (schedule) {
    case Schedule::kRoundRobin:
      return sched::Method::kRoundRobin;
    case Schedule::kWeightedRoundRobin:
    case Schedule::kAdaptive:
    case Schedule::kSdnAdaptive:
    case Schedule::kResponseTime:
      return sched::Method::kWeightedRoundRobin;
    case Schedule::kLeastConnection:
      return sched::Method::kLeastConnection;
    case Schedule::kWeightedLeastConnection:
      return sched::Method::kWeightedLeastConnection;
    case Schedule::kFixed:
      return sched::Method::kFixedWeighting;
    case Schedule::kSourceHash:
      return sched::Method::kSourceIpHash;
    case Schedule::kUrlHash:  // Of layer 7 alone.
      return sched::Method::kUrlHash;
  }
  return sched::Method::kRoundRobin;
}

// By lb/run/weight_watch.h.
inline bool WeightsMove(Schedule schedule) {
  return schedule == Schedule::kAdaptive ||
         schedule == Schedule::kSdnAdaptive ||
         schedule == Schedule::kResponseTime;
}

}  // namespace ballast::config

#endif  // LB_CONFIG_SCHEDULE_METHOD_H_
