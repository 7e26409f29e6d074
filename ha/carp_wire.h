// CARP version 2 on the wire: the 36 bytes of an advert, and their digest.
//
//   [0]      version (high nibble, 2) and type (low nibble, 1: there is no
//            other)
//   [1]      VHID, 1..255
//   [2]      advskew, 1/256 s
//   [3]      auth length: 7 words of counter and digest
//   [4]      demotion: OpenBSD's; 0 from FreeBSD and ucarp
//   [5]      advbase, seconds
//   [6,7]    Internet checksum of the 36 bytes
//   [8..15]  counter
//   [16..35] digest: HMAC-SHA1, with the password as the key, of
//              0x02 0x01 VHID, each shared IPv4 address, each shared IPv6
//              address (both ascending), counter
//
// So neither advbase, advskew, demotion, the sender's address nor the time is
// covered: whoever has seen one advert can send it again, faster or slower.
// carp_receiver.h says what can be done about it, which is little; between two
// units of our own use envelope.h.
//
// Errors   a password, VHID or address that CARP cannot have: Status. Bytes
//          that are none of this: nullopt.
// Cost     Digest, Sign, Verify: some 0.5 us; no allocation.
// Threads  a CarpKey never changes: any number may use it.
// Source   ucarp 1.5.2 (captures in testdata/), OpenBSD and FreeBSD
//          sys/netinet/ip_carp.c for more addresses than one.
#ifndef HA_CARP_WIRE_H_
#define HA_CARP_WIRE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"

namespace ballast::ha {

inline constexpr size_t kCarpAdvertSize = 36;
inline constexpr uint8_t kCarpIpProtocol = 112;  // Shared with VRRP.
inline constexpr size_t kCarpPasswordSizeMax = 19;
inline constexpr size_t kCarpAddressCountMax = 256;

using CarpDigest = std::array<uint8_t, 20>;

struct CarpAdvert {
  uint8_t type = 1;
  uint8_t vhid = 0;
  uint8_t advskew = 0;
  uint8_t auth_words = 7;
  uint8_t demotion = 0;
  uint8_t advbase = 0;
  uint64_t counter = 0;
  CarpDigest digest{};

  friend bool operator==(const CarpAdvert&, const CarpAdvert&) = default;
};

// Checksum included.
void EncodeCarpAdvert(const CarpAdvert& advert,
                      std::span<uint8_t, kCarpAdvertSize> bytes);
// What follows the IP header. nullopt if it is shorter than an advert or not of
// version 2; more bytes than an advert's do no harm, nor does a wrong checksum.
std::optional<CarpAdvert> DecodeCarpAdvert(std::span<const uint8_t> payload);
// Of a payload that decodes.
bool CarpChecksumGood(std::span<const uint8_t> payload);

// The last advert of a unit that leaves: so slow that any backup takes over.
inline constexpr uint8_t kCarpBowOut = 255;  // advbase and advskew.
inline bool IsCarpBowOut(const CarpAdvert& advert) {
  return advert.advbase == kCarpBowOut && advert.advskew == kCarpBowOut;
}

// What the units of one VHID share: password, VHID and addresses.
class CarpKey {
 public:
  // The addresses in any order; one given twice counts once. ucarp knows one
  // IPv4 address per VHID and nothing else.
  //   kInvalidArgument  password not 1..19 bytes, or with a zero byte; VHID 0;
  //                     no address, more than 256, or one that is unspecified
  //                     or a group. The password is never part of the message.
  static absl::StatusOr<CarpKey> Create(absl::string_view password,
                                        uint8_t vhid,
                                        std::span<const Address> addresses);
  ~CarpKey();
  CarpKey(CarpKey&&) noexcept;
  CarpKey& operator=(CarpKey&&) noexcept;

  uint8_t vhid() const;
  CarpDigest Digest(uint64_t counter) const;
  // Fills in VHID and digest, for the counter it has.
  void Sign(CarpAdvert& advert) const;
  // Compares in constant time. Of a key with IPv6 link-local addresses a digest
  // without them is good as well, as it is to OpenBSD, which leaves them out.
  bool Verify(const CarpAdvert& advert) const;

 private:
  struct State;
  explicit CarpKey(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// Which counter the next own advert has: random until an advert was accepted,
// from then on counting from there (ucarp, FreeBSD). No peer wants it to grow.
class CarpCounter {
 public:
  void OnAccepted(uint64_t counter) { next_ = counter + 1; }
  // `random`: fresh at every call.
  uint64_t Next(uint64_t random) { return next_ ? (*next_)++ : random; }

 private:
  std::optional<uint64_t> next_;
};

}  // namespace ballast::ha

#endif  // HA_CARP_WIRE_H_
