// What active cookies, persistence keys and TLS tickets are made of where the
// configuration has no l7.secrets: one secret, made at the first start, kept in
// state_dir, and in a pair the active unit's. Never logged.
//
// Errors   name the file.
#ifndef LB_RUN_L7_SECRETS_H_
#define LB_RUN_L7_SECRETS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lb/config/model.h"

namespace ballast::run {

// The one that was kept; if there is none, one that is made and kept.
absl::StatusOr<config::L7Secret> ReadL7Secret(const config::Model& model);
// For the next start. Without a state_dir nothing is kept.
absl::Status KeepL7Secret(const config::Model& model,
                          const config::L7Secret& secret);

}  // namespace ballast::run

#endif  // LB_RUN_L7_SECRETS_H_
