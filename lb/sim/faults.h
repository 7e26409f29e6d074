// What befalls a simulated pair: which faults there are, and when each begins
// and ends in a run.
#ifndef LB_SIM_FAULTS_H_
#define LB_SIM_FAULTS_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "lb/sim/course.h"
#include "lb/sim/host.h"
#include "lb/sim/invariants.h"
#include "lb/sim/pair_network.h"

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
  kLeave,      // Ends in good order, and starts again.
};
inline constexpr int kFaultCount = 14;
const char* FaultName(Fault fault);

class Faults {
 public:
  // What only the owner of the units can do.
  class Operator {
   public:
    virtual ~Operator() = default;
    virtual void Boot(int unit) = 0;
    virtual void Crash(int unit) = 0;
    // Another configuration, at the unit that serves.
    virtual void ChangeConfiguration() = 0;
  };

  Faults(Course& course, std::array<Host, 2>& hosts, PairNetwork& network,
         Invariants& invariants, Operator& op);

  // `count` of them (each kind `only`, if that is one), the last of them over
  // well before `end`.
  void Plan(int count, int only, Instant end);
  // What was planned, for the report.
  const std::string& report() const { return report_; }

 private:
  void Begin(Fault fault, int unit, absl::Duration length);
  void Stall(int unit, absl::Duration length);
  void SetLink(int unit, size_t link, bool up);
  void Leave(int unit, absl::Duration length);
  void AwaitLeft(int unit, uint64_t process, absl::Duration length);
  double Random(double from, double to);

  Course& course_;
  std::array<Host, 2>& hosts_;
  PairNetwork& network_;
  PairNetwork::Weather& weather_;
  Invariants& invariants_;
  Operator& operator_;
  std::string report_;
};

}  // namespace ballast::sim

#endif  // LB_SIM_FAULTS_H_
