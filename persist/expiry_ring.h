// When the entries of a store are due to be looked at: a ring of 4096 seconds,
// so that expiry scans nothing.
//
// An entry stands in the second after it expires, or, if that is further off,
// where the ring has gone round once; one that was renewed meanwhile is found
// to be valid there and stands anew. So a renewal costs nothing here, and a
// long-lived entry one look per time round (68 minutes).
//
// Cost     8 bytes an entry. Link, Unlink: two or three lines of the table.
// Threads  one.
#ifndef PERSIST_EXPIRY_RING_H_
#define PERSIST_EXPIRY_RING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "io/base/instant.h"
#include "persist/zeroed_array.h"

namespace ballast::persist {

class ExpiryRing {
 public:
  struct Links {
    uint32_t next;
    uint32_t prev;
  };

  ExpiryRing() = default;
  // Entries are numbered from 1; `links` has a place for each number.
  explicit ExpiryRing(ZeroedArray<Links> links)
      : links_(std::move(links)), heads_(kSeconds, 0) {}

  // An entry that does not stand in the ring.
  void Link(uint32_t number, Instant expires) {
    const int64_t due = expires.nanos() / kTickNs + 1;
    const int64_t tick =
        std::clamp(due, next_tick_ + 1, next_tick_ + int64_t{kSeconds} - 1);
    const auto position = static_cast<uint32_t>(tick % kSeconds);
    Links& links = links_[number];
    links.prev = kHead | position;
    links.next = heads_[position];
    if (links.next != 0) links_[links.next].prev = number;
    heads_[position] = number;
  }
  void Unlink(uint32_t number) {
    const Links& links = links_[number];
    if ((links.prev & kHead) != 0) {
      heads_[links.prev & ~kHead] = links.next;
    } else {
      links_[links.prev].next = links.next;
    }
    if (links.next != 0) links_[links.next].prev = links.prev;
  }

  // Looks at what is due, at no more than `budget` entries, which is counted
  // down. False: some is left. `store` has
  //   void Prefetch(uint32_t number)     this one comes next
  //   Instant ExpiresOf(uint32_t number)
  //   void Expire(uint32_t number)       frees it, with Unlink()
  template <typename Store>
  bool Advance(Instant now, size_t& budget, Store&& store) {
    const int64_t now_tick = now.nanos() / kTickNs;
    // After a long sleep once round is enough.
    next_tick_ = std::max(next_tick_, now_tick + 1 - int64_t{kSeconds});
    for (; next_tick_ <= now_tick; ++next_tick_) {
      const uint32_t& head = heads_[next_tick_ % kSeconds];
      while (head != 0) {
        if (budget == 0) return false;
        --budget;
        const uint32_t number = head;
        if (const uint32_t following = links_[number].next) {
          __builtin_prefetch(&links_[following]);
          store.Prefetch(following);
        }
        const Instant expires = store.ExpiresOf(number);
        if (now < expires) {
          Unlink(number);
          Link(number, expires);
        } else {
          store.Expire(number);
        }
      }
    }
    return true;
  }

 private:
  static constexpr uint32_t kSeconds = 4096;
  static constexpr uint32_t kHead = 0x80000000u;  // `prev` is a position.
  static constexpr int64_t kTickNs = 1'000'000'000;

  ZeroedArray<Links> links_;
  std::vector<uint32_t> heads_;  // First entry of each second.
  int64_t next_tick_ = 0;  // The first whose position may hold what is due.
};

}  // namespace ballast::persist

#endif  // PERSIST_EXPIRY_RING_H_
