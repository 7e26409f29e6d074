// Where records go if nobody takes them: to standard error, as text.
//
// Threads  any.
#ifndef LB_RUN_STDERR_LOG_H_
#define LB_RUN_STDERR_LOG_H_

#include <cstdio>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lb/log_format.h"
#include "lb/log_record.h"

namespace ballast::run {

// `log`; if that is empty, one that writes to standard error.
inline Log LogOrStandardError(Log log) {
  if (log != nullptr) return log;
  return [](const LogRecord& record) {
    const std::string line =
        TextLogLine(record, absl::Now(), absl::LocalTimeZone());
    std::fputs(line.c_str(), stderr);
  };
}

}  // namespace ballast::run

#endif  // LB_RUN_STDERR_LOG_H_
