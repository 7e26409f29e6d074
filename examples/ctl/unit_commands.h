// Commands that show a running unit, and change its servers and its role.
#ifndef EXAMPLES_CTL_UNIT_COMMANDS_H_
#define EXAMPLES_CTL_UNIT_COMMANDS_H_

#include "absl/status/statusor.h"
#include "examples/ctl/command.h"

namespace ballast::ctl {

absl::StatusOr<Output> ShowStatus(const Call& call);
absl::StatusOr<Output> ShowServices(const Call& call);
absl::StatusOr<Output> ShowServers(const Call& call);

absl::StatusOr<Output> EnableServer(const Call& call);
absl::StatusOr<Output> DisableServer(const Call& call);
absl::StatusOr<Output> DrainServer(const Call& call);
absl::StatusOr<Output> WeighServer(const Call& call);

absl::StatusOr<Output> Switchover(const Call& call);
absl::StatusOr<Output> Resync(const Call& call);
absl::StatusOr<Output> Update(const Call& call);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_UNIT_COMMANDS_H_
