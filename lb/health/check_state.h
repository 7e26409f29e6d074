// Whether one real server is up, as a pure state machine: probe results and the
// time go in, probes to start and changes to report come out. No socket, no
// clock.
//
// The owner calls Step() for every result and at deadline(), and carries out
// the returned actions in order. Timeouts are counted here: the owner reports
// what has arrived first, and then the Tick.
//
// A *check* is a series of probes, a *probe* one connection attempt or one echo
// request.
//   R1  A check begins every `interval`, at a phase of the server's own, so
//       that the checks of many servers are spread over the interval; the very
//       first within kFirstCheckWithin.
//   R2  A probe that has no answer after `timeout` has failed.
//   R3  The first success ends the check and takes a server up that was down.
//   R4  While the server is up, the probe after a failed one starts `timeout`
//       after that one did, also if it failed sooner (a daemon that restarts
//       refuses for a moment): `retry_count` failures in a row take the server
//       down. Of a server that fell silent that is timeout * retry_count after
//       the check began.
//   R5  While it is down, a check is one probe.
//   R6  A flow that the server refused (FlowRefused) begins a check at once and
//       counts as its first failure. The rest of the check's failures must be
//       its own, so no stranger's packets alone take a server down.
//   R7  A probe that could not be sent says nothing of the server: it ends the
//       check, is no failure, and breaks no row of them.
//   R8  A server not yet checked is down, reason kUnchecked, unless the owner
//       knows better. With check type none it is always up.
//
// Units    interval, timeout: whole seconds in the configuration, any positive
//          Duration here; interval > retry_count * timeout.
// Cost     a few instructions a step, no allocation but of a reason's text.
// Source   LoadMaster, health check parameters: Check Interval, Connect
//          Timeout, Retry Count. R4's pause and R5 to R8 are ours; the
//          vendor's pages are silent.
#ifndef LB_HEALTH_CHECK_STATE_H_
#define LB_HEALTH_CHECK_STATE_H_

#include <cstdint>
#include <string>
#include <variant>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "lb/config/model.h"

namespace ballast::health {

inline constexpr absl::Duration kFirstCheckWithin = absl::Seconds(1);

// What one probe came to.
enum class ProbeResult : uint8_t {
  kSuccess,
  kRefused,      // RST, or ICMP port unreachable.
  kUnreachable,  // ICMP host or net unreachable, or no route.
  kRejected,     // It answered, and not as it should.
  kLocalError,   // Not sent: no socket, port or memory. The owner counts these.
};

// Why the server is what it is.
enum class Reason : uint8_t {
  kUnchecked,
  kNoCheck,  // Check type none.
  kAnswered,
  kRefused,
  kUnreachable,
  kTimedOut,
  kRejected,  // Its answer was not what is wanted; the text says which.
  kFollows,   // Down because another is (the owner's own; not CheckState's).
};

// "connection refused" and the like, where the reason alone says it all.
const char* ReasonText(Reason reason);

// Time has passed: deadline() was reached.
struct Tick {};
// The probe of that number ended. One for another probe than the last started
// is ignored.
struct ProbeDone {
  uint32_t probe;
  ProbeResult result;
  std::string why{};  // kRejected: "HTTP status 503".
};
// The server answered a client's SYN with a RST. Without effect on a server
// that is down or being checked.
struct FlowRefused {};
using Event = std::variant<Tick, ProbeDone, FlowRefused>;

struct Action {
  enum class Kind : uint8_t {
    kStartProbe,  // Of number `probe`.
    kAbortProbe,  // Close what that probe holds; its result is not awaited.
    kReportUp,    // up(), reason() have changed.
    kReportDown,
  };
  Kind kind;
  uint32_t probe = 0;

  friend bool operator==(const Action&, const Action&) = default;
};
using Actions = absl::InlinedVector<Action, 3>;  // Never heap.

class CheckState {
 public:
  // `spread` decides the phase of R1: a hash of the server's endpoint, say.
  // `up` is what the owner knows of the server already.
  CheckState(const config::HealthCheck& check, uint64_t spread, Instant now,
             bool up = false);

  // `now` never goes back.
  [[nodiscard]] Actions Step(Instant now, const Event& event);

  // Other parameters for the same server, which stays what it is until it is
  // checked by them: within kFirstCheckWithin if the type or port differ, else
  // at the next interval. The same parameters change nothing.
  [[nodiscard]] Actions Reconfigure(Instant now,
                                    const config::HealthCheck& check);

  // When to call Step(Tick) next; Never() with check type none.
  Instant deadline() const { return deadline_; }

  bool up() const { return up_; }
  Reason reason() const { return reason_; }
  // For logs and statistics: "connection refused", "no answer in 4 s".
  std::string reason_text() const;
  // When up() last changed; of a new one, when it was made.
  Instant last_change() const { return last_change_; }
  int failures_in_a_row() const { return failures_; }
  const config::HealthCheck& check() const { return check_; }

 private:
  // Of probes and checks: waiting for the next check, for an answer, or (R4)
  // until a probe that failed early would have timed out.
  enum class Phase : uint8_t { kIdle, kProbing, kPausing };

  void StartProbe(Instant now, Actions& actions);
  void AbortProbe(Actions& actions);
  void OnSuccess(Instant now, Actions& actions);
  void OnFailure(Instant now, Reason reason, Actions& actions);
  void SetUp(Instant now, bool up, Actions& actions);
  void EndCheck(Instant now);
  Instant FirstCheck(Instant now) const;
  Instant NextCheck(Instant now) const;

  config::HealthCheck check_;
  uint64_t spread_;
  Instant last_step_;
  Instant last_change_;
  Instant deadline_;
  Instant probe_started_;
  uint32_t probe_ = 0;  // The last one started.
  int failures_ = 0;
  Phase phase_ = Phase::kIdle;
  bool up_;
  Reason reason_ = Reason::kUnchecked;
  std::string why_;  // Of kRejected.
};

}  // namespace ballast::health

#endif  // LB_HEALTH_CHECK_STATE_H_
