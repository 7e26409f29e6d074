#include "examples/daemon_log.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/clock.h"
#include "lb/log_format.h"

namespace ballast {
namespace {

using Counts = std::vector<std::pair<std::string, uint64_t>>;

// " a=1 b=2" of what `now` has more than `before`, and their sum.
std::pair<std::string, uint64_t> Growth(const Counts& before,
                                        const Counts& now) {
  std::pair<std::string, uint64_t> grown;
  for (const auto& counted : now) {
    const auto& [reason, count] = counted;
    const auto it = std::find_if(
        before.begin(), before.end(),
        [&](const auto& one) { return one.first == counted.first; });
    const uint64_t had = it == before.end() ? 0 : it->second;
    if (count <= had) continue;
    absl::StrAppend(&grown.first, grown.first.empty() ? "" : " ", reason, "=",
                    count - had);
    grown.second += count - had;
  }
  return grown;
}

}  // namespace

absl::StatusOr<DaemonLog::Format> DaemonLog::FormatOf(absl::string_view flag) {
  if (flag == "text") return Format::kText;
  if (flag == "json") return Format::kJson;
  if (flag == "auto") {
    return isatty(STDERR_FILENO) != 0 ? Format::kText : Format::kJson;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--log=", flag, ": must be auto, text or json"));
}

DaemonLog::DaemonLog(Format format)
    : format_(format),
      output_(STDERR_FILENO),
      limiter_({}, [this](const LogRecord& record) { Write(record); }) {}

DaemonLog::~DaemonLog() { limiter_.Flush(MonotonicNow()); }

void DaemonLog::Put(const LogRecord& record) {
  limiter_.Offer(record, MonotonicNow());
}

void DaemonLog::PutAll(const std::vector<std::string>& messages,
                       absl::string_view event) {
  for (const std::string& message : messages) {
    Write({LogLevel::kInfo, event, message});
  }
}

void DaemonLog::Advance() { limiter_.Advance(MonotonicNow()); }

void DaemonLog::Write(const LogRecord& record) {
  if (!WriteLine(record) || output_.dropped() == dropped_told_) return;
  const uint64_t count = output_.dropped() - dropped_told_;
  if (WriteLine({LogLevel::kWarning,
                 "log_lost",
                 absl::StrCat(count,
                              " lines before this one were lost: who "
                              "reads the log did not keep up"),
                 {{"count", absl::StrCat(count)}}})) {
    dropped_told_ += count;
  }
}

bool DaemonLog::WriteLine(const LogRecord& record) {
  return output_.Write(
      format_ == Format::kJson
          ? JsonLogLine(record, absl::Now())
          : TextLogLine(record, absl::Now(), absl::LocalTimeZone()));
}

std::vector<LogRecord> LossReport::Step(const Statistics& statistics) {
  std::vector<LogRecord> records;
  const auto report = [&](Counts& before, const Counts& now, LogLevel level,
                          const char* event, const char* what) {
    const auto [reasons, count] = Growth(before, now);
    before = now;
    if (count == 0) return;
    records.push_back({level,
                       event,
                       absl::StrCat(count, what, ": ", reasons),
                       {{"count", absl::StrCat(count)}, {"reasons", reasons}}});
  };
  report(drops_, statistics.drops, LogLevel::kInfo, "frames_dropped",
         " frames dropped");
  report(refused_, statistics.pair.refused_by_reason, LogLevel::kWarning,
         "partner_messages_refused", " messages of the partner refused");
  return records;
}

}  // namespace ballast
