// A service of layer 7 as the control thread has it: its configuration, and
// what its threads share of it or keep for it over configurations.
#ifndef LB_RUN_PROXIED_SERVICE_H_
#define LB_RUN_PROXIED_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "lb/config/model.h"
#include "lb/l7/limiter.h"
#include "lb/l7/service_chooser.h"
#include "lb/l7/settings.h"
#include "lb/run/proxied.h"
#include "lb/run/proxy_tls.h"
#include "lb/run/server_tls.h"

namespace ballast::run {

// The pools of a service, each with the name of its sub service: "" for its
// own, where it has no sub services.
inline std::vector<std::pair<absl::string_view, const config::ServerPool*>>
PoolsOf(const config::VirtualService& service) {
  std::vector<std::pair<absl::string_view, const config::ServerPool*>> pools;
  for (const config::SubService& sub : service.l7->sub_services) {
    pools.emplace_back(sub.name, &sub);
  }
  if (pools.empty()) pools.emplace_back("", &service);
  return pools;
}

struct ProxiedService {
  std::shared_ptr<const l7::ServicePlan> plan;
  std::shared_ptr<const ServersTls> servers_tls;  // Null: none.
  // By thread; `server_tls` only with `servers_tls`.
  std::vector<std::shared_ptr<const ServerTls>> server_tls;
  std::vector<std::shared_ptr<l7::ServiceChooser>> choosers;
  std::vector<std::shared_ptr<ProxyService::Counted>> counted;
  std::shared_ptr<l7::LimitedService> limits;
  l7::HttpSettings settings;

  // Each server: call(pool's number, place in it, id, configuration).
  template <typename Call>
  void ForEachServer(Call call) const {
    const auto pools = PoolsOf(plan->config);
    for (size_t i = 0; i < pools.size(); ++i) {
      const auto& servers = pools[i].second->servers;
      for (size_t j = 0; j < servers.size(); ++j) {
        call(i, j, plan->ids[i][j], servers[j]);
      }
    }
  }
};

using ProxiedServices = std::map<std::pair<Address, uint16_t>, ProxiedService>;

}  // namespace ballast::run

#endif  // LB_RUN_PROXIED_SERVICE_H_
