// The services of layer 7 of a unit: their listeners, threads and health
// checks, from a configuration.
//
// Listeners   one for each port and thread; they are there before the address
//             is, and so on a unit that stands by too.
// Errors      Apply() opens every listener before anything changes, and names
//             the one that cannot be had, or the source address.
// Threads     the control thread's. It waits for no proxy thread but at the
// end:
//             one that is busy, in an application's rules say, takes what
//             Apply() has for it, and news of servers and networks, when it
//             comes to it. (Apply() gives them kApplyPatience, so that what it
//             has done is usually in force when it returns.)
#ifndef LB_RUN_PROXIES_H_
#define LB_RUN_PROXIES_H_

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "lb/balancer.h"
#include "lb/config/model.h"
#include "lb/connections.h"
#include "lb/explanation.h"
#include "lb/l7/application.h"
#include "lb/l7/limiter.h"
#include "lb/l7/local_networks.h"
#include "lb/l7/service_chooser.h"
#include "lb/log_record.h"
#include "lb/run/l7_sync.h"
#include "lb/run/notices.h"
#include "lb/run/proxied_service.h"
#include "lb/run/proxy_health.h"
#include "lb/run/proxy_plans.h"
#include "lb/run/proxy_statistics.h"
#include "lb/run/proxy_thread.h"
#include "lb/run/proxy_tls.h"
#include "persist/key.h"
#include "persist/key_store.h"

namespace ballast::run {

class Proxies {
 public:
  static constexpr absl::Duration kApplyPatience = absl::Milliseconds(20);

  struct Options {
    std::shared_ptr<persist::KeyStore> store;  // The unit's.
    Log log;
    l7::ApplicationFactory application;  // May be empty.
    std::shared_ptr<const l7::LocalNetworks> networks;
    health::Following* following = nullptr;  // The unit's.
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
  // About once a second: logs what the threads have to say, ends what has
  // drained, and measures rates.
  void Tick(Instant now);
  // The host's networks have changed, or are known now.
  void SetNetworks(std::shared_ptr<const l7::LocalNetworks> networks);
  void Collect(Statistics* statistics) const;
  // -- Questions (proxies_inspect.cc) ---------------------------------------
  bool Has(const ServiceAddress& service) const;
  // nullopt: no service there. kUnavailable: no thread answered in time.
  std::optional<absl::StatusOr<Explanation>> Explain(const ExplainOrder& order,
                                                     Instant deadline) const;
  // Adds connections until there are `wanted`. Each thread looks through all of
  // its own at once, some ms with 65536. False: one did not in time.
  bool List(const ConnectionQuery& query, size_t wanted, Instant deadline,
            std::vector<ConnectionRecord>* records) const;
  // The key of a client's address, in any of its tables; nullopt: no services.
  std::optional<persist::Digest> KeyOf(const Address& client) const;
  // Before the end: nobody is accepted any more, and connections end when what
  // is under way on them is complete, streams by themselves. left(): all have.
  void Leave();
  bool left() const;

 private:
  Proxies(Reactor& reactor, Options options, size_t threads);
  absl::Status Start(const config::Model& model, const Secrets& secrets);
  // Those of the threads that have not heard of networks_.
  void TellNetworks();

  Reactor& reactor_;
  const Options options_;
  std::shared_ptr<const l7::LocalNetworks> networks_;
  std::vector<bool> networks_owed_;  // By thread.
  std::shared_ptr<l7::Limiter> limiter_;
  ProxiedServices services_;
  ProxyPlans plans_;
  // By thread; outlives it.
  std::vector<std::unique_ptr<l7::Application>> applications_;
  uint64_t tls_settings_ = 0;  // Numbers given.
  Notices notices_;            // The threads'.
  std::vector<std::unique_ptr<ProxyThread>> threads_;
  std::unique_ptr<ProxyHealth> health_;
  std::vector<std::future<void>> leaving_;  // By thread, from Leave() on.
  ProxyStatistics statistics_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PROXIES_H_
