// The course of one simulated run: its clock, its chance, what is to happen
// when, and how it ended.
#ifndef LB_SIM_COURSE_H_
#define LB_SIM_COURSE_H_

#include <cstdint>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/instant.h"

namespace ballast::sim {

class Course {
 public:
  // `trace`: what happens is printed to standard output.
  Course(uint64_t seed, Instant start, bool trace)
      : start_(start), trace_(trace), now_(start), random_(seed) {}

  Instant start() const { return start_; }
  Instant now() const { return now_; }
  absl::Duration elapsed() const { return now_ - start_; }

  std::mt19937_64& random() { return random_; }
  bool Chance(double probability);

  // Events of one instant happen in the order they were asked for.
  void At(Instant when, std::function<void()> act);
  void After(absl::Duration delay, std::function<void()> act) {
    At(now_ + delay, std::move(act));
  }
  // When the next event is.
  Instant next() const {
    return events_.empty() ? Instant::Never() : events_.top().when;
  }
  void RunNext();
  void MoveTo(Instant now) { now_ = std::max(now_, now); }

  // An invariant, by its name, is broken: the run ends.
  void Fail(absl::string_view rule, absl::string_view how);
  // The first failure, when and how; empty: none.
  const std::string& failure() const { return failure_; }
  void Trace(absl::string_view what) const;

 private:
  struct Event {
    Instant when;
    uint64_t order;
    std::function<void()> act;
    friend bool operator<(const Event& a, const Event& b) {
      return a.when != b.when ? a.when > b.when : a.order > b.order;
    }
  };

  const Instant start_;
  const bool trace_;
  Instant now_;
  std::mt19937_64 random_;
  uint64_t order_ = 0;
  std::priority_queue<Event> events_;
  std::string failure_;
};

}  // namespace ballast::sim

#endif  // LB_SIM_COURSE_H_
