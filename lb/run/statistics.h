// Statistics from the counters of all packet threads, and rates from two looks
// at them.
//
// Threads  the control thread; counters are read while others write them.
#ifndef LB_RUN_STATISTICS_H_
#define LB_RUN_STATISTICS_H_

#include <functional>
#include <span>
#include <vector>

#include "io/base/instant.h"
#include "io/packet_io.h"
#include "lb/balancer.h"
#include "lb/l4/path_context.h"
#include "lb/l4/plan.h"
#include "lb/run/server_health.h"

namespace ballast::run {

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
  struct Rate {
    uint64_t connections = 0, packets = 0, bytes = 0;  // At the last sample.
    double connections_per_second = 0;
    double packets_per_second = 0;
    double bytes_per_second = 0;
  };
  std::vector<Rate> rates_;  // By slot.
  Instant sampled_ = Instant::FromNanos(0);
};

}  // namespace ballast::run

#endif  // LB_RUN_STATISTICS_H_
