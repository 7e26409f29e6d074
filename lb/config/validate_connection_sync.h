// The part of validation about connections shared with a conntrackd.
#ifndef LB_CONFIG_VALIDATE_CONNECTION_SYNC_H_
#define LB_CONFIG_VALIDATE_CONNECTION_SYNC_H_

#include "lb/config/ballast.pb.h"
#include "lb/config/model.h"
#include "lb/config/problems.h"

namespace ballast::config {

// Fills model.connection_sync; model.ha is there.
void ValidateConnectionSync(const proto::ConnectionSync& from, Model& model,
                            Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_CONNECTION_SYNC_H_
