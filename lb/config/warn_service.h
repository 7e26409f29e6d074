// What a valid service says that is seldom meant: settings without effect, no
// server that takes a flow, servers that get under half their fair share.
#ifndef LB_CONFIG_WARN_SERVICE_H_
#define LB_CONFIG_WARN_SERVICE_H_

#include <string>

#include "lb/config/ballast.pb.h"
#include "lb/config/model.h"
#include "lb/config/problems.h"

namespace ballast::config {

// `service` is what validation made of `from`, at `path`.
void WarnOfService(const std::string& path, const proto::VirtualService& from,
                   const VirtualService& service, Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_WARN_SERVICE_H_
