// A pair, its clients and its real servers on virtual time, in one process: the
// real director, codecs and HA code, with the network and the clocks made up
// from a seed. The same seed replays the same run, event by event.
//
// A run       kLength of virtual time, 50 sessions, three faults out of Fault,
//             the last of them over well before the end.
// Invariants  V1  while the units hear each other, no two serve, but for the
//                 time a healed split takes to settle
//             V2  while they hear each other, one serves, but for that time
//             V3  a session that the new owner of its address had been told of
//                 is not lost; nor is any by a hand-over
//             V4  a role handed over was complete
//             V5  a unit that was stopped for a takeover time forwards nothing
//                 when it goes on, before it has the role again
//             V6  at the end one serves, the other stands by with an equal
//                 table, and every session is answered
#ifndef LB_SIM_SIMULATION_H_
#define LB_SIM_SIMULATION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace ballast::sim {

enum class Fault : uint8_t {
  kLoss,
  kDuplication,
  kReordering,
  kPartition,
  kOneWayPartition,
  kStall,
  kClockRate,
  kCrash,  // And a restart.
  kSickInterface,
  kConfiguration,
  kSwitchover,
  kUnplugged,  // From the clients' and servers' networks too.
  kReplay,     // Everything the units said is said again, later.
};
inline constexpr int kFaultCount = 13;
const char* FaultName(Fault fault);

struct Options {
  uint64_t seed = 1;
  absl::Duration length = absl::Seconds(120);
  int sessions = 50;
  int faults = 3;
  // Only this one, `faults` times; for tests.
  int only = -1;
  bool trace = false;  // Prints what happens to standard output.
};

struct Outcome {
  // The first invariant broken, when and how; empty: none.
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
