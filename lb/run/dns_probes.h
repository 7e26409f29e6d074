// Asks name servers the question of lb/health/dns_probe.h by UDP: a socket for
// each question, so that only its server can answer it, to a port that the
// kernel chose at random.
//
// Bounds   one question a server; the caller bounds them all.
// Threads  the reactor's.
#ifndef LB_RUN_DNS_PROBES_H_
#define LB_RUN_DNS_PROBES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "io/base/address.h"
#include "io/reactor.h"
#include "lb/health/check_state.h"
#include "lb/run/probe_source.h"

namespace ballast::run {

class DnsProbes {
 public:
  // nullopt: a socket is closed, and nothing to tell.
  using OnDone =
      absl::AnyInvocable<void(uint16_t server, uint32_t probe,
                              std::optional<health::ProbeResult> result)>;

  DnsProbes(Reactor& reactor, const ProbeSource& source, OnDone on_done)
      : reactor_(reactor), source_(source), on_done_(std::move(on_done)) {}
  DnsProbes(const DnsProbes&) = delete;
  DnsProbes& operator=(const DnsProbes&) = delete;
  // What is under way ends later, untold, or with the reactor.
  ~DnsProbes();

  // Sockets, those being given up included.
  size_t in_flight() const { return open_.size(); }

  // nullopt: asked, OnDone will be called, not from in here. Else what it came
  // to at once.
  std::optional<health::ProbeResult> Start(uint16_t server, uint32_t probe,
                                           const Endpoint& to);
  // Its result is not awaited. Nothing if there is no probe of that server.
  void Abort(uint16_t server);

 private:
  struct Question;

  void OnReady(Question& question);
  void Done(Question& question, std::optional<health::ProbeResult> result);

  Reactor& reactor_;
  const ProbeSource source_;
  OnDone on_done_;
  absl::flat_hash_map<uint16_t, Question*> questions_;
  absl::flat_hash_set<Question*> open_;
};

}  // namespace ballast::run

#endif  // LB_RUN_DNS_PROBES_H_
