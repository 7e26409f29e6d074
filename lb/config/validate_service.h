// The part of validation that looks at one virtual service by itself.
#ifndef LB_CONFIG_VALIDATE_SERVICE_H_
#define LB_CONFIG_VALIDATE_SERVICE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "lb/config/ballast.pb.h"
#include "lb/config/model.h"
#include "lb/config/problems.h"

namespace ballast::config {

// Global settings that services fall back to.
struct ServiceDefaults {
  absl::Duration connection_timeout = absl::Seconds(660);
  absl::Duration slow_start = absl::ZeroDuration();
  absl::Duration drain_time = absl::Seconds(300);
  bool drop_at_drain_end = false;
  uint32_t check_interval_s = 9;
  uint32_t check_timeout_s = 4;
  uint32_t check_retry_count = 2;
  Adaptive adaptive;
  bool l7_transparent = false;
  bool l7_subnet_originating = false;
  bool l7_connection_scaling = false;
  // By name.
  std::map<std::string, const proto::NamedCertificate*> certificates;
  // In every service; port 0: whatever the port.
  std::set<Endpoint> disabled_servers;
};

// Seconds a check interval must at least be, so that a server's last retry has
// timed out before its next check begins.
constexpr uint32_t CheckIntervalMin(uint32_t timeout_s, uint32_t retry_count) {
  return retry_count * timeout_s + 1;
}

// `path` is the service's own. The result means nothing once `problems` has
// errors.
VirtualService ValidateService(const std::string& path,
                               const proto::VirtualService& service,
                               const ServiceDefaults& defaults,
                               Problems& problems);

// Shared with the rest of validation: the address in `text`. Reports, and
// returns nullopt for, what is not one host's: unspecified, multicast, loopback
// or broadcast; IPv6 link-local and loopback only where allowed.
std::optional<Address> ValidateHost(const std::string& path,
                                    const std::string& text,
                                    bool link_local_allowed, Problems& problems,
                                    bool loopback_allowed = false);

// Reports a label that is not formed as VirtualService.name demands.
void ValidateName(const std::string& path, const std::string& name,
                  Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_SERVICE_H_
