// Where fragments go: only a datagram's first fragment carries ports, so what
// was decided about it is kept for the later ones, under (source, destination,
// id[, protocol]).
//
// Bound    a fixed number of places, in sets of four that a keyed hash picks.
//          A full set gives up its oldest entry: a flood of first fragments
//          must not keep honest ones out, whose later fragments follow within
//          milliseconds.
// Order    a later fragment that overtakes its first is unknown; nothing is
//          held back for it.
// Lifetime 30 s for IPv4 (Linux ipfrag_time), 60 s for IPv6 (RFC 8200 §4.5).
// Cost     one hash and one set of 256 bytes; no allocation after Create().
// Threads  one.
#ifndef LB_L4_FRAGMENT_TABLE_H_
#define LB_L4_FRAGMENT_TABLE_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "io/base/frame.h"
#include "io/base/instant.h"
#include "io/base/siphash.h"
#include "lb/l4/packet.h"

namespace ballast::l4 {

struct FragmentKey {
  std::array<uint8_t, 16> source{};  // IPv4: the first four, the rest zero.
  std::array<uint8_t, 16> destination{};
  uint32_t id = 0;
  // RFC 791 §3.2 has the protocol in the key, RFC 8200 §4.5 has not: 0.
  uint8_t protocol = 0;
  bool v6 = false;

  friend bool operator==(const FragmentKey&, const FragmentKey&) = default;
};

// The key of a parsed fragment, first or later.
inline FragmentKey FragmentKeyOf(const Frame& frame, const Packet& packet) {
  FragmentKey key;
  std::memcpy(key.source.data(), SourceBytes(frame, packet),
              packet.address_size());
  std::memcpy(key.destination.data(), DestinationBytes(frame, packet),
              packet.address_size());
  key.id = packet.fragment_id;
  key.protocol = packet.v6 ? 0 : packet.protocol;
  key.v6 = packet.v6;
  return key;
}

class FragmentTable {
 public:
  static constexpr size_t kWays = 4;
  static constexpr size_t kCapacityMax = size_t{1} << 24;
  static constexpr absl::Duration kLifetimeV4 = absl::Seconds(30);
  static constexpr absl::Duration kLifetimeV6 = absl::Seconds(60);

  struct Stats {
    uint64_t inserted = 0;  // First fragments, repeated ones too.
    uint64_t evicted = 0;   // Live entries that gave way to a newer one.
    uint64_t found = 0;
    uint64_t unknown = 0;
  };

  // Room for at least `capacity` datagrams (rounded up to a power of two), 64
  // bytes each. `key` is the owner's secret: strangers choose addresses and
  // ids.
  //   kInvalidArgument  capacity is 0 or above kCapacityMax
  static absl::StatusOr<FragmentTable> Create(size_t capacity,
                                              const SipKey& key) {
    if (capacity == 0 || capacity > kCapacityMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          "fragments: ", capacity, " datagrams, must be 1 to ", kCapacityMax));
    }
    return FragmentTable(std::bit_ceil((capacity + kWays - 1) / kWays), key);
  }

  // Remembers `value`, the owner's, for the datagram; replaces what was known
  // of it. False if a live entry of another datagram had to give way.
  bool Insert(Instant now, const FragmentKey& key, uint64_t value) {
    ++stats_.inserted;
    Set& set = SetOf(key);
    // Its own place, or a free one, or the one that expires first.
    Entry* place = &set[0];
    for (Entry& entry : set) {
      if (entry.expires > now && entry.key == key) {
        place = &entry;
        break;
      }
      if (entry.expires < place->expires) place = &entry;
    }
    const bool evicts = place->expires > now && !(place->key == key);
    if (evicts) ++stats_.evicted;
    *place = {key, value, now + (key.v6 ? kLifetimeV6 : kLifetimeV4)};
    return !evicts;
  }

  // What Insert() was given; nullopt if nothing was or its time is up.
  std::optional<uint64_t> Find(Instant now, const FragmentKey& key) {
    for (const Entry& entry : SetOf(key)) {
      if (entry.expires > now && entry.key == key) {
        ++stats_.found;
        return entry.value;
      }
    }
    ++stats_.unknown;
    return std::nullopt;
  }

  size_t capacity() const { return sets_.size() * kWays; }
  const Stats& stats() const { return stats_; }

 private:
  struct alignas(64) Entry {
    FragmentKey key;
    uint64_t value = 0;
    Instant expires = Instant::FromNanos(INT64_MIN);
  };
  static_assert(sizeof(Entry) == 64);
  using Set = std::array<Entry, kWays>;

  FragmentTable(size_t sets, const SipKey& key) : key_(key), sets_(sets) {}

  Set& SetOf(const FragmentKey& key) {
    std::array<uint8_t, 38> bytes;
    std::memcpy(&bytes[0], key.source.data(), 16);
    std::memcpy(&bytes[16], key.destination.data(), 16);
    std::memcpy(&bytes[32], &key.id, 4);
    bytes[36] = key.protocol;
    bytes[37] = key.v6 ? 1 : 0;
    return sets_[SipHash13(key_, bytes) & (sets_.size() - 1)];
  }

  SipKey key_;
  std::vector<Set> sets_;  // A power of two.
  Stats stats_;
};

}  // namespace ballast::l4

#endif  // LB_L4_FRAGMENT_TABLE_H_
