// The report of a controller of the network (SDN): a JSON document at a URL of
// its own,
//
//   {"servers": [{"address": "10.0.0.1", "load": 37.5}, ...]}
//
// with the load of the path to each server in percent of what it carries, 0 or
// more. Servers that it does not name, or without a load, are not known; other
// members are ignored, so that it may say more.
//
// Errors   kInvalidArgument: no JSON, or not of this shape.
// Threads  pure.
// Source   ours: the vendor's interface to its controller is not public
//          (LoadMaster behaviour §4.7, `sdn-adaptive`).
#ifndef LB_HEALTH_CONTROLLER_REPORT_H_
#define LB_HEALTH_CONTROLLER_REPORT_H_

#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"

namespace ballast::health {

inline constexpr size_t kControllerReportBytesMax = 256 * 1024;

using ControllerLoads = absl::flat_hash_map<Address, double>;

absl::StatusOr<ControllerLoads> ParseControllerReport(absl::string_view json);

}  // namespace ballast::health

#endif  // LB_HEALTH_CONTROLLER_REPORT_H_
