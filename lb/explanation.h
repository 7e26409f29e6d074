// Why a client gets the server that it gets: what the balancer would do with
// the next connection or request of a client, asked of the code that decides,
// with nothing changed: no counter, no entry, no server's turn.
//
// Sources  Balancer::Explain().
#ifndef LB_EXPLANATION_H_
#define LB_EXPLANATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "lb/connections.h"

namespace ballast {

struct ExplainOrder {
  Endpoint client;
  Endpoint destination;  // What the client asks for.
  Protocol protocol = Protocol::kTcp;
  // Where it counts: at layer 7 with type HTTP, and of SIP messages.
  struct Request {
    std::string method;               // Empty: GET, INVITE.
    std::string target;               // Empty: "/", "sip:ballast".
    std::string host;                 // Of HTTP; empty: the destination.
    std::vector<std::string> fields;  // "Name: value"
  };
  std::optional<Request> request;
};

// The persistence entry that a client has.
struct ExplainedEntry {
  std::string mode;  // "src", "cookie": persist/mode.h.
  // The client's address, or hex digits of the digest that is kept of it.
  std::string key;
  std::optional<Endpoint> server;  // None: it has gone.
  absl::Duration expires_in;
  bool followed = false;
};

struct Explanation {
  std::optional<ServiceAddress> service;  // As configured.
  bool layer7 = false;
  std::string sub_service;
  // That is there already.
  std::optional<ConnectionRecord> connection;
  std::optional<ExplainedEntry> persistence;
  std::optional<uint32_t> slot;    // Of schedule SH, 0 to 4095.
  std::optional<Endpoint> server;  // None: refused.
  std::optional<Endpoint> source;  // Whom the server sees, if not the client.
  // With a server: "connection", "persistence", "schedule", "sorry_server" or
  // "stateless" (the table is full; by hash). Without: at layer 4 the reason of
  // the drop, as statistics call it; at layer 7 a limit's name, "no_server",
  // "no_sub_service", or "request_refused".
  std::string reason;
  std::vector<std::string> steps;  // How it came to that, in order.

  void Say(std::string step) { steps.push_back(std::move(step)); }
  void Give(const Endpoint& to, absl::string_view why) {
    server = to;
    reason = std::string(why);
  }
  void Refuse(absl::string_view why, std::string step) {
    server.reset();
    reason = std::string(why);
    Say(std::move(step));
  }
};

}  // namespace ballast

#endif  // LB_EXPLANATION_H_
