// What the balancer says of itself while it runs: a role changed, a server is
// down, a configuration is refused.
//
// `event` names the kind and stays the same from version to version: what reads
// logs goes by it, and by `about`. `message` is for people, whole by itself,
// and may change. Neither has secrets; both may have any bytes that came from
// outside (log_format.h makes lines of them).
#ifndef LB_LOG_RECORD_H_
#define LB_LOG_RECORD_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace ballast {

enum class LogLevel : uint8_t {
  kInfo,     // As it should be.
  kWarning,  // Somebody should look at it: something is lost, or will be.
  kError,    // Something asked for is not done.
};

struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  absl::string_view event;  // A literal, such as "server_down".
  std::string message;
  // What it concerns: names that are literals, such as "server", "service",
  // "role", "generation"; never "time", "level", "event" or "message".
  std::vector<std::pair<absl::string_view, std::string>> about = {};
};

// Called on the control thread, with records that last for the call.
using Log = std::function<void(const LogRecord&)>;

}  // namespace ballast

#endif  // LB_LOG_RECORD_H_
