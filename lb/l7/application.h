// An application's own part in the HTTP services of its balancer: rules for
// requests and answers, and a scheduler. It derives from Application and gives
// Balancer::Options a factory:
//
//   class Tenants : public l7::Application {
//     std::optional<l7::Denial> OnRequest(const l7::Asked& asked,
//                                         l7::FieldEditor& fields) override {
//       fields.Set("X-Tenant", TenantOf(asked.request.host()));
//       return std::nullopt;
//     }
//   };
//   auto balancer = Balancer::Create(
//       {.model = model,
//        .application = [](int) { return std::make_unique<Tenants>(); }});
//
// OnRequest   once for each request whose head was read and not refused,
//             before anything is decided: sub services and persistence see
//             what it sets. client_header's fields are there already.
// Pick        when a server is scheduled, and again for each retry. Not where a
//             persistence entry or an earlier request of the connection decides
//             (persistence wins; what is picked makes the entry), and not while
//             the service has too few servers (its sorry server takes all).
// OnResponse  each final response of a server, 101 too, with persistence's own
//             cookie, before it is passed on. Not answers of the balancer's or
//             of OnRequest().
//
// Threads  one object for each proxy thread, which alone calls it: it needs no
//          lock, and threads go on sharing nothing. What objects share is the
//          application's to guard. The control thread makes them, with the
//          first service of layer 7, and destroys them when the balancer ends.
// Cost     a virtual call each; before Pick a pass over the pool's servers.
//          Whatever a call takes, all connections of its thread wait for: it
//          must not block. Nothing without an application.
// Errors   what FieldEditor or Denial must not be is not done: the client gets
//          a 500, counted in ApplicationStatistics with the reason. Exceptions
//          must not come out. Nothing may be called back from inside.
#ifndef LB_L7_APPLICATION_H_
#define LB_L7_APPLICATION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "lb/http/head.h"
#include "lb/l7/chooser.h"
#include "lb/l7/orders.h"

namespace ballast::l7 {

// Who asks for what. Valid during the call; the request's texts until the next
// edit.
struct Asked {
  absl::string_view service;  // Its name in the configuration.
  const Client& client;
  const http::RequestHead& request;
  uint32_t attempt = 0;  // Pick: servers that could not be reached before.
};

// One server of the service, or of the sub service the request goes to.
struct Candidate {
  absl::string_view name;
  Endpoint endpoint;  // Port 0: the one the client asked for.
  uint32_t weight = 0;
  uint32_t open = 0;  // Requests under way there, of this thread.
  // Enabled, up, reachable a moment ago, of weight above 0, not full.
  bool available = false;
};

// Changes the fields of a message on its way. Not to be changed is what says
// where a message goes, how it ends and what is between neighbours only: Host,
// Content-Length, Transfer-Encoding, Trailer, Connection, Keep-Alive,
// Proxy-Connection, TE, Upgrade, HTTP2-Settings, Expect. Names must be tokens,
// values without controls and without blanks at their ends (RFC 9110 §5).
class FieldEditor {
 public:
  explicit FieldEditor(http::Fields* fields) : fields_(*fields) {}

  void Add(absl::string_view name, absl::string_view value);
  // In place of all of that name.
  void Set(absl::string_view name, absl::string_view value);
  void Remove(absl::string_view name);

  // Why the first edit that was not done was not. Empty: all were.
  const std::string& error() const { return error_; }
  // The same of one edit.
  static std::string Check(absl::string_view name, absl::string_view value);

 private:
  bool May(absl::string_view name, absl::string_view value);

  http::Fields& fields_;
  std::string error_;
};

class Application {
 public:
  virtual ~Application() = default;

  // May change the fields that will be sent, or answer by itself: a status from
  // 200 to 599, or 0 to close the connection.
  virtual std::optional<Denial> OnRequest(const Asked& /*asked*/,
                                          FieldEditor& /*fields*/) {
    return std::nullopt;
  }

  // The place in `servers` of the one to take. nullopt: whom the configured
  // schedule takes; so too, and counted, if that one is not available.
  virtual std::optional<size_t> Pick(const Asked& /*asked*/,
                                     std::span<const Candidate> /*servers*/) {
    return std::nullopt;
  }

  // May change the fields that will be sent. `request` of `asked` is as it was
  // sent to `server`.
  virtual void OnResponse(const Asked& /*asked*/, const Endpoint& /*server*/,
                          const http::ResponseHead& /*response*/,
                          FieldEditor& /*fields*/) {}
};

// What became of the calls for one service.
struct ApplicationStatistics {
  uint64_t answered = 0;       // Requests, by OnRequest().
  uint64_t picked = 0;         // Servers, by Pick().
  uint64_t picks_refused = 0;  // Of a server that is not available.
  uint64_t errors = 0;         // Answered with 500.
  std::string last_error;      // "OnRequest: Host: must not be changed"
};

// Called with the number of the thread, from 0.
using ApplicationFactory =
    std::function<std::unique_ptr<Application>(int thread)>;

}  // namespace ballast::l7

#endif  // LB_L7_APPLICATION_H_
