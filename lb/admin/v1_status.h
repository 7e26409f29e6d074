// What a unit shows of itself, as v1.proto has it.
//
// Cost  linear in services and servers; for a service with schedule SH some
//       microseconds more.
#ifndef LB_ADMIN_V1_STATUS_H_
#define LB_ADMIN_V1_STATUS_H_

#include <vector>

#include "absl/time/time.h"
#include "lb/admin/backend.h"
#include "lb/admin/v1.pb.h"
#include "lb/config/ballast.pb.h"
#include "lb/statistics.h"

namespace ballast::admin {

// Without user and role. What `statistics` tells of services that `config` does
// not have is shown without schedule.
proto::Status StatusOf(absl::Time now, const config::proto::Config& config,
                       const Statistics& statistics);

proto::History HistoryOf(const std::vector<Revision>& revisions);

}  // namespace ballast::admin

#endif  // LB_ADMIN_V1_STATUS_H_
