// The part of validation about a partner of another make.
#ifndef LB_CONFIG_VALIDATE_PLAIN_PEER_H_
#define LB_CONFIG_VALIDATE_PLAIN_PEER_H_

#include <cstdint>

#include "lb/config/ballast.pb.h"
#include "lb/config/ha_model.h"
#include "lb/config/problems.h"

namespace ballast::config {

// Fills ha.plain from `pair`, "ha"; the rest of `ha` is there.
void ValidatePlainPeer(const proto::HighAvailability& pair, uint32_t timeout_s,
                       HighAvailability& ha, Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_PLAIN_PEER_H_
