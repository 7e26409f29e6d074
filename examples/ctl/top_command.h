// `ballastctl top`.
#ifndef EXAMPLES_CTL_TOP_COMMAND_H_
#define EXAMPLES_CTL_TOP_COMMAND_H_

#include "absl/status/statusor.h"
#include "examples/ctl/command.h"

namespace ballast::ctl {

// Draws until it is told to end; one frame, without its terminal, if standard
// output is none or it is asked to.
absl::StatusOr<Output> Top(const Call& call);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_TOP_COMMAND_H_
