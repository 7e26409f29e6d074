// Whether a virtual service is up, from what its servers are.
//
// Source  LoadMaster: up while at least one server (or RsMinimum of them) is
//         available and every critical server is up. A critical server that is
//         disabled counts as failed.
#ifndef LB_HEALTH_SERVICE_UP_H_
#define LB_HEALTH_SERVICE_UP_H_

#include <cstdint>
#include <span>

namespace ballast::health {

struct Member {
  bool enabled = true;   // By the administrator: neither disabled nor draining.
  bool healthy = false;  // Its check is up.
  bool critical = false;
  uint32_t weight = 1000;
  bool at_limit = false;  // Of connections.

  bool up() const { return enabled && healthy; }
  // Would a scheduler give it a new flow?
  bool available() const { return up() && weight > 0 && !at_limit; }
};

inline bool ServiceUp(std::span<const Member> members, uint32_t servers_min) {
  uint32_t available = 0;
  for (const Member& member : members) {
    if (member.critical && !member.up()) return false;
    if (member.available()) ++available;
  }
  return available >= (servers_min > 0 ? servers_min : 1);
}

}  // namespace ballast::health

#endif  // LB_HEALTH_SERVICE_UP_H_
