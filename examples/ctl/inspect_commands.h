// Commands that ask a running unit who has a connection, and why.
#ifndef EXAMPLES_CTL_INSPECT_COMMANDS_H_
#define EXAMPLES_CTL_INSPECT_COMMANDS_H_

#include "absl/status/statusor.h"
#include "examples/ctl/command.h"

namespace ballast::ctl {

absl::StatusOr<Output> ShowConnections(const Call& call);
absl::StatusOr<Output> ShowPersistence(const Call& call);
absl::StatusOr<Output> DeletePersistence(const Call& call);
absl::StatusOr<Output> ExplainClient(const Call& call);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_INSPECT_COMMANDS_H_
