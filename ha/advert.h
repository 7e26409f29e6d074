// What a unit says of itself to its partner, several times per takeover time:
// the payload of an envelope of type kAdvert.
//
// Layout, big endian, kAdvertSize bytes:
//   [0]      mode: 1 First, 2 Second
//   [1]      role (Role)
//   [2..3]   flags (AdvertFlag)
//   [4..7]   advert interval, microseconds
//   [8..15]  configuration generation
//   [16..23] sync position: of an active unit, the last datagram it sent; of
//            another, the last one applied (replicator.h)
//   [24..39] the pair's shared address, IPv4 mapped; zeros: none
//   [40]     HA check interfaces with carrier
//   [41]     HA check interfaces in all
//   [42]     pacified (H9) or other reason a unit stays out (Passive)
//   [43]     how often it became active since it started, modulo 256
//   [44..59] the challenge this unit was last given, or zeros
//   [60..75] its own challenge to the peer
#ifndef HA_ADVERT_H_
#define HA_ADVERT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/time/time.h"
#include "io/base/address.h"

namespace ballast::ha {

enum class Mode : uint8_t { kNone = 0, kFirst = 1, kSecond = 2 };

enum class Role : uint8_t {
  kSingle = 0,   // Mode none: always serves.
  kBooting = 1,  // Listening, until it knows whether there is a partner.
  kStandby = 2,
  kActive = 3,
  kPassive = 4,  // Takes no part: pacified, or wrongly paired.
  kLeaving = 5,  // Ends; serves nothing any more.
};
const char* RoleName(Role role);

enum AdvertFlag : uint16_t {
  // The configuration prefers it: of two active units, it stays.
  kPreferred = 1 << 0,
  // Its table equals the active unit's: it can take over without loss.
  kComplete = 1 << 1,
  // Wants the role (preferred, or asked to by kOffersRole).
  kClaimsRole = 1 << 2,
  // Active, and wants the partner to take the role.
  kOffersRole = 1 << 3,
  // No more active, for the partner's sake: its position is final.
  kYielded = 1 << 4,
  // Replicates connections: a transfer must be complete before the role moves
  // from a unit that is heard.
  kSyncs = 1 << 5,
  // Was the active unit last, as far as it knows, and not by its own will is
  // not any more: it has the table.
  kServedLast = 1 << 6,
};

struct Advert {
  Mode mode = Mode::kNone;
  Role role = Role::kBooting;
  uint16_t flags = 0;
  absl::Duration interval;  // Whole microseconds, 1 ms .. 1 min.
  uint64_t config_generation = 0;
  uint64_t sync_position = 0;
  Address shared;  // Unspecified: none.
  uint8_t interfaces_up = 0;
  uint8_t interfaces = 0;
  uint8_t passive_reason = 0;  // Passive: RoleReason of election.h.
  uint8_t takeovers = 0;       // Modulo 256.
  std::array<uint8_t, 16> answer{};
  std::array<uint8_t, 16> challenge{};

  bool Has(AdvertFlag flag) const { return (flags & flag) != 0; }

  friend bool operator==(const Advert&, const Advert&) = default;
};

inline constexpr size_t kAdvertSize = 76;
void EncodeAdvert(const Advert& advert, std::span<uint8_t, kAdvertSize> bytes);
// nullopt unless every field is one EncodeAdvert could have written.
std::optional<Advert> DecodeAdvert(std::span<const uint8_t> bytes);

}  // namespace ballast::ha

#endif  // HA_ADVERT_H_
