// Who serves what comes to a proxied service, on one thread: sub services by
// the request, persistence, then the pool's scheduler; and from which address.
//
// ServiceChooser is the service's and lives over configurations; each client's
// connection has a ConnectionChooser, which is what its codec asks.
//
// Rules (LoadMaster behaviour)
//   V1  the first sub service with a match takes a request; those without
//       matches share the rest by the service's schedule (ours). One that is
//       down is passed over
//   V2  a valid persistence entry wins (§4.6, §5.2; follow.h). always_persist
//       says which requests of a connection are held against entries; the
//       others go where the connection's last one went, while that is possible
//       TLS that passes goes by its session ID, which a server gives: entries
//       are made of what it says, not of what a client claims
//   V3  source addresses A1, A3 to A6 of §4.2; ToS of §4.11: the sub service's,
//       the service's, or the client's
//   V4  no server: sorry server, else the service's error answer (§5.5)
//   V5  ours: the application is asked first (application.h), and picks where
//       the scheduler would
//   V6  ours: where TLS failed under a name of the client's choice, this
//   request
//       is not tried there again while there is another server; others' are,
//       since else a client could have any server avoided
//
// Threads  a ServiceChooser and its ConnectionChoosers: one.
#ifndef LB_L7_SERVICE_CHOOSER_H_
#define LB_L7_SERVICE_CHOOSER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/base/siphash.h"
#include "lb/config/model.h"
#include "lb/http/head.h"
#include "lb/l7/application.h"
#include "lb/l7/application_calls.h"
#include "lb/l7/chooser.h"
#include "lb/l7/local_networks.h"
#include "lb/l7/pool_chooser.h"
#include "lb/l7/server_counters.h"
#include "lb/tls/hello.h"
#include "persist/active_cookie.h"
#include "persist/attachment.h"
#include "persist/extract.h"
#include "persist/key_store.h"
#include "persist/settings.h"

namespace ballast::l7 {

// A service's configuration as all threads have it.
struct ServicePlan {
  config::VirtualService config;
  // Servers' ids: of the service's own pool, or of each sub service's. And the
  // tables of their persistence entries.
  std::vector<std::vector<uint32_t>> ids;
  std::vector<uint32_t> tables;
  // As the ids; empty: one thread, which has its own.
  std::vector<PoolChooser::Counters> counters;
  // The same of the sub services themselves; empty: as above, or there are
  // none.
  PoolChooser::Counters sub_counters;
  persist::UnitSettings persistence;
  SipKey secret;  // The pair's: of persistence keys, and of URL hash.
  std::vector<SipKey> cookie_secrets;  // The newest first.
  uint64_t service_id = 0;             // Equal on both units.
  std::shared_ptr<persist::KeyStore> store;
  bool real_servers_are_local = false;
  std::string error_page;  // The file's contents.
};

class ServiceChooser {
 public:
  // Any thread may read these.
  struct Stats {
    Counter requests;   // And streams.
    Counter persisted;  // Followed an entry.
    Counter none;       // V4, without a sorry server.
    Counter sorry;
  };

  // `application` may be null. `thread`: its number in the servers' counters.
  explicit ServiceChooser(Application* application = nullptr, size_t thread = 0)
      : thread_(thread), shared_(thread), application_(application) {}

  // One that decides as this would, without an application, and changes nothing
  // outside of itself: to try out what would come. Allocates.
  std::unique_ptr<ServiceChooser> Rehearsal() const;

  void Apply(Instant now, std::shared_ptr<const ServicePlan> plan);
  void SetHealthy(Instant now, uint32_t id, bool healthy);
  void SetWeight(Instant now, uint32_t id, uint32_t weight);
  // For A3, from now on. Until then: none.
  void SetNetworks(std::shared_ptr<const LocalNetworks> networks) {
    networks_ = std::move(networks);
  }
  // Of a ServerChoice's tag; empty: of none, or it is not configured any more.
  std::string SubServiceOf(uint64_t tag) const;
  // These from any thread.
  bool up() const { return up_.load(std::memory_order_relaxed); }
  const Stats& stats() const { return stats_; }
  ApplicationStatistics application() const {
    return application_.statistics();
  }
  size_t thread() const { return thread_; }
  // Null: not configured.
  std::shared_ptr<ServerCounters> counters(uint32_t id) const;

 private:
  friend class ConnectionChooser;
  friend class ServiceExplainer;
  struct Pool {
    uint32_t number = 0;  // Its own, not 0, over configurations.
    PoolChooser chooser;
    persist::Settings persistence;
    std::optional<persist::ActiveCookies> cookies;
  };

  std::optional<size_t> PoolFor(Instant now, const http::RequestHead& request);
  // Its place; nullopt: it is not configured any more.
  std::optional<size_t> PlaceOf(uint32_t number) const;
  void UpdateShared(Instant now);
  bool AnyUp() const;
  const config::ServerPool& PoolConfig(size_t pool) const;
  persist::Attachment::Service Tied(size_t pool) const;

  const size_t thread_;
  bool rehearsal_ = false;
  std::shared_ptr<const ServicePlan> plan_;
  std::vector<Pool> pools_;
  // Of the sub services without matches, as if they were servers; ids are their
  // numbers.
  PoolChooser shared_;
  uint32_t last_number_ = 0;
  std::shared_ptr<const LocalNetworks> networks_;
  // With real_servers_are_local: whose addresses are not kept.
  absl::flat_hash_set<Address> server_addresses_;
  uint32_t next_source_ = 0;
  uint64_t cookies_made_ = 0;
  ApplicationCalls application_;
  std::atomic<bool> up_{false};
  Stats stats_;
};

class ConnectionChooser final : public Chooser, public StreamChooser {
 public:
  // `random`: unpredictable, for active cookies.
  ConnectionChooser(ServiceChooser& service, uint64_t random)
      : service_(service), random_(random) {}

  std::variant<ServerChoice, Denial> Choose(
      Instant now, const Client& client, uint32_t attempt,
      http::RequestHead* request) override;
  bool OnResponse(Instant now, const Client& client, const ServerChoice& choice,
                  const http::RequestHead& request,
                  http::ResponseHead* response) override;
  bool ReadClient(absl::string_view bytes) override;
  bool ReadServer(Instant now, const ServerChoice& choice,
                  absl::string_view bytes) override;
  std::variant<ServerChoice, Denial> Choose(
      Instant now, const Client& client, uint32_t attempt,
      absl::string_view first_bytes) override;
  void OnEnd(Instant now, const ServerChoice& choice, Outcome outcome) override;

 private:
  friend class ServiceExplainer;
  // Of TLS that passes; with SSL_SESSION_ID.
  struct Hellos {
    tls::ClientHelloReader client;
    bool client_read = false;  // Whole.
    tls::ServerHelloReader server;
  };

  // What persistence goes by with this stream.
  persist::Extraction KeyOfStream(const Client& client);
  // By `tie_` if it was made for this request, by the last one, or scheduled.
  // `asked` is null for streams.
  std::variant<ServerChoice, Denial> Decide(Instant now, const Client& client,
                                            const Asked* asked, size_t pool,
                                            uint32_t hash, bool looked_up);
  void Persist(Instant now, const Client& client, const ServerChoice& choice,
               http::ResponseHead* response);
  std::optional<PoolChooser::Picked> Pick(Instant now, PoolChooser& pool,
                                          uint32_t hash) const;
  ServerChoice Give(const Client& client, size_t pool,
                    const PoolChooser::Picked& picked);
  Endpoint SourceFor(const Client& client, const Endpoint& server) const;
  Denial Refuse();

  ServiceChooser& service_;
  uint64_t random_;
  persist::Attachment tie_;
  uint64_t requests_ = 0;
  bool first_ = true;       // The request under way is the first.
  bool looked_up_ = false;  // tie_ was made for it,
  bool stores_ = false;     // and may make entries.
  Instant next_refresh_ = Instant::Never();
  // Where the last one went.
  size_t last_pool_ = 0;
  uint32_t last_server_ = 0;
  // V6, of the request under way; at most as many as are tried for one.
  absl::InlinedVector<uint32_t, 4> failed_;
  std::string scratch_;
  std::unique_ptr<Hellos> hellos_;
};

}  // namespace ballast::l7

#endif  // LB_L7_SERVICE_CHOOSER_H_
