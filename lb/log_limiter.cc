#include "lb/log_limiter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ballast {
namespace {

constexpr char kOthers[] = "other events";

}  // namespace

LogLimiter::Bucket& LogLimiter::BucketOf(absl::string_view event, Instant now) {
  auto it = buckets_.find(event);
  if (it != buckets_.end()) return it->second;
  if (buckets_.size() >= kEventsMax) {
    it = buckets_.find(kOthers);
    if (it != buckets_.end()) return it->second;
    event = kOthers;
  }
  Bucket bucket;
  bucket.tokens = options_.burst;
  bucket.filled = now;
  return buckets_.emplace(std::string(event), bucket).first->second;
}

void LogLimiter::Offer(const LogRecord& record, Instant now) {
  Bucket& bucket = BucketOf(record.event, now);
  const double seconds = absl::ToDoubleSeconds(now - bucket.filled);
  bucket.tokens =
      std::min(options_.burst, bucket.tokens + seconds * options_.per_second);
  bucket.filled = now;
  if (bucket.tokens < 1) {
    if (bucket.suppressed++ == 0) bucket.tell_at = now + kTellAfter;
    return;
  }
  bucket.tokens -= 1;
  if (bucket.suppressed > 0) Tell(std::string(record.event), bucket);
  out_(record);
}

void LogLimiter::TellDue(Instant now, bool all) {
  for (auto& [event, bucket] : buckets_) {
    if (bucket.suppressed > 0 && (all || bucket.tell_at <= now)) {
      Tell(event, bucket);
    }
  }
}

void LogLimiter::Tell(const std::string& event, Bucket& bucket) {
  const uint64_t count = std::exchange(bucket.suppressed, 0);
  out_({LogLevel::kWarning,
        "log_suppressed",
        absl::StrCat(event, ": ", count, " more, too many to log"),
        {{"suppressed_event", event}, {"count", absl::StrCat(count)}}});
}

Instant LogLimiter::deadline() const {
  Instant next = Instant::Never();
  for (const auto& [event, bucket] : buckets_) {
    if (bucket.suppressed > 0) next = std::min(next, bucket.tell_at);
  }
  return next;
}

}  // namespace ballast
