// Lines of log records, for people or for programs.
//
//   text  18:01:13.042 warning: tcp 192.0.2.10:80 web: server ... down: ...
//         (time as given by the zone; no word for level info)
//   JSON  {"time":"2026-11-22T18:01:13.042Z","level":"warning",
//          "event":"server_down","message":"...","server":"192.0.2.21:80"}
//         (one line; RFC 8259; time RFC 3339 in UTC; what it is about beside)
//
// Bytes   whatever a record has, a line is UTF-8 without control characters and
//         cannot be taken for two records: in JSON they are escaped, in text
//         shown as "?", and a line break as one followed by two spaces. What is
//         not UTF-8 becomes U+FFFD in both.
// Bounds  kLogLineBytesMax with the newline at its end, which pipes take whole
//         or not at all (PIPE_BUF); what is cut ends in "...". At most
//         kLogFieldsMax of `about`.
#ifndef LB_LOG_FORMAT_H_
#define LB_LOG_FORMAT_H_

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "lb/log_record.h"

namespace ballast {

inline constexpr size_t kLogLineBytesMax = 4096;
inline constexpr size_t kLogFieldsMax = 8;

std::string TextLogLine(const LogRecord& record, absl::Time at,
                        absl::TimeZone zone);
std::string JsonLogLine(const LogRecord& record, absl::Time at);

// "info", "warning", "error".
absl::string_view LogLevelName(LogLevel level);

}  // namespace ballast

#endif  // LB_LOG_FORMAT_H_
