#include "lb/run/icmp_probes.h"

#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "io/base/check.h"
#include "io/datagram.h"
#include "io/socket_address.h"
#include "lb/run/probe_error.h"

namespace ballast::run {
namespace {

using health::ProbeResult;

// More than a socket's buffer holds: an end to draining even while packets come
// faster than they are read. The rest is taken with the next one.
constexpr int kPacketsMax = 4096;

template <typename T>
T Random() {
  T value;
  BALLAST_CHECK(getrandom(&value, sizeof(value), 0) == sizeof(value));
  return value;
}

void PassEchoRepliesOnly(int fd, bool ipv6) {
  if (ipv6) {
    icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
  } else {
    const icmp_filter filter = {.data = ~(1u << ICMP_ECHOREPLY)};
    setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
  }
}

}  // namespace

// Polled as long as it exists.
struct IcmpProbes::Port {
  IcmpProbes* owner;
  RawSocket socket;
  Operation poll = Operation::To<&Port::OnReadable>(this);

  void OnReadable(Completion completion) {
    if (completion.more) {
      if (owner != nullptr) owner->Drain(*this);
      return;
    }
    if (owner != nullptr) {  // It broke; the next probe opens another.
      (owner->v4_ == this ? owner->v4_ : owner->v6_) = nullptr;
    }
    delete this;
  }
};

IcmpProbes::IcmpProbes(Reactor& reactor, const ProbeSource& source,
                       OnReply on_reply)
    : reactor_(reactor),
      source_(source),
      key_(Random<SipKey>()),
      identifier_(Random<uint16_t>()),
      on_reply_(std::move(on_reply)) {}

IcmpProbes::~IcmpProbes() {
  for (Port* port : {v4_, v6_}) {
    if (port == nullptr) continue;
    port->owner = nullptr;
    reactor_.Cancel(&port->poll);
  }
}

absl::StatusOr<RawSocket> IcmpProbes::Open(bool ipv6) const {
  RawSocket::Options options = {
      .family = ipv6 ? RawSocket::Family::kIpv6 : RawSocket::Family::kIpv4,
      .protocol = ipv6 ? uint8_t{IPPROTO_ICMPV6} : uint8_t{IPPROTO_ICMP},
      .source = ipv6 ? source_.v6 : source_.v4};
  auto ping = RawSocket::OpenPing(options);
  if (ping.ok()) return ping;
  auto raw = RawSocket::Open(options);
  if (raw.ok()) PassEchoRepliesOnly(raw->fd(), ipv6);
  return raw;
}

IcmpProbes::Port* IcmpProbes::PortFor(const Address& to) {
  Port*& port = to.is_v4() ? v4_ : v6_;
  if (port != nullptr) return port;
  auto socket = Open(!to.is_v4());
  if (!socket.ok()) return nullptr;
  port = new Port{this, *std::move(socket)};
  reactor_.Poll(&port->poll, port->socket.fd(), POLLIN);
  if (!port->poll.pending()) {  // The reactor is being destroyed.
    delete port;
    port = nullptr;
  }
  return port;
}

std::optional<ProbeResult> IcmpProbes::Send(const health::EchoProbe& probe,
                                            const Address& to) {
  Port* port = PortFor(to);
  if (port == nullptr) return ProbeResult::kLocalError;
  const auto message = health::EncodeEchoRequest(key_, to, identifier_, probe);
  const SocketAddress address(Endpoint{to, 0});
  // Not RawSocket::Send(): the errno tells a server's fault from ours.
  if (sendto(port->socket.fd(), message.data(), message.size(),
             MSG_DONTWAIT | MSG_NOSIGNAL, address.get(),
             address.length()) < 0) {
    return ProbeError(errno);
  }
  return std::nullopt;
}

void IcmpProbes::Drain(Port& port) {
  std::array<uint8_t, 256> buffer;  // A longer packet is none of ours.
  for (int i = 0; i < kPacketsMax; ++i) {
    const auto received = port.socket.Receive(buffer);
    if (!received.ok()) {
      if (absl::IsUnavailable(received.status())) return;
      ++strays_;  // Broken, or an error the socket had kept.
      continue;
    }
    const auto probe = health::DecodeEchoReply(key_, received->source.address,
                                               received->payload);
    if (probe) {
      on_reply_(*probe);
    } else {
      ++strays_;
    }
  }
}

}  // namespace ballast::run
