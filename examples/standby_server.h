// ipvs_standby --serve: a Balancer that stands by beside a Linux director, and
// takes its connections over when it is told to.
//
// Threads  the caller's; the Balancer makes its own.
#ifndef EXAMPLES_STANDBY_SERVER_H_
#define EXAMPLES_STANDBY_SERVER_H_

#include <string>

#include "absl/status/status.h"

namespace ballast {

// `config_path`: a configuration whose `ha` has wire PLAIN and election
// BY_COMMAND, with its updates on `interface`. Until SIGTERM, SIGINT or "quit".
// Commands are lines of standard input, see the program's help; SIGUSR1 lists,
// SIGUSR2 takes or gives the role.
//   kInvalidArgument  the configuration is not such a one; the text says why
absl::Status ServeAsStandby(const std::string& config_path,
                            const std::string& interface);

}  // namespace ballast

#endif  // EXAMPLES_STANDBY_SERVER_H_
