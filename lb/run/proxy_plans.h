// Plans of the services of layer 7, made of a configuration, with the numbers
// and counters that stay with a server, a sub service and its table of entries
// from one configuration to the next.
//
// Threads  the control thread's.
#ifndef LB_RUN_PROXY_PLANS_H_
#define LB_RUN_PROXY_PLANS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "io/base/address.h"
#include "lb/config/model.h"
#include "lb/l7/server_counters.h"
#include "lb/l7/service_chooser.h"
#include "lb/run/proxied_service.h"
#include "lb/run/proxy_secrets.h"
#include "persist/key_store.h"

namespace ballast::run {

class ProxyPlans {
 public:
  ProxyPlans(std::shared_ptr<persist::KeyStore> store, size_t threads)
      : store_(std::move(store)), threads_(threads) {}

  // Its error page is the caller's to read.
  std::shared_ptr<l7::ServicePlan> Make(const config::Model& model,
                                        const config::VirtualService& config,
                                        const ProxySecrets& secrets);
  // Forgets the numbers and counters of what is not in `services`.
  void KeepOnly(const ProxiedServices& services);

 private:
  using ServiceKey = std::pair<Address, uint16_t>;
  using SubName = std::pair<ServiceKey, std::string>;
  using ServerName = std::tuple<ServiceKey, std::string, Endpoint>;
  struct Server {
    uint16_t id = 0;
    std::shared_ptr<l7::ServerCounters> counters;
  };

  const Server& ServerOf(const ServerName& name);
  uint32_t TableOf(const SubName& name);

  const std::shared_ptr<persist::KeyStore> store_;
  const size_t threads_;
  std::map<ServerName, Server> servers_;
  uint16_t next_id_ = 1;
  std::map<SubName, uint32_t> tables_;
  std::map<SubName, std::shared_ptr<l7::ServerCounters>> sub_counters_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PROXY_PLANS_H_
