#include "examples/daemon_status.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "io/clock.h"

namespace ballast {
namespace {

// After news: several come together.
constexpr absl::Duration kStatusDelay = absl::Seconds(1);

}  // namespace

std::string StatusText(const Statistics& statistics) {
  const auto up = std::count_if(
      statistics.services.begin(), statistics.services.end(),
      [](const ServiceStatistics& service) { return service.up; });
  return absl::StrCat(
      statistics.pair.configured ? statistics.pair.role : "serving", ", ", up,
      " of ", statistics.services.size(), " services up, configuration ",
      statistics.generation);
}

void DaemonStatus::Ready(Asked statistics) {
  if (!notifier_.enabled()) return;
  notifier_.Send("READY=1");
  Tell(statistics);
}

void DaemonStatus::Reloading() {
  notifier_.Send(ServiceNotifier::Reloading(MonotonicNow()));
}

void DaemonStatus::Ending() { notifier_.Send("STOPPING=1\nSTATUS=ending"); }

void DaemonStatus::OnRecord(const LogRecord& record) {
  if (!notifier_.enabled()) return;
  for (const absl::string_view event :
       {"role_changed", "server_up", "server_down", "configuration_accepted"}) {
    if (record.event == event) {
      status_due_ = std::min(status_due_, MonotonicNow() + kStatusDelay);
    }
  }
}

Instant DaemonStatus::deadline() const {
  return notifier_.watchdog() > absl::ZeroDuration()
             ? std::min(status_due_, ping_due_)
             : status_due_;
}

void DaemonStatus::Advance(Asked statistics) {
  const Instant now = MonotonicNow();
  if (notifier_.watchdog() > absl::ZeroDuration() && now >= ping_due_) {
    notifier_.Send("WATCHDOG=1");
    // sd_watchdog_enabled(3): every half of the time.
    ping_due_ = now + notifier_.watchdog() / 2;
  }
  if (now >= status_due_) Tell(statistics);
}

void DaemonStatus::Tell(Asked statistics) {
  status_due_ = Instant::Never();
  std::string text = ServiceNotifier::Status(StatusText(statistics()));
  if (text == told_) return;
  notifier_.Send(text);
  told_ = std::move(text);
}

}  // namespace ballast
