// Connects to servers to see whether they accept, a bounded number at a time.
//
// A connection is reset, never closed: SYN, SYN-ACK, RST, with the last ACK
// held back where the kernel allows. Closing would leave one socket for a
// minute in TIME_WAIT here per probe, and a connection for the server's program
// to accept and find empty. The price: a program that does accept it may log a
// reset.
//
// Bound    kPlacesMax sockets, those still being given up included.
// Cost     some 35 us a probe, with the kernel's work for both ends (loopback).
// Threads  the reactor's.
// Source   KEMP LoadMaster 1500 manual (2005), p. 26, TCP connection check:
//          "closes the connection by sending a TCP RESET".
#ifndef LB_RUN_TCP_PROBES_H_
#define LB_RUN_TCP_PROBES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "io/base/address.h"
#include "io/reactor.h"
#include "lb/health/check_state.h"
#include "lb/run/probe_source.h"

namespace ballast::run {

class TcpProbes {
 public:
  static constexpr size_t kPlacesMax = 1024;

  // A place is free again. What the probe came to, unless it was aborted or the
  // kernel gave up waiting (that is left to the check's own timeout).
  using OnDone =
      absl::AnyInvocable<void(uint16_t server, uint32_t probe,
                              std::optional<health::ProbeResult> result)>;

  TcpProbes(Reactor& reactor, const ProbeSource& source, size_t places,
            OnDone on_done)
      : reactor_(reactor),
        source_(source),
        places_(places),
        on_done_(std::move(on_done)) {}
  TcpProbes(const TcpProbes&) = delete;
  TcpProbes& operator=(const TcpProbes&) = delete;
  // What is under way ends later, untold, or with the reactor.
  ~TcpProbes();

  // A server whose aborted probe has not quite ended takes over its place.
  bool HasPlaceFor(uint16_t server) const {
    return connections_.size() < places_ || connections_.contains(server);
  }
  bool Holds(uint16_t server) const { return connections_.contains(server); }
  size_t in_flight() const { return connections_.size(); }

  // nullopt: under way, OnDone will be called, not from in here. Else what it
  // came to at once. One probe a server; kLocalError without a place.
  std::optional<health::ProbeResult> Start(uint16_t server, uint32_t probe,
                                           const Endpoint& to);
  // Its result is not awaited. Nothing if there is no probe of that server.
  void Abort(uint16_t server);

 private:
  struct Connection;

  std::optional<health::ProbeResult> Connect(Connection* connection,
                                             const Endpoint& to);
  void OnCompletion(Connection* connection, int result);

  Reactor& reactor_;
  const ProbeSource source_;
  const size_t places_;
  OnDone on_done_;
  absl::flat_hash_map<uint16_t, Connection*> connections_;
};

}  // namespace ballast::run

#endif  // LB_RUN_TCP_PROBES_H_
