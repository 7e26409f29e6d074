// What a configuration says of the pair, as the options of Pair or PlainPair:
// with the keys read from their file and the starts of this process counted.
//
// Errors   what is missing or unreadable, by field.
#ifndef LB_RUN_PAIR_SETUP_H_
#define LB_RUN_PAIR_SETUP_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/base/address.h"
#include "lb/config/model.h"
#include "lb/run/pair.h"
#include "lb/run/plain_pair.h"

namespace ballast::run {

// `model.ha` has a mode, and no `plain`. Counts this start in state_dir.
absl::StatusOr<Pair::Options> MakePairOptions(const config::Model& model);
// `model.ha` has a mode and `plain`. Counts this start in state_dir. `mac`:
// what CARP's adverts come from.
absl::StatusOr<PlainPair::Options> MakePlainPairOptions(
    const config::Model& model, const MacAddress& mac);

// This process has been up for ha.pacify_window: it is stable.
absl::Status RecordStableRun(const config::Model& model);

}  // namespace ballast::run

#endif  // LB_RUN_PAIR_SETUP_H_
