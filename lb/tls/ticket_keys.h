// Session tickets under keys of our own, so that a client resumes at whichever
// unit has them, and after a restart.
//
// Ticket   name of the key (16 bytes), nonce (12), the session, sealed by
//          AES-256-GCM-SIV; authenticated with it: the host name the client
//          asked for, so that a session is resumed for no other (RFC 6066 §3).
// Keys     the first seals, all open. To rotate: add the new one last on both
//          units, then put it first, then, when the tickets of the old one have
//          run out, drop that.
// Threads  any: a value.
#ifndef LB_TLS_TICKET_KEYS_H_
#define LB_TLS_TICKET_KEYS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/strings/string_view.h"

namespace ballast::tls {

struct TicketKey {
  std::array<uint8_t, 16> name{};  // Public, in every ticket.
  std::array<uint8_t, 32> key{};

  friend bool operator==(const TicketKey&, const TicketKey&) = default;
};

// Both parts from one secret (HKDF-SHA256), the same on both units.
TicketKey MakeTicketKey(std::span<const uint8_t, 32> secret);

inline constexpr size_t kTicketOverhead = 16 + 12 + 16;

// Appended size is session.size() + kTicketOverhead. `nonce`: fresh, random.
// False: `out` is too small.
bool SealTicket(const TicketKey& key, absl::string_view host,
                std::span<const uint8_t, 12> nonce,
                std::span<const uint8_t> session, std::span<uint8_t> out);

// The session's size, at the front of `out`, which has room for the ticket's.
// nullopt: of none of the keys, for another host, or forged.
std::optional<size_t> OpenTicket(std::span<const TicketKey> keys,
                                 absl::string_view host,
                                 std::span<const uint8_t> ticket,
                                 std::span<uint8_t> out);

}  // namespace ballast::tls

#endif  // LB_TLS_TICKET_KEYS_H_
