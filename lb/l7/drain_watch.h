// When the open connections of draining servers are to be cut.
//
// Rules (LoadMaster behaviour §5.2)
//   D1  with drop_at_drain_end: when the drain time ends; at once if the server
//       has no persistence entries
//   D2  a drain time of 0: at once
//   D3  else they are left
//
// Threads  one. Time is the caller's.
#ifndef LB_L7_DRAIN_WATCH_H_
#define LB_L7_DRAIN_WATCH_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/functional/function_ref.h"
#include "io/base/instant.h"
#include "lb/config/server_pool.h"

namespace ballast::l7 {

class DrainWatch {
 public:
  struct Server {
    uint32_t id = 0;
    const config::RealServer* config = nullptr;
  };

  // `servers`: all there are. Returns those whose connections are to be cut
  // now; each once while it drains. `has_entries`: by id.
  std::vector<uint32_t> Due(Instant now, const std::vector<Server>& servers,
                            absl::FunctionRef<bool(uint32_t)> has_entries) {
    std::map<uint32_t, Drain> draining;
    std::vector<uint32_t> due;
    for (const auto& [id, config] : servers) {
      if (config->state != config::AdminState::kDraining) continue;
      const auto known = draining_.find(id);
      Drain drain = known != draining_.end() ? known->second : Drain{now};
      const bool at_once = config->drain_time == absl::ZeroDuration();
      if (!drain.cut && (at_once || config->drop_at_drain_end)) {
        drain.cut = at_once || now >= drain.began + config->drain_time ||
                    !has_entries(id);
        if (drain.cut) due.push_back(id);
      }
      draining.emplace(id, drain);
    }
    draining_ = std::move(draining);
    return due;
  }

 private:
  struct Drain {
    Instant began;
    bool cut = false;
  };
  std::map<uint32_t, Drain> draining_;
};

}  // namespace ballast::l7

#endif  // LB_L7_DRAIN_WATCH_H_
