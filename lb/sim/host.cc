#include "lb/sim/host.h"

#include <cmath>
#include <utility>

namespace ballast::sim {
namespace {

constexpr size_t kWaitingMax = 4096;

}  // namespace

Host::Host(Course& course)
    : course_(course),
      started_(course.start()),
      rate_since_(course.start()),
      local_base_(course.start()) {}

void Host::Start(
    const std::function<std::unique_ptr<Unit>(Instant local)>& make) {
  ++process_;
  started_ = course_.now();
  unit_ = make(local());
}

void Host::End() {
  unit_.reset();
  waiting_.clear();
  stopped_until_ = course_.now();
  ++process_;
}

void Host::Do(Act act) {
  if (unit_ == nullptr) return;
  if (stopped()) {
    if (waiting_.size() < kWaitingMax) waiting_.push_back(std::move(act));
    return;
  }
  act(*unit_, local());
}

void Host::DoAfter(absl::Duration delay, Act act) {
  course_.After(delay,
                [this, process = process_, act = std::move(act)]() mutable {
                  if (process_ == process) Do(std::move(act));
                });
}

Instant Host::deadline() const {
  if (!runs()) return Instant::Never();
  const Instant due = unit_->deadline();
  if (due == Instant::Never()) return due;
  const Instant now = local();
  if (due <= now) return course_.now();
  if (rate_ == 1) return course_.now() + (due - now);
  // Rounded up: to be called early would be to be called again and again.
  const auto ahead = static_cast<double>(due.nanos() - now.nanos());
  return Instant::FromNanos(course_.now().nanos() +
                            static_cast<int64_t>(std::ceil(ahead / rate_)) + 1);
}

void Host::SetClockRate(double rate) {
  local_base_ = local();
  rate_since_ = course_.now();
  rate_ = rate;
}

void Host::Stop(absl::Duration length, const std::function<void()>& went_on) {
  if (!runs()) return;
  stopped_until_ = course_.now() + length;
  course_.After(length, [this, process = process_, went_on] {
    if (process_ != process || stopped()) return;
    went_on();
    std::deque<Act> waiting;
    waiting.swap(waiting_);
    for (Act& act : waiting) {
      if (process_ == process) act(*unit_, local());
    }
  });
}

Instant Host::local() const {
  const int64_t passed = course_.now().nanos() - rate_since_.nanos();
  return Instant::FromNanos(
      local_base_.nanos() +
      (rate_ == 1 ? passed
                  : static_cast<int64_t>(static_cast<double>(passed) * rate_)));
}

}  // namespace ballast::sim
