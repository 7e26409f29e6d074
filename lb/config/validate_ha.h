// The part of validation about the pair.
#ifndef LB_CONFIG_VALIDATE_HA_H_
#define LB_CONFIG_VALIDATE_HA_H_

#include "lb/config/ballast.pb.h"
#include "lb/config/model.h"
#include "lb/config/problems.h"

namespace ballast::config {

inline constexpr int kPairKeysMax = 8;
inline constexpr int kRebootWordsMax = 16;

// Fills model.ha, and what follows from it elsewhere: the shared address among
// the floating addresses, the virtual MAC on the interfaces. The rest of
// `model` is there.
void ValidateHa(const proto::Config& from, Model& model, Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_HA_H_
