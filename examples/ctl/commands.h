// All commands of ballastctl.
#ifndef EXAMPLES_CTL_COMMANDS_H_
#define EXAMPLES_CTL_COMMANDS_H_

#include "absl/types/span.h"
#include "examples/ctl/command.h"

namespace ballast::ctl {

absl::Span<const Command> Commands();

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_COMMANDS_H_
