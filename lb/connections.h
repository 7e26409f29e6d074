// The connections of a running balancer, asked for by who has them: entries of
// the packet threads' tables, and what the proxies of layer 7 have open.
//
// Sources  Balancer::ListConnections().
#ifndef LB_CONNECTIONS_H_
#define LB_CONNECTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"

namespace ballast {

// A virtual service by what no other has.
struct ServiceAddress {
  Endpoint endpoint;  // Port 0: its wildcard.
  Protocol protocol = Protocol::kTcp;

  friend auto operator<=>(const ServiceAddress&,
                          const ServiceAddress&) = default;
};

// What is not set is any; so is an endpoint's port 0.
struct ConnectionQuery {
  std::optional<ServiceAddress> service;
  std::optional<Endpoint> client;
  std::optional<Endpoint> server;
  size_t limit = 100;

  static bool Wants(const std::optional<Endpoint>& wanted,
                    const Endpoint& endpoint) {
    return !wanted.has_value() ||
           (wanted->address == endpoint.address &&
            (wanted->port == 0 || wanted->port == endpoint.port));
  }
};

struct ConnectionRecord {
  bool layer7 = false;
  Protocol protocol = Protocol::kTcp;
  Endpoint client;
  Endpoint destination;            // What the client asked for.
  Endpoint service;                // As configured.
  std::string sub_service;         // Of layer 7; empty: none.
  std::optional<Endpoint> server;  // Of layer 7: none at the moment.
  // Whom the server sees, where that is not the client.
  std::optional<Endpoint> source;
  bool direct_return = false;
  // Of layer 4 a TCP state, "-" without one; of layer 7 "connecting" to the
  // server, "open" with one, "waiting" without.
  std::string state;
  absl::Duration idle;
  uint32_t client_packets = 0;  // Of layer 4; wraps.
  bool synced = false;          // The partner told of it; no packet here yet.
};

struct ConnectionList {
  std::vector<ConnectionRecord> connections;
  bool more = false;  // Over the limit, or a thread did not answer in time.
};

// "tcp CLIENT -> VIP -> SERVER STATE idle 3s".
std::string FormatConnection(const ConnectionRecord& connection);

}  // namespace ballast

#endif  // LB_CONNECTIONS_H_
