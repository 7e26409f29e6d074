// Which CARP adverts count: the checks a receiver makes, in the order the real
// ones make them, each refusal counted with its reason.
//
// What it takes, and what no receiver of CARP can tell: an advert of the peer
// sent once more by somebody else, at any later time, with another demotion or
// auth length. With a peer pinned that is all; without, whoever has seen one
// advert can also send it with any advbase and advskew, from any address.
//
// Lenient where ucarp is: any auth length, demotion and counter, more bytes
// than an advert's. Stricter: the type must be 1, as the digest assumes.
//
// Units    as carp_wire.h.
// Threads  one.
// Source   ucarp 1.5.2.
#ifndef HA_CARP_RECEIVER_H_
#define HA_CARP_RECEIVER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ha/carp_wire.h"
#include "io/base/address.h"

namespace ballast::ha {

// A packet of protocol 112, from a raw socket or ParseCarpFrame().
struct CarpPacket {
  Address source;
  Address destination;
  uint8_t ttl = 0;
  // Of the IPv4 header; a raw socket gives only what the kernel found good.
  bool ip_checksum_good = true;
  std::span<const uint8_t> payload;
};

// In the order of the checks.
enum class CarpRefusal : uint8_t {
  kNone,
  kOwn,  // From an address of this unit.
  kTtl,  // Not 255: it came through a router.
  kTooShort,
  kVersion,
  kOtherVhid,      // Other units' business.
  kDestination,    // Neither the group nor broadcast.
  kBadIpChecksum,  // Of the IPv4 header.
  kBadChecksum,
  kType,
  kBadDigest,    // Another password, another address list, or forged.
  kNotThePeer,   // Good digest, but another source address than pinned.
  kBowOut,       // 255/255, which a pinned peer is not trusted to say.
  kOtherTiming,  // Another advbase or advskew than pinned.
};
inline constexpr size_t kCarpRefusalCount = 14;
const char* CarpRefusalName(CarpRefusal refusal);

Address CarpGroupV4();  // 224.0.0.18
Address CarpGroupV6();  // ff02::12

class CarpReceiver {
 public:
  // The one unit to be heard. One of its adverts with other numbers is refused:
  // they are outside the digest. (ucarp says advskew 240 when it cannot send;
  // then it counts as silent.)
  struct Peer {
    Address source;
    uint8_t advbase = 0;
    uint8_t advskew = 0;
    // Believe a last advert of 255/255. Then anybody who has seen one advert
    // can have this unit take the role at once; without, an orderly end of the
    // peer is noticed like any other.
    bool allow_bow_out = false;
  };
  struct Options {
    std::vector<Address> own;  // Of this unit, on the interface.
    Address group = CarpGroupV4();
    std::optional<Peer> peer;
  };

  CarpReceiver(CarpKey key, Options options);

  // kNone and `*advert`, or why not.
  CarpRefusal Receive(const CarpPacket& packet, CarpAdvert* advert);

  const CarpKey& key() const { return key_; }
  // How often Receive() said so; of kNone: how many were accepted.
  uint64_t count(CarpRefusal refusal) const {
    return counts_[static_cast<size_t>(refusal)];
  }

 private:
  CarpRefusal Check(const CarpPacket& packet, CarpAdvert* advert) const;
  bool MayBeSentTo(const Address& destination) const;

  CarpKey key_;
  Options options_;
  std::array<uint64_t, kCarpRefusalCount> counts_{};
};

}  // namespace ballast::ha

#endif  // HA_CARP_RECEIVER_H_
