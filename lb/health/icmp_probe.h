// The echo requests of ICMP checks, and what counts as their answer.
//
// A request carries which probe it belongs to and a keyed hash of that and the
// address it goes to. Only a reply from that address with that hash counts, so
// nobody who has not seen the request can keep a dead server up. The identifier
// of the ICMP header is not looked at: a kernel's ping socket chooses its own.
//
// Layout   ICMP or ICMPv6 header, 8 bytes: type, code 0, checksum, identifier,
//          sequence (the low 16 bits of `probe`). Then, big-endian:
//          [8-11] server  [12-15] probe  [16-23] SipHash-2-4
// Checksum of ICMP whole; of ICMPv6 0 on the way out and ignored on the way in:
//          the kernel's raw and ping sockets do both (RFC 3542, 3.1).
// Threads  pure functions.
// Source   RFC 792, RFC 4443 section 4.
#ifndef LB_HEALTH_ICMP_PROBE_H_
#define LB_HEALTH_ICMP_PROBE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "io/base/address.h"
#include "io/base/siphash.h"

namespace ballast::health {

inline constexpr size_t kEchoBytes = 24;

// Which probe of which server, by the owner's numbers.
struct EchoProbe {
  uint32_t server = 0;
  uint32_t probe = 0;

  friend bool operator==(const EchoProbe&, const EchoProbe&) = default;
};

// The ICMP (or, by the target's family, ICMPv6) message to send to `target`.
// `key` is a secret of this process.
std::array<uint8_t, kEchoBytes> EncodeEchoRequest(const SipKey& key,
                                                  const Address& target,
                                                  uint16_t identifier,
                                                  const EchoProbe& probe);

// The probe that `message`, received from `source`, answers; nullopt for
// everything but an untouched answer of ours. `message` begins with the ICMP
// header.
std::optional<EchoProbe> DecodeEchoReply(const SipKey& key,
                                         const Address& source,
                                         std::span<const uint8_t> message);

}  // namespace ballast::health

#endif  // LB_HEALTH_ICMP_PROBE_H_
