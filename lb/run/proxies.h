// The services of layer 7 of a unit: their listeners, threads and health
// checks, from a configuration.
//
// Listeners   one for each port and thread; they are there before the address
//             is, and so on a unit that stands by too.
// Errors      Apply() opens every listener before anything changes, and names
//             the one that cannot be had.
// Threads     the control thread's.
#ifndef LB_RUN_PROXIES_H_
#define LB_RUN_PROXIES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/base/siphash.h"
#include "io/reactor.h"
#include "lb/balancer.h"
#include "lb/config/model.h"
#include "lb/l7/application.h"
#include "lb/l7/limiter.h"
#include "lb/l7/local_networks.h"
#include "lb/l7/service_chooser.h"
#include "lb/run/health_checker.h"
#include "lb/run/l7_sync.h"
#include "lb/run/notices.h"
#include "lb/run/proxy_thread.h"
#include "lb/run/proxy_tls.h"
#include "lb/tls/ticket_keys.h"
#include "persist/key_store.h"

namespace ballast::run {

class Proxies {
 public:
  struct Options {
    std::shared_ptr<persist::KeyStore> store;  // The unit's.
    std::function<void(absl::string_view)> log;
    l7::ApplicationFactory application;  // May be empty.
    std::shared_ptr<const l7::LocalNetworks> networks;
    bool force_epoll = false;
  };
  // Whether a configuration has any service for this.
  static bool Wanted(const config::Model& model);

  using Secrets = std::vector<config::L7Secret>;

  // `reactor` is the control thread's and outlives it. `secrets`:
  // unpredictable, or the pair's; not empty, the newest first.
  static absl::StatusOr<std::unique_ptr<Proxies>> Create(
      Reactor& reactor, Options options, const config::Model& model,
      const Secrets& secrets);

  absl::Status Apply(const config::Model& model, const Secrets& secrets);
  // Those of its entries in the store, of the configuration in force.
  void AddTables(std::vector<L7Sync::Table>& tables) const;
  // About once a second: logs what the threads have to say.
  void Tick();
  // The host's networks have changed, or are known now.
  void SetNetworks(std::shared_ptr<const l7::LocalNetworks> networks);
  void Collect(Statistics* statistics);
  // Before the end: nobody is accepted any more, and connections end when what
  // is under way on them is complete. left(): all have.
  void Leave();
  bool left();

 private:
  using ServiceKey = std::pair<Address, uint16_t>;
  // Numbers that stay with what they were given to.
  using ServerName = std::tuple<ServiceKey, std::string, Endpoint>;
  struct Service {
    std::shared_ptr<const l7::ServicePlan> plan;
    std::shared_ptr<const ServersTls> servers_tls;  // Null: none.
    // By thread; `server_tls` only with `servers_tls`.
    std::vector<std::shared_ptr<const ServerTls>> server_tls;
    std::vector<std::shared_ptr<l7::ServiceChooser>> choosers;
    std::vector<std::shared_ptr<ProxyService::Counted>> counted;
    std::shared_ptr<l7::LimitedService> limits;
  };
  using Services = std::map<ServiceKey, Service>;

  Proxies(Reactor& reactor, Options options);
  void SetSecrets(const Secrets& secrets);
  absl::Status Start(const config::Model& model, const Secrets& secrets);
  std::shared_ptr<const l7::ServicePlan> MakePlan(
      const config::Model& model, const config::VirtualService& config);
  uint16_t ServerId(const ServerName& name);
  uint32_t TableOf(const ServiceKey& service, const std::string& sub);
  void SetHealthTargets();
  void OnHealth(uint16_t id, bool up, health::Reason reason);
  ServerStatistics ServerOf(const config::RealServer& server,
                            uint16_t id) const;

  Reactor& reactor_;
  const Options options_;
  std::shared_ptr<const l7::LocalNetworks> networks_;
  SipKey persistence_secret_;
  std::vector<tls::TicketKey> ticket_keys_;
  std::vector<SipKey> cookie_secrets_;
  std::shared_ptr<l7::Limiter> limiter_;
  Services services_;
  std::map<ServerName, uint16_t> server_ids_;
  uint16_t next_id_ = 1;
  std::map<std::pair<ServiceKey, std::string>, uint32_t> tables_;
  std::unique_ptr<HealthChecker> health_;
  // By thread; outlives it.
  std::vector<std::unique_ptr<l7::Application>> applications_;
  uint64_t tls_settings_ = 0;  // Numbers given.
  Notices notices_;            // The threads'.
  std::vector<std::unique_ptr<ProxyThread>> threads_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PROXIES_H_
