// The part of validation that looks at weights that move.
#ifndef LB_CONFIG_VALIDATE_ADAPTIVE_H_
#define LB_CONFIG_VALIDATE_ADAPTIVE_H_

#include <string>

#include "lb/config/ballast.pb.h"
#include "lb/config/problems.h"
#include "lb/config/server_pool.h"

namespace ballast::config {

// `path` is the message's; what it leaves out is as in `defaults`. The
// interval of the result is zero where neither gives one.
Adaptive ValidateAdaptive(const std::string& path, const proto::Adaptive& from,
                          const Adaptive& defaults, Problems& problems);

// Settles the interval of `pool`, whose check and schedule are there already.
void SettleAdaptive(const std::string& path, ServerPool& pool,
                    Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_ADAPTIVE_H_
