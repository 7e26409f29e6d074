// One client's connection through a proxy: carries out on sockets what a codec
// of lb/l7 orders.
//
// Lives   until its client's connection and its sends have ended; it deletes
//         itself. ProxiedList knows those there are.
// Cost    no allocation per request but by the codec's buffers.
// Threads the reactor's.
#ifndef LB_RUN_PROXIED_H_
#define LB_RUN_PROXIED_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "io/unique_fd.h"
#include "lb/config/model.h"
#include "lb/l7/counters.h"
#include "lb/l7/limiter.h"
#include "lb/l7/orders.h"
#include "lb/l7/server_counters.h"
#include "lb/l7/service_chooser.h"
#include "lb/l7/settings.h"
#include "lb/run/notices.h"
#include "lb/run/server_pool.h"
#include "lb/run/server_tls.h"
#include "lb/tls/context.h"
#include "lb/tls/session.h"

namespace ballast::run {

// A service as one thread serves it. Connections keep the one they began with.
struct ProxyService {
  uint64_t id = 0;  // The same over configurations.
  Endpoint endpoint;
  bool http = true;  // Else any bytes.
  l7::HttpSettings settings;
  config::QualityOfService qos;
  std::shared_ptr<const tls::ServerContext> tls;  // Clients speak TLS.
  std::shared_ptr<const ServerTls> server_tls;    // To servers; null: none.
  // These two go on over configurations. What is counted any thread may read.
  std::shared_ptr<l7::ServiceChooser> chooser;
  struct Counted {
    l7::Counters exchanges;
    l7::Counter connections;
    l7::Counter open;
    l7::Counter bytes_in;        // From clients,
    l7::Counter bytes_out;       // to them.
    l7::Counter connect_errors;  // Sockets that could not be made.
    // TLS that failed, by tls::SessionError: with clients, and with servers
    // before anything was sent to them. kNone: reset, or not done in time.
    using TlsFailed = std::array<l7::Counter, tls::kSessionErrorCount>;
    TlsFailed client_tls_failed{};
    TlsFailed server_tls_failed{};
  };
  std::shared_ptr<Counted> counted;
  std::shared_ptr<l7::LimitedService> limits;  // Of all threads; null: none.
};

// A connection at the moment.
struct ProxiedView {
  Endpoint client;
  Endpoint local;
  int server_fd = -1;  // -1: no server at the moment; the next two of it.
  bool connecting = false;
  l7::ServerChoice choice;
  Instant last_seen;  // When anything came or went.
};

class Proxied {
 public:
  // nullopt: it has ended, but for its sends.
  virtual std::optional<ProxiedView> View() const = 0;
  // Ends when what is under way is complete; of a stream nobody knows, so it is
  // cut.
  virtual void Drain() = 0;
  // The same, but that a stream that is under way goes on.
  virtual void Leave() = 0;
  // Ends.
  virtual void Cut() = 0;
  // Limits are others now: it counts for those, and waits for none of before.
  virtual void LimitsChanged() = 0;
  // Nothing goes to that server any more. What is only being connected to it
  // goes elsewhere; else both ends are cut.
  virtual void CutServer(uint32_t id) = 0;
  const ProxyService& service() const { return *service_; }

 protected:
  explicit Proxied(std::shared_ptr<ProxyService> service)
      : service_(std::move(service)) {}
  virtual ~Proxied() = default;

  const std::shared_ptr<ProxyService> service_;

 private:
  friend class ProxiedList;
  Proxied* next_ = nullptr;
  Proxied* previous_ = nullptr;
};

class ProxiedList {
 public:
  size_t size() const { return size_.value(); }  // Any thread.
  void Add(Proxied& proxied) {
    proxied.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &proxied;
    first_ = &proxied;
    size_.Add(1);
  }
  void Remove(Proxied& proxied) {
    (proxied.previous_ != nullptr ? proxied.previous_->next_ : first_) =
        proxied.next_;
    if (proxied.next_ != nullptr) proxied.next_->previous_ = proxied.previous_;
    size_.Sub(1);
  }
  template <typename Call>
  void ForEach(Call call) const {
    for (const Proxied* at = first_; at != nullptr; at = at->next_) call(*at);
  }
  // `call` may end the one it is given, and no other.
  template <typename Call>
  void ForEach(Call call) {
    for (Proxied* at = first_; at != nullptr;) {
      Proxied* const proxied = at;
      at = at->next_;
      call(*proxied);
    }
  }

 private:
  Proxied* first_ = nullptr;
  l7::Counter size_;
};

// What the connections of a thread share.
struct ProxyContext {
  Reactor& reactor;
  ServerPool& pool;
  uint64_t random = 0;         // Unpredictable: for cookies.
  Notices* notices = nullptr;  // Why servers' TLS fails; null: untold.
  ProxiedList list{};
};

// Has a listener's connections begin with the ToS they are to have, or remember
// their clients'.
void SetQos(int listener, const config::QualityOfService& qos);

// Takes over a client's connection, accepted at `local`.
void StartProxied(ProxyContext& context, std::shared_ptr<ProxyService> service,
                  UniqueFd client, const Endpoint& local);

}  // namespace ballast::run

#endif  // LB_RUN_PROXIED_H_
