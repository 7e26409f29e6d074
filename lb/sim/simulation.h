// A pair, its clients and its real servers on virtual time, in one process: the
// real director, codecs and HA code, with the network and the clocks made up
// from a seed. The same seed replays the same run, event by event.
//
// A run       120 s of virtual time, 50 sessions (sessions.h), three faults
//             (faults.h), the last of them over well before the end.
// Invariants  V1..V8: invariants.h.
#ifndef LB_SIM_SIMULATION_H_
#define LB_SIM_SIMULATION_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace ballast::sim {

struct Options {
  uint64_t seed = 1;
  absl::Duration length = absl::Seconds(120);
  int sessions = 50;
  int faults = 3;
  // Only this Fault, `faults` times; for tests.
  int only = -1;
  bool trace = false;  // Prints what happens to standard output.
};

struct Outcome {
  // The first invariant broken, by name, when and how; empty: none.
  std::string failure;
  std::string faults;  // What was done, for the report.
  uint64_t sessions_opened = 0;
  uint64_t sessions_ended = 0;
  uint64_t sessions_excused = 0;
  uint64_t answers = 0;
  uint64_t role_changes = 0;
  uint64_t handed_over = 0;
  uint64_t took_over_incomplete = 0;
  uint64_t repaired = 0;
  uint64_t transfers = 0;
  uint64_t events = 0;
};

Outcome Simulate(const Options& options);

}  // namespace ballast::sim

#endif  // LB_SIM_SIMULATION_H_
