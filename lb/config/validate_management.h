// The part of validation that looks at who may manage the unit, and at what the
// API calls services and servers by.
#ifndef LB_CONFIG_VALIDATE_MANAGEMENT_H_
#define LB_CONFIG_VALIDATE_MANAGEMENT_H_

#include "lb/config/ballast.pb.h"
#include "lb/config/problems.h"

namespace ballast::config {

inline constexpr int kUsersMax = 64;
inline constexpr int kApiKeysMax = 16;

void ValidateManagement(const proto::Config& config, Problems& problems);

// `index` fields: in range, and none twice.
void ValidateIndices(const proto::Config& config, Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_MANAGEMENT_H_
