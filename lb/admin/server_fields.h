// The fields of a real server in the API, and of a sub service as a member of
// its parent, each a row of a table.
//
// Source  LoadMaster behaviour, 4.12, 5.1 and 7.6.
#ifndef LB_ADMIN_SERVER_FIELDS_H_
#define LB_ADMIN_SERVER_FIELDS_H_

#include <vector>

#include "absl/status/status.h"
#include "lb/admin/directory.h"
#include "lb/admin/document.h"
#include "lb/admin/request.h"
#include "lb/statistics.h"

namespace ballast::admin {

// Server `place` of service.servers(); `statistics` of the service or null.
std::vector<Node> ShowServer(const Service& service, int place,
                             const ServiceStatistics* statistics);
// `member.sub` is the sub service.
std::vector<Node> ShowMember(const Service& member,
                             const ServiceStatistics* statistics);

// Take over what `parameters` have; kInvalidArgument naming field, value and
// limit.
absl::Status ChangeServer(const Parameters& parameters, const Service& service,
                          int place);
absl::Status ChangeMember(const Parameters& parameters, const Service& member);

// Enable as the API has it. Not enabled, at layer 7: clients with a persistence
// entry still get there for the drain time (5.2).
bool IsEnabled(const Service& service, const config::proto::RealServer& server);
void SetEnabled(const Service& service, bool enabled,
                config::proto::RealServer* server);

}  // namespace ballast::admin

#endif  // LB_ADMIN_SERVER_FIELDS_H_
