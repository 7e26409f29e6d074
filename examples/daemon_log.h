// ballastd's log: records of the balancer and of its own, as lines on standard
// error, for people (text) or for programs (JSON).
//
// Bounds   each event has an allowance (lb/log_limiter.h); lines that standard
//          error does not take at once are dropped and counted, so that nobody
//          waits for who reads the log.
// Threads  one.
#ifndef EXAMPLES_DAEMON_LOG_H_
#define EXAMPLES_DAEMON_LOG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/base/instant.h"
#include "io/line_output.h"
#include "lb/log_limiter.h"
#include "lb/log_record.h"
#include "lb/statistics.h"

namespace ballast {

class DaemonLog {
 public:
  enum class Format { kText, kJson };
  // What --log says; "auto": text on a terminal, else JSON.
  //   kInvalidArgument  anything else
  static absl::StatusOr<Format> FormatOf(absl::string_view flag);

  explicit DaemonLog(Format format);
  ~DaemonLog();

  void Put(const LogRecord& record);
  // What was asked for, however much it is.
  void PutAll(const std::vector<std::string>& messages,
              absl::string_view event);
  Log log() {
    return [this](const LogRecord& record) { Put(record); };
  }

  // When Advance() has something to do; Never().
  Instant deadline() const { return limiter_.deadline(); }
  void Advance();

 private:
  void Write(const LogRecord& record);
  bool WriteLine(const LogRecord& record);

  const Format format_;
  LineOutput output_;
  uint64_t dropped_told_ = 0;
  LogLimiter limiter_;
};

// What was lost since the last look: frames dropped, by reason, and messages of
// the partner's that were refused. Each as one record, if there is any.
class LossReport {
 public:
  std::vector<LogRecord> Step(const Statistics& statistics);

 private:
  using Counts = std::vector<std::pair<std::string, uint64_t>>;
  Counts drops_, refused_;
};

}  // namespace ballast

#endif  // EXAMPLES_DAEMON_LOG_H_
