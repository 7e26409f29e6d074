// Services and servers of a configuration by the names v1.proto has for them.
#ifndef LB_ADMIN_V1_FIND_H_
#define LB_ADMIN_V1_FIND_H_

#include <string>

#include "absl/status/statusor.h"
#include "lb/admin/v1.pb.h"
#include "lb/config/ballast.pb.h"

namespace ballast::admin {

// "192.0.2.10:80/tcp"; empty if its address is none.
std::string ServiceNameOf(const config::proto::VirtualService& service);

// The server `order` names, in `config`.
//   kNotFound  no such service, sub service or server; says which
absl::StatusOr<config::proto::RealServer*> FindServer(
    const proto::ServerOrder& order, config::proto::Config* config);

// By `disabled_servers`, whatever its own state.
bool IsDisabledEverywhere(const config::proto::RealServer& server,
                          const config::proto::Config& config);

}  // namespace ballast::admin

#endif  // LB_ADMIN_V1_FIND_H_
