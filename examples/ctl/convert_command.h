// `ballastctl convert`.
#ifndef EXAMPLES_CTL_CONVERT_COMMAND_H_
#define EXAMPLES_CTL_CONVERT_COMMAND_H_

#include "absl/status/statusor.h"
#include "examples/ctl/command.h"

namespace ballast::ctl {

// The configuration to standard output; what is not in it to standard error,
// "FILE:LINE: DIRECTIVE: WHY". Failed if no service is carried over, or with
// --strict if anything is not.
absl::StatusOr<Output> Convert(const Call& call);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_COMMAND_H_
