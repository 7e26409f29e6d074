// What of v1.proto asks about running connections: orders into the backend's
// terms, answers out of them.
//
// Errors  kInvalidArgument  a field that is none of its kind or out of range;
//                           names it, the value and the limit
//         and the backend's
#ifndef LB_ADMIN_V1_INSPECT_H_
#define LB_ADMIN_V1_INSPECT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lb/admin/backend.h"
#include "lb/admin/v1.pb.h"

namespace ballast::admin {

absl::StatusOr<proto::Connections> ListConnections(
    const proto::ConnectionQuery& query, Backend* backend);

absl::StatusOr<proto::Explanation> Explain(const proto::ExplainOrder& order,
                                           Backend* backend);

absl::StatusOr<proto::PersistenceEntries> ListPersistence(
    const proto::PersistenceQuery& query, Backend* backend);
absl::StatusOr<proto::PersistenceEntries> DeletePersistence(
    const proto::PersistenceQuery& query, const Author& author,
    Backend* backend);

}  // namespace ballast::admin

#endif  // LB_ADMIN_V1_INSPECT_H_
