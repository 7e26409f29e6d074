// Services and servers as people type them, found in the unit's status. Pure.
//
//   SERVICE  its id, "192.0.2.10:80/tcp"; without "/tcp", or its name, where
//            that is one service's
//   SERVER   its id, "192.0.2.21:80", or its name; with sub services, where two
//            have it, "SUB_SERVICE/SERVER"
//
// Errors   kNotFound         there is none: says which there are
//          kInvalidArgument  several could be meant: says which
#ifndef EXAMPLES_CTL_SERVER_NAMES_H_
#define EXAMPLES_CTL_SERVER_NAMES_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/admin/v1.pb.h"

namespace ballast::ctl {

// Points into `status`.
absl::StatusOr<const admin::proto::Service*> FindService(
    const admin::proto::Status& status, absl::string_view name);

// With service, sub_service and server set, and nothing ordered yet.
absl::StatusOr<admin::proto::ServerOrder> OrderFor(
    const admin::proto::Status& status, absl::string_view service,
    absl::string_view server);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_SERVER_NAMES_H_
