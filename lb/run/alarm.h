// One timeout of a reactor's that can be moved and left at any time, as an
// operation cannot.
//
// Cost     Set() to a later instant: a store. To an earlier one: one
//          cancellation, and the alarm is in force a turn later.
// Threads  the reactor's.
#ifndef LB_RUN_ALARM_H_
#define LB_RUN_ALARM_H_

#include <utility>

#include "absl/functional/any_invocable.h"
#include "io/base/instant.h"
#include "io/reactor.h"

namespace ballast::run {

class Alarm {
 public:
  // `on_alarm` is called from the reactor's turns, once for each Set() that is
  // not overtaken by another. It may call Set(), and destroy the alarm as the
  // last thing it does.
  Alarm(Reactor& reactor, absl::AnyInvocable<void()> on_alarm)
      : reactor_(reactor), on_alarm_(std::move(on_alarm)) {}
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() {
    if (timer_ == nullptr) return;
    timer_->alarm = nullptr;  // It goes when its cancellation has completed.
    reactor_.Cancel(&timer_->operation);
  }

  // Never(): not at all.
  void Set(Instant deadline) {
    deadline_ = deadline;
    if (timer_ == nullptr) {
      if (deadline_ != Instant::Never()) Start();
    } else if (deadline_ < timer_->deadline) {
      reactor_.Cancel(&timer_->operation);
    }
  }
  Instant deadline() const { return deadline_; }

 private:
  // Pending as long as it exists.
  struct Timer {
    Alarm* alarm;
    Instant deadline;
    Operation operation = Operation::To<&Timer::OnCompletion>(this);

    void OnCompletion(Completion) {
      Alarm* const owner = alarm;
      delete this;
      if (owner != nullptr) owner->OnTimer();
    }
  };

  void Start() {
    timer_ = new Timer{this, deadline_};
    reactor_.Timeout(&timer_->operation, deadline_);
    if (timer_->operation.pending()) return;
    delete timer_;  // The reactor is being destroyed.
    timer_ = nullptr;
  }
  void OnTimer() {
    timer_ = nullptr;
    if (deadline_ == Instant::Never()) return;
    if (deadline_ > reactor_.Now()) return Start();
    deadline_ = Instant::Never();
    on_alarm_();
  }

  Reactor& reactor_;
  absl::AnyInvocable<void()> on_alarm_;
  Instant deadline_ = Instant::Never();
  Timer* timer_ = nullptr;
};

}  // namespace ballast::run

#endif  // LB_RUN_ALARM_H_
