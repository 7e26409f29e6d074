// Statistics from the counters of all packet threads, and rates from two looks
// at them.
//
// Threads  the control thread; counters are read while others write them.
#ifndef LB_RUN_STATISTICS_H_
#define LB_RUN_STATISTICS_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "io/base/instant.h"
#include "io/packet_io.h"
#include "lb/balancer.h"
#include "lb/l4/path_context.h"
#include "lb/l4/plan.h"
#include "lb/run/server_health.h"

namespace ballast::run {

// A service's counts include its former servers': as they were at the last
// sample, when nothing was open to them any more.
class StatisticsCollector {
 public:
  // Remembers the counters: rates are over the time between the last two calls,
  // about a second apart.
  void Sample(Instant now, const l4::Plan& plan,
              std::span<const l4::AllCounters* const> threads);

  Statistics Collect(const l4::Plan& plan,
                     std::span<const l4::AllCounters* const> threads,
                     std::span<const PacketIoStats> io,
                     const std::function<ServerHealth(l4::Slot)>& health) const;

 private:
  // A server's slot at the last sample.
  struct Seen {
    uint64_t service = 0;  // Ids, 0: no server.
    uint64_t server = 0;
    Traffic traffic;  // Rates, too.
  };
  std::vector<Seen> seen_;  // By slot.
  // What servers counted that are gone, by their service's id.
  absl::flat_hash_map<uint64_t, Traffic> gone_;
  Instant sampled_ = Instant::FromNanos(0);
};

}  // namespace ballast::run

#endif  // LB_RUN_STATISTICS_H_
