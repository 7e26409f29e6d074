// Statistics of layer 7, summed over its threads' counters, and rates from two
// looks at them. No thread is asked: what is under way there may be missing
// from some numbers and not from others.
//
// Threads  the control thread; counters are read while others write them.
#ifndef LB_RUN_PROXY_STATISTICS_H_
#define LB_RUN_PROXY_STATISTICS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "io/base/instant.h"
#include "lb/balancer.h"
#include "lb/l7/limiter.h"
#include "lb/l7/server_counters.h"
#include "lb/run/proxied_service.h"
#include "lb/run/proxy_thread.h"
#include "lb/run/statistics.h"
#include "persist/key_store.h"

namespace ballast::run {

class ProxyStatistics {
 public:
  // Rates are over the time between the last two calls, about a second apart.
  void Sample(Instant now, const ProxiedServices& services);
  using Threads = std::vector<std::unique_ptr<ProxyThread>>;
  void Collect(const ProxiedServices& services, const Threads& threads,
               const l7::Limiter& limiter, const persist::KeyStore& store,
               const std::function<ServerHealth(uint32_t id)>& health,
               Statistics* statistics) const;

 private:
  struct Rate {
    uint64_t connections = 0, requests = 0, bytes = 0;  // At the last sample.
    double connections_per_second = 0;
    double requests_per_second = 0;
    double bytes_per_second = 0;
  };
  using Rates = std::map<std::pair<uint64_t, uint32_t>, Rate>;

  void Update(Rate& rate, const Traffic& traffic, double seconds) const;
  void Show(uint64_t service, uint32_t server, Traffic& traffic) const;

  // By the service's number and the server's id; 0: the service itself.
  Rates rates_;
  Instant sampled_ = Instant::FromNanos(0);
};

}  // namespace ballast::run

#endif  // LB_RUN_PROXY_STATISTICS_H_
