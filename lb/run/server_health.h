// A server's health as statistics tell it.
#ifndef LB_RUN_SERVER_HEALTH_H_
#define LB_RUN_SERVER_HEALTH_H_

#include <cstdint>
#include <optional>
#include <string>

namespace ballast::run {

struct ServerHealth {
  bool up = false;
  std::string reason;        // Why: "HTTP status 503".
  uint64_t unchanged_s = 0;  // Since `up` changed, or the server is known.
  std::optional<uint32_t> weight{};  // nullopt: as configured.
};

}  // namespace ballast::run

#endif  // LB_RUN_SERVER_HEALTH_H_
