// The servers of layer 7 over time: checks them, moves their weights, sees when
// a drain is over, and tells every proxy thread what it has to know.
//
// Threads  the control thread's; it waits for no other.
#ifndef LB_RUN_PROXY_HEALTH_H_
#define LB_RUN_PROXY_HEALTH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "lb/config/model.h"
#include "lb/health/following.h"
#include "lb/l7/drain_watch.h"
#include "lb/log_record.h"
#include "lb/run/health_checker.h"
#include "lb/run/proxied_service.h"
#include "lb/run/proxy_thread.h"
#include "lb/run/server_news.h"
#include "lb/run/statistics.h"
#include "lb/run/weight_watch.h"
#include "persist/key_store.h"

namespace ballast::run {

class ProxyHealth {
 public:
  struct Options {
    std::shared_ptr<persist::KeyStore> store;  // The unit's.
    Log log;
    health::Following* following = nullptr;  // The unit's.
  };

  // `services` and `threads` are the proxies' and outlive it.
  ProxyHealth(Reactor& reactor, Options options,
              const ProxiedServices& services,
              const std::vector<std::unique_ptr<ProxyThread>>& threads);

  // The services are another configuration's.
  void OnServices(const config::Model& model);
  // About once a second: cuts what draining servers have open, where it is
  // time.
  void Tick(Instant now);
  ServerHealth Of(uint32_t id) const;

 private:
  // One of `services_`' servers, and where it is.
  struct Place {
    const ProxiedService& service;
    Endpoint address;        // The service's.
    absl::string_view pool;  // The sub service's name, or "".
    uint32_t id;
    const config::ServerPool& config;
    const config::RealServer& server;
  };
  // One that sub services share comes with each of them.
  void ForEachServer(absl::FunctionRef<void(const Place&)> call) const;

  void OnHealth(uint16_t id, bool up);
  void SetTargets();
  void TellWeights();
  static ServerNews::Server NewsOf(const Place& place);
  static std::string NameOf(const Place& place);

  Reactor& reactor_;
  const Options options_;
  const ProxiedServices& services_;
  ServerNews news_;
  HealthChecker health_;
  WeightWatch weights_;
  l7::DrainWatch drains_;
  bool drop_on_fail_ = false;
};

}  // namespace ballast::run

#endif  // LB_RUN_PROXY_HEALTH_H_
