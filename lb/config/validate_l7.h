// The part of validation that looks at what makes a service a proxy.
#ifndef LB_CONFIG_VALIDATE_L7_H_
#define LB_CONFIG_VALIDATE_L7_H_

#include <string>

#include "lb/config/ballast.pb.h"
#include "lb/config/model.h"
#include "lb/config/problems.h"
#include "lb/config/validate_pool.h"
#include "lb/config/validate_service.h"

namespace ballast::config {

// `from` has l7, whose path is `path`; all else of `service` is there already.
void ValidateL7(const std::string& path, const proto::VirtualService& from,
                const ServiceDefaults& defaults, const PoolOwner& owner,
                VirtualService& service, Problems& problems);

// Config.l7, into what services fall back to and what they share.
void ValidateL7Defaults(const proto::L7Defaults& from,
                        ServiceDefaults& defaults, L7Settings& settings,
                        Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_L7_H_
