#include "lb/config/validate_adaptive.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lb/config/validate_service.h"

namespace ballast::config {
namespace {

constexpr uint32_t kPortMin = 3;
constexpr uint32_t kPortMax = 65530;
constexpr uint32_t kIntervalMaxS = 60;
constexpr absl::Duration kIntervalDefault = absl::Seconds(10);
constexpr size_t kUrlMax = 126;

}  // namespace

Adaptive ValidateAdaptive(const std::string& path, const proto::Adaptive& from,
                          const Adaptive& defaults, Problems& problems) {
  Adaptive adaptive = defaults;
  const auto at = [&](const char* field) {
    return absl::StrCat(path, ".", field);
  };
  const std::string& url = from.url();
  if (!url.empty()) {
    const bool good = url[0] == '/' && url.size() <= kUrlMax &&
                      std::all_of(url.begin(), url.end(), [](char c) {
                        return c > ' ' && c < '\x7f' && c != '#';
                      });
    if (!good) {
      problems.Error(
          at("url"),
          absl::StrCat(Quoted(url), ", must begin with a / and be at most ",
                       kUrlMax, " characters, no blanks or #"));
    }
    adaptive.url = url;
  }
  adaptive.port = static_cast<uint16_t>(problems.InRangeOr(
      at("port"), from.port(), kPortMin, kPortMax, defaults.port));
  const uint32_t interval_s = problems.InRangeOr(
      at("interval_s"), from.interval_s(), 1, kIntervalMaxS, 0);
  if (interval_s != 0) adaptive.interval = absl::Seconds(interval_s);
  if (from.has_idle_percent()) {
    adaptive.idle_percent = static_cast<int>(
        problems.InRange(at("idle_percent"), from.idle_percent(), 0, 100));
  }
  if (from.has_least_percent()) {
    adaptive.least_percent = static_cast<int>(
        problems.InRange(at("least_percent"), from.least_percent(), 0, 100));
  }
  if (!from.controller().empty()) {
    const auto address = ValidateHost(at("controller"), from.controller(),
                                      /*link_local_allowed=*/false, problems,
                                      /*loopback_allowed=*/true);
    if (address) adaptive.controller = *address;
  }
  return adaptive;
}

void SettleAdaptive(const std::string& path, ServerPool& pool,
                    Problems& problems) {
  Adaptive& adaptive = pool.adaptive;
  const bool checked = pool.check.type != CheckType::kNone;
  const absl::Duration least = checked ? pool.check.interval : absl::Seconds(1);
  const bool polls = pool.schedule == Schedule::kAdaptive ||
                     pool.schedule == Schedule::kSdnAdaptive;
  if (adaptive.interval == absl::ZeroDuration()) {
    adaptive.interval = std::max(kIntervalDefault, least);
  } else if (polls && adaptive.interval < least) {
    problems.Error(
        absl::StrCat(path, ".adaptive.interval_s"),
        absl::StrCat(absl::ToInt64Seconds(adaptive.interval),
                     ", must be at least ", absl::ToInt64Seconds(least),
                     ", the interval of health checks"));
  }
  if (pool.schedule == Schedule::kSdnAdaptive && !adaptive.controller) {
    problems.Warn(absl::StrCat(path, ".adaptive.controller"),
                  "empty: the weights stay as configured");
  }
  if (pool.schedule == Schedule::kResponseTime && !checked) {
    problems.Warn(absl::StrCat(path, ".schedule"),
                  "RESPONSE_TIME, the weights stay as configured: no health "
                  "check measures a time");
  }
  // Nothing to tell apart where nothing asks.
  if (!polls) adaptive = {};
}

}  // namespace ballast::config
