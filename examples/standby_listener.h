// ipvs_standby without --serve: hears a master and lists what it tells.
//
// Threads  one.
#ifndef EXAMPLES_STANDBY_LISTENER_H_
#define EXAMPLES_STANDBY_LISTENER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "io/base/address.h"

namespace ballast {

struct StandbyListenerOptions {
  std::string interface;
  Endpoint group;  // With the first port.
  int ports = 1;
  std::optional<uint8_t> syncid;  // Unset: all.
  size_t entries_max = 1'000'000;
};

// Until SIGTERM or SIGINT. Prints to standard output: totals each second, the
// table on SIGUSR1 and at the end.
absl::Status ListenToMaster(const StandbyListenerOptions& options);

}  // namespace ballast

#endif  // EXAMPLES_STANDBY_LISTENER_H_
