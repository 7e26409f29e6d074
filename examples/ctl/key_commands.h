// Commands that need no ballastd: keys and passwords.
#ifndef EXAMPLES_CTL_KEY_COMMANDS_H_
#define EXAMPLES_CTL_KEY_COMMANDS_H_

#include "absl/status/statusor.h"
#include "examples/ctl/command.h"

namespace ballast::ctl {

absl::StatusOr<Output> KeyNew(const Call& call);
absl::StatusOr<Output> KeyId(const Call& call);
// Of one line of standard input: an argument could be seen by every user of the
// machine.
absl::StatusOr<Output> Password(const Call& call);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_KEY_COMMANDS_H_
