// A simulated machine: a clock that may run fast or slow, and at most one
// process on it, a Unit, which may be stopped, go on, end and start again.
//
// What arrives while the process is stopped waits for it, as in a socket; what
// was meant for a process that has ended does not reach the next one.
#ifndef LB_SIM_HOST_H_
#define LB_SIM_HOST_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "io/base/instant.h"
#include "lb/sim/course.h"
#include "lb/sim/unit.h"

namespace ballast::sim {

class Host {
 public:
  // What happens to the unit, by its own clock.
  using Act = std::function<void(Unit& unit, Instant local)>;

  explicit Host(Course& course);

  // -- The process
  void Start(const std::function<std::unique_ptr<Unit>(Instant local)>& make);
  void End();
  Unit* unit() { return unit_.get(); }
  const Unit* unit() const { return unit_.get(); }
  // It is there, and not stopped.
  bool runs() const { return unit_ != nullptr && !stopped(); }
  bool serving() const { return unit_ != nullptr && unit_->serving(local()); }
  // Which process of this host it is, from 1.
  uint64_t process() const { return process_; }
  Instant started() const { return started_; }  // By the course's clock.

  void Do(Act act);
  void DoAfter(absl::Duration delay, Act act);
  // By the course's clock, when the unit is to be called.
  Instant deadline() const;
  void Tick() { unit_->Tick(local()); }

  // -- What befalls it
  void SetClockRate(double rate);
  // Stops it; `went_on` is called when it goes on, before anything else.
  void Stop(absl::Duration length, const std::function<void()>& went_on);

  Instant local() const;

 private:
  bool stopped() const { return course_.now() < stopped_until_; }

  Course& course_;
  std::unique_ptr<Unit> unit_;
  uint64_t process_ = 0;
  Instant started_;
  // Local time runs at `rate_` since `rate_since_`.
  double rate_ = 1;
  Instant rate_since_;
  Instant local_base_;
  Instant stopped_until_;
  std::deque<Act> waiting_;
};

}  // namespace ballast::sim

#endif  // LB_SIM_HOST_H_
