// The part of validation that looks at how servers are checked.
#ifndef LB_CONFIG_VALIDATE_CHECK_H_
#define LB_CONFIG_VALIDATE_CHECK_H_

#include <string>
#include <vector>

#include "lb/config/ballast.pb.h"
#include "lb/config/problems.h"
#include "lb/config/server_pool.h"
#include "lb/config/validate_pool.h"
#include "lb/config/validate_service.h"

namespace ballast::config {

// `path` is the check's. The result means nothing once `problems` has errors.
HealthCheck ValidateCheck(const std::string& path,
                          const proto::HealthCheck& from,
                          const ServiceDefaults& defaults,
                          const PoolOwner& owner,
                          const std::vector<RealServer>& servers,
                          Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_CHECK_H_
