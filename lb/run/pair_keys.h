// The keys of a sealed pair: from ha.key_file, or the configuration itself.
//
// Errors   a file that cannot be read, or is none of keys, by field.
#ifndef LB_RUN_PAIR_KEYS_H_
#define LB_RUN_PAIR_KEYS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "ha/envelope.h"
#include "lb/config/model.h"

namespace ballast::run {

absl::StatusOr<std::vector<ha::PairKey>> ReadPairKeys(
    const config::HighAvailability& pair);

}  // namespace ballast::run

#endif  // LB_RUN_PAIR_KEYS_H_
