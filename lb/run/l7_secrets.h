// What active cookies and persistence keys are made of: the configuration's, or
// one that is made at the first start and kept in state_dir.
#ifndef LB_RUN_L7_SECRETS_H_
#define LB_RUN_L7_SECRETS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "lb/config/model.h"

namespace ballast::run {

// Not empty. Errors name the file.
absl::StatusOr<std::vector<config::L7Secret>> ReadL7Secrets(
    const config::Model& model);

}  // namespace ballast::run

#endif  // LB_RUN_L7_SECRETS_H_
