// The part of validation that looks at which servers follow which.
#ifndef LB_CONFIG_VALIDATE_FOLLOW_H_
#define LB_CONFIG_VALIDATE_FOLLOW_H_

#include "lb/config/ballast.pb.h"
#include "lb/config/model.h"
#include "lb/config/problems.h"

namespace ballast::config {

// Resolves RealServer.follow, once all services of `model` are there.
void ValidateFollow(const proto::Config& from, Model& model,
                    Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_FOLLOW_H_
