// Commands about a running unit's configurations: what changed, who changed
// it, and the way back.
#ifndef EXAMPLES_CTL_CHANGE_COMMANDS_H_
#define EXAMPLES_CTL_CHANGE_COMMANDS_H_

#include "absl/status/statusor.h"
#include "examples/ctl/command.h"

namespace ballast::ctl {

absl::StatusOr<Output> ShowHistory(const Call& call);
absl::StatusOr<Output> ShowDifference(const Call& call);
absl::StatusOr<Output> ShowAudit(const Call& call);
absl::StatusOr<Output> Rollback(const Call& call);
// The file is read or written by the daemon, which may be elsewhere.
absl::StatusOr<Output> Backup(const Call& call);
absl::StatusOr<Output> Restore(const Call& call);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CHANGE_COMMANDS_H_
