// Keeps one kind of event from filling a log: each has an allowance of its own,
// and what is over it is counted, and told as one record.
//
// Allowance  a burst, then so many a second (a token bucket for each `event`).
// Told       "log_suppressed", with the event and the count: before that
// event's
//            next record, or at deadline(), kTellAfter after the first of them.
// Bounds     kEventsMax events; those beyond share one allowance.
// Threads    the owner's, which passes the time.
#ifndef LB_LOG_LIMITER_H_
#define LB_LOG_LIMITER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "lb/log_record.h"

namespace ballast {

class LogLimiter {
 public:
  static constexpr size_t kEventsMax = 256;
  static constexpr absl::Duration kTellAfter = absl::Seconds(5);

  struct Options {
    double burst = 100;
    double per_second = 5;
  };
  LogLimiter(const Options& options, Log out)
      : options_(options), out_(std::move(out)) {}

  void Offer(const LogRecord& record, Instant now);
  // Tells of what was suppressed and is due.
  void Advance(Instant now) { TellDue(now, /*all=*/false); }
  // The same, of all: before the process ends.
  void Flush(Instant now) { TellDue(now, /*all=*/true); }
  // When Advance() has something to do; Never().
  Instant deadline() const;

 private:
  struct Bucket {
    double tokens = 0;
    Instant filled;
    uint64_t suppressed = 0;
    Instant tell_at;
  };
  Bucket& BucketOf(absl::string_view event, Instant now);
  void TellDue(Instant now, bool all);
  void Tell(const std::string& event, Bucket& bucket);

  const Options options_;
  const Log out_;
  std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace ballast

#endif  // LB_LOG_LIMITER_H_
