#include "lb/health/check_state.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"

namespace ballast::health {
namespace {

Reason FailureReason(ProbeResult result) {
  switch (result) {
    case ProbeResult::kRefused:
      return Reason::kRefused;
    case ProbeResult::kRejected:
      return Reason::kRejected;
    default:
      return Reason::kUnreachable;
  }
}

void CheckParameters(const config::HealthCheck& check) {
  BALLAST_CHECK(check.interval > absl::ZeroDuration());
  BALLAST_CHECK(check.timeout > absl::ZeroDuration());
  BALLAST_CHECK(check.retry_count >= 1);
}

}  // namespace

const char* ReasonText(Reason reason) {
  switch (reason) {
    case Reason::kUnchecked:
      return "not yet checked";
    case Reason::kNoCheck:
      return "no check configured";
    case Reason::kAnswered:
      return "answered";
    case Reason::kRefused:
      return "connection refused";
    case Reason::kUnreachable:
      return "unreachable";
    case Reason::kTimedOut:
      return "no answer in time";
    case Reason::kRejected:
      return "wrong answer";
    case Reason::kFollows:
      return "follows another server, which is down";
  }
  return "?";
}

std::string CheckState::reason_text() const {
  if (reason_ == Reason::kRejected && !why_.empty()) return why_;
  if (reason_ != Reason::kTimedOut) return ReasonText(reason_);
  const int64_t ms = absl::ToInt64Milliseconds(check_.timeout);
  return ms % 1000 == 0 ? absl::StrCat("no answer in ", ms / 1000, " s")
                        : absl::StrCat("no answer in ", ms, " ms");
}

CheckState::CheckState(const config::HealthCheck& check, uint64_t spread,
                       Instant now, bool up)
    : check_(check),
      spread_(spread),
      last_step_(now),
      last_change_(now),
      up_(up) {
  CheckParameters(check);
  if (check.type == config::CheckType::kNone) {
    up_ = true;  // R8
    reason_ = Reason::kNoCheck;
    deadline_ = Instant::Never();
  } else {
    deadline_ = FirstCheck(now);
  }
}

Actions CheckState::Step(Instant now, const Event& event) {
  BALLAST_CHECK(now >= last_step_);  // A clock that runs back is our bug.
  last_step_ = now;
  Actions actions;
  if (const auto* done = std::get_if<ProbeDone>(&event)) {
    if (phase_ != Phase::kProbing || done->probe != probe_) return actions;
    switch (done->result) {
      case ProbeResult::kSuccess:
        OnSuccess(now, actions);
        break;
      case ProbeResult::kLocalError:
        EndCheck(now);  // R7
        break;
      case ProbeResult::kRefused:
      case ProbeResult::kUnreachable:
      case ProbeResult::kRejected:
        why_ = done->why;
        OnFailure(now, FailureReason(done->result), actions);
        break;
    }
    return actions;
  }
  if (std::holds_alternative<FlowRefused>(event)) {
    if (!up_ || phase_ != Phase::kIdle || deadline_ == Instant::Never()) {
      return actions;
    }
    failures_ = std::max(failures_, 1);  // R6
    StartProbe(now, actions);
    return actions;
  }
  if (now < deadline_) return actions;  // An early tick is harmless.
  if (phase_ == Phase::kProbing) {
    AbortProbe(actions);
    OnFailure(now, Reason::kTimedOut, actions);  // R2
  } else {
    StartProbe(now, actions);
  }
  return actions;
}

Actions CheckState::Reconfigure(Instant now, const config::HealthCheck& check) {
  BALLAST_CHECK(now >= last_step_);
  CheckParameters(check);
  Actions actions;
  if (check == check_) return actions;
  last_step_ = now;
  const bool elsewhere = check.type != check_.type || check.port != check_.port;
  check_ = check;
  if (phase_ == Phase::kProbing) AbortProbe(actions);
  phase_ = Phase::kIdle;
  if (check.type == config::CheckType::kNone) {
    failures_ = 0;
    reason_ = Reason::kNoCheck;  // R8
    deadline_ = Instant::Never();
    SetUp(now, true, actions);
    return actions;
  }
  if (elsewhere) failures_ = 0;
  deadline_ = elsewhere ? FirstCheck(now) : NextCheck(now);
  return actions;
}

void CheckState::StartProbe(Instant now, Actions& actions) {
  phase_ = Phase::kProbing;
  probe_started_ = now;
  deadline_ = now + check_.timeout;
  actions.push_back({Action::Kind::kStartProbe, ++probe_});
}

void CheckState::AbortProbe(Actions& actions) {
  actions.push_back({Action::Kind::kAbortProbe, probe_});
}

void CheckState::OnSuccess(Instant now, Actions& actions) {
  failures_ = 0;
  reason_ = Reason::kAnswered;
  EndCheck(now);
  SetUp(now, true, actions);  // R3
}

void CheckState::OnFailure(Instant now, Reason reason, Actions& actions) {
  if (failures_ < std::numeric_limits<int>::max()) ++failures_;
  if (up_ && failures_ < check_.retry_count) {
    phase_ = Phase::kPausing;
    deadline_ = probe_started_ + check_.timeout;  // R4
    if (now >= deadline_) StartProbe(now, actions);
    return;
  }
  reason_ = reason;
  EndCheck(now);  // R5
  SetUp(now, false, actions);
}

void CheckState::SetUp(Instant now, bool up, Actions& actions) {
  if (up_ == up) return;
  up_ = up;
  last_change_ = now;
  actions.push_back({up ? Action::Kind::kReportUp : Action::Kind::kReportDown});
}

void CheckState::EndCheck(Instant now) {
  phase_ = Phase::kIdle;
  deadline_ = NextCheck(now);
}

Instant CheckState::FirstCheck(Instant now) const {
  const absl::Duration window = std::min(check_.interval, kFirstCheckWithin);
  return now + absl::Nanoseconds(static_cast<int64_t>(
                   spread_ %
                   static_cast<uint64_t>(absl::ToInt64Nanoseconds(window))));
}

// R1: the first instant after `now` that is `spread_` modulo the interval.
Instant CheckState::NextCheck(Instant now) const {
  const int64_t interval = absl::ToInt64Nanoseconds(check_.interval);
  const int64_t phase =
      static_cast<int64_t>(spread_ % static_cast<uint64_t>(interval));
  int64_t past = (now.nanos() - phase) % interval;
  if (past < 0) past += interval;
  return now + absl::Nanoseconds(interval - past);
}

}  // namespace ballast::health
