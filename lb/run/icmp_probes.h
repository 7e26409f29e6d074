// Sends echo requests to servers and tells of the replies: one socket a family
// for all of them, opened when first needed.
//
// A ping socket where net.ipv4.ping_group_range allows one, else a raw socket
// that is let echo replies through only. Which replies count:
// lb/health/icmp_probe.h. ICMP errors are not looked at: what is unreachable
// times out, unless this host has no route.
//
// Threads  the reactor's.
#ifndef LB_RUN_ICMP_PROBES_H_
#define LB_RUN_ICMP_PROBES_H_

#include <cstdint>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "io/base/address.h"
#include "io/base/siphash.h"
#include "io/raw_socket.h"
#include "io/reactor.h"
#include "lb/health/check_state.h"
#include "lb/health/icmp_probe.h"
#include "lb/run/probe_source.h"

namespace ballast::run {

class IcmpProbes {
 public:
  using OnReply = absl::AnyInvocable<void(const health::EchoProbe& probe)>;

  IcmpProbes(Reactor& reactor, const ProbeSource& source, OnReply on_reply);
  IcmpProbes(const IcmpProbes&) = delete;
  IcmpProbes& operator=(const IcmpProbes&) = delete;
  ~IcmpProbes();

  // nullopt: sent. Else what it came to at once.
  std::optional<health::ProbeResult> Send(const health::EchoProbe& probe,
                                          const Address& to);

  // Packets on our sockets that answer no probe of ours.
  uint64_t strays() const { return strays_; }

 private:
  struct Port;

  absl::StatusOr<RawSocket> Open(bool ipv6) const;
  Port* PortFor(const Address& to);
  void Drain(Port& port);

  Reactor& reactor_;
  const ProbeSource source_;
  const SipKey key_;
  const uint16_t identifier_;  // Of raw sockets' requests.
  OnReply on_reply_;
  Port* v4_ = nullptr;
  Port* v6_ = nullptr;
  uint64_t strays_ = 0;
};

}  // namespace ballast::run

#endif  // LB_RUN_ICMP_PROBES_H_
