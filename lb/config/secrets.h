// The secrets in a configuration: the fields of ballast.proto whose comment
// says so. What leaves the unit for other eyes (a difference, a backup without
// them) must not have them.
//
// Cost     a walk over the configuration.
// Threads  pure functions.
#ifndef LB_CONFIG_SECRETS_H_
#define LB_CONFIG_SECRETS_H_

#include <span>

#include "absl/strings/string_view.h"
#include "lb/config/ballast.pb.h"

namespace ballast::config {

// Protobuf's full names, "ballast.config.proto.Config.hash_key".
std::span<const absl::string_view> SecretFields();

void ClearSecrets(proto::Config& config);

// Each becomes "(secret 1)", "(secret 2)": in all of `configs` the same for
// equal ones and another for others.
void MaskSecrets(std::span<proto::Config* const> configs);

// Gives `config`, from which they were cleared, those of `other` that belong to
// the same message: of a service with the same address, a certificate with the
// same chain.
void FillSecrets(proto::Config& config, const proto::Config& other);

}  // namespace ballast::config

#endif  // LB_CONFIG_SECRETS_H_
