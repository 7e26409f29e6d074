// What ballastctl may ask of a ballastd: one command, one answer.
//
//   v1 GET|POST PATH [JSON]
//   pair | resync
//   diff A B | rollback N | audit N
//   backup PATH | backup-without-secrets PATH | restore PATH
//
// `v1` is the unit's own API (lb/admin/v1.proto), asked by an administrator:
// the answer is "200 " or another status, and the reply's JSON. A path of the
// others is an absolute one of the daemon's own machine, and the rest of the
// line. Changes and actions are in the audit as those of "ballastctl".
//
// Errors   kInvalidArgument: not such a command; else as run::Manager.
// Threads  the control thread's.
#ifndef EXAMPLES_DAEMON_COMMANDS_H_
#define EXAMPLES_DAEMON_COMMANDS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/run/manager.h"

namespace ballast {

absl::StatusOr<std::string> AnswerCommand(run::Manager& manager,
                                          absl::string_view command);

}  // namespace ballast

#endif  // EXAMPLES_DAEMON_COMMANDS_H_
