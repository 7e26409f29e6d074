// What ballastd tells the service manager that started it, if one did: when it
// serves, reloads and ends, its role, and that its loop runs.
//
// Threads  one.
#ifndef EXAMPLES_DAEMON_STATUS_H_
#define EXAMPLES_DAEMON_STATUS_H_

#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "io/base/instant.h"
#include "io/service_notifier.h"
#include "lb/log_record.h"
#include "lb/statistics.h"

namespace ballast {

// "active, 3 of 4 services up": for STATUS=.
std::string StatusText(const Statistics& statistics);

class DaemonStatus {
 public:
  using Asked = absl::FunctionRef<Statistics()>;

  explicit DaemonStatus(ServiceNotifier notifier)
      : notifier_(std::move(notifier)) {}

  // It serves: at first, and after Reloading().
  void Ready(Asked statistics);
  void Reloading();
  void Ending();

  // A record went to the log: the status is not what it was, if it is about a
  // role or a server. Told within a second.
  void OnRecord(const LogRecord& record);

  // When Advance() has something to do.
  Instant deadline() const;
  // Each turn of the loop: what is due. Nobody else pings the watchdog, so that
  // a loop which does not turn is noticed.
  void Advance(Asked statistics);

 private:
  void Tell(Asked statistics);

  ServiceNotifier notifier_;
  std::string told_;
  Instant status_due_ = Instant::Never();
  Instant ping_due_;
};

}  // namespace ballast

#endif  // EXAMPLES_DAEMON_STATUS_H_
