#include "lb/sim/course.h"

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ballast::sim {

bool Course::Chance(double probability) {
  if (probability <= 0) return false;
  return std::uniform_real_distribution<double>()(random_) < probability;
}

void Course::At(Instant when, std::function<void()> act) {
  events_.push({when, ++order_, std::move(act)});
}

void Course::RunNext() {
  // The queue's own copy is const; nothing else refers to it.
  auto act = std::move(const_cast<Event&>(events_.top()).act);
  events_.pop();
  act();
}

void Course::Fail(absl::string_view rule, absl::string_view how) {
  if (!failure_.empty()) return;
  failure_ =
      absl::StrCat(rule, " at ", absl::ToDoubleSeconds(elapsed()), " s: ", how);
  Trace(absl::StrCat("FAILED ", rule, ": ", how));
}

void Course::Trace(absl::string_view what) const {
  if (!trace_) return;
  std::printf("%9.4f %.*s\n", absl::ToDoubleSeconds(elapsed()),
              static_cast<int>(what.size()), what.data());
}

}  // namespace ballast::sim
