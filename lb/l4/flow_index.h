// From a tuple's hash to a connection's number: an open hash table of
// one-cache-line buckets that never reads the connections themselves unless 8
// bits of the hash agree.
//
// A bucket has 15 entries {8-bit tag, 24-bit number} and a count of the
// entries that found it full and went on to a later one. A lookup stops at the
// first bucket with count 0, so a miss usually costs one line; taking an entry
// out takes the counts along its way back down, so nothing wears out.
//
// Numbers  1 .. 2^24-1; 0 is none. The same number may be entered under
//          several hashes, also equal ones.
// Cost     Find, Insert, Erase: one line, some 1.05 at the design load of ten
//          entries a bucket. No allocation.
// Threads  none of its own; const calls may run in parallel.
// Source   the overflow count is F14's (folly/container/F14.md), the layout
// ours.
#ifndef LB_L4_FLOW_INDEX_H_
#define LB_L4_FLOW_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "absl/status/statusor.h"
#include "io/base/check.h"
#include "io/base/lazy_memory.h"
#include "io/base/status_macros.h"

namespace ballast::l4 {

class FlowIndex {
 public:
  static constexpr uint32_t kNumberMax = (1u << 24) - 1;
  static constexpr size_t kEntriesPerBucket = 15;
  static constexpr size_t kDesignLoad = 10;

  struct alignas(64) Bucket {
    uint32_t entries[kEntriesPerBucket];
    uint32_t overflow;

    // Bit i: entry i has this tag (1..255).
    uint32_t MatchTagPortable(uint8_t tag) const {
      uint32_t matches = 0;
      for (size_t i = 0; i < kEntriesPerBucket; ++i) {
        matches |= static_cast<uint32_t>(entries[i] >> 24 == tag) << i;
      }
      return matches;
    }
    uint32_t MatchTag(uint8_t tag) const {
#ifdef __SSE2__
      const auto* lanes = reinterpret_cast<const __m128i*>(this);
      const __m128i wanted = _mm_set1_epi32(tag);
      const auto equal = [&](int i) {
        return _mm_cmpeq_epi32(_mm_srli_epi32(_mm_load_si128(lanes + i), 24),
                               wanted);
      };
      const __m128i bytes =
          _mm_packs_epi16(_mm_packs_epi32(equal(0), equal(1)),
                          _mm_packs_epi32(equal(2), equal(3)));
      return static_cast<uint32_t>(_mm_movemask_epi8(bytes)) & 0x7fff;
#else
      return MatchTagPortable(tag);
#endif
    }
  };
  static_assert(sizeof(Bucket) == 64);

  // Room for `entries` at the design load. Errors are LazyMemory's.
  static absl::StatusOr<FlowIndex> Create(size_t entries, bool huge_pages) {
    FlowIndex index;
    index.bucket_count_ = (entries + kDesignLoad - 1) / kDesignLoad;
    if (index.bucket_count_ == 0) index.bucket_count_ = 1;
    BALLAST_ASSIGN_OR_RETURN(
        index.memory_,
        LazyMemory::Create(index.bucket_count_ * sizeof(Bucket), huge_pages));
    index.buckets_ = static_cast<Bucket*>(index.memory_.data());
    return index;
  }

  void Prefetch(uint64_t hash) const {
    __builtin_prefetch(&buckets_[Home(hash)]);
  }

  // The first number in the home bucket whose tag agrees, or 0: not yet known
  // to be right, but worth fetch(number), as is the second if there is one.
  // With none, starts to fetch the next bucket of the chain.
  template <typename Fetch>
  [[nodiscard]] uint32_t Candidate(uint64_t hash, Fetch&& fetch) const {
    const Bucket& bucket = buckets_[Home(hash)];
    const uint32_t matches = bucket.MatchTag(Tag(hash));
    if (matches == 0) {
      if (bucket.overflow != 0) {
        __builtin_prefetch(&buckets_[Next(Home(hash))]);
      }
      return 0;
    }
    const uint32_t first = bucket.entries[__builtin_ctz(matches)] & kNumberMax;
    fetch(first);
    if (const uint32_t more = matches & (matches - 1); more != 0) {
      fetch(bucket.entries[__builtin_ctz(more)] & kNumberMax);
    }
    return first;
  }

  // The number entered under `hash` for which is_it(number) holds, or 0.
  template <typename IsIt>
  uint32_t Find(uint64_t hash, IsIt&& is_it) const {
    size_t at = Home(hash);
    const uint8_t tag = Tag(hash);
    // Bounded: a chain ends before it has gone round.
    for (size_t steps = 0; steps < bucket_count_; ++steps) {
      const Bucket& bucket = buckets_[at];
      for (uint32_t m = bucket.MatchTag(tag); m != 0; m &= m - 1) {
        const uint32_t number = bucket.entries[__builtin_ctz(m)] & kNumberMax;
        if (is_it(number)) return number;
      }
      if (bucket.overflow == 0) return 0;
      at = Next(at);
    }
    return 0;
  }

  // The caller keeps the entries within what Create was told.
  void Insert(uint64_t hash, uint32_t number) {
    size_t at = Home(hash);
    for (size_t steps = 0; steps < bucket_count_; ++steps) {
      Bucket& bucket = buckets_[at];
      for (uint32_t& entry : bucket.entries) {
        if (entry == 0) {
          entry = Entry(hash, number);
          return;
        }
      }
      ++bucket.overflow;
      at = Next(at);
    }
    BALLAST_CHECK(!"flow index overfilled");
  }

  // `number` must have been entered under `hash`.
  void Erase(uint64_t hash, uint32_t number) {
    const uint32_t wanted = Entry(hash, number);
    size_t at = Home(hash);
    for (size_t steps = 0; steps < bucket_count_; ++steps) {
      Bucket& bucket = buckets_[at];
      for (uint32_t& entry : bucket.entries) {
        if (entry == wanted) {
          entry = 0;
          return;
        }
      }
      BALLAST_CHECK(bucket.overflow != 0);
      --bucket.overflow;
      at = Next(at);
    }
    BALLAST_CHECK(!"flow index: no such entry");
  }

  size_t bucket_count() const { return bucket_count_; }
  const Bucket& bucket(size_t i) const { return buckets_[i]; }

 private:
  // The upper half of the hash chooses the bucket, its lowest byte is the tag.
  size_t Home(uint64_t hash) const {
    return (hash >> 32) * bucket_count_ >> 32;
  }
  size_t Next(size_t at) const { return at + 1 == bucket_count_ ? 0 : at + 1; }
  // 0 marks a free entry.
  static uint8_t Tag(uint64_t hash) {
    const auto low = static_cast<uint8_t>(hash);
    return low == 0 ? 1 : low;
  }
  static uint32_t Entry(uint64_t hash, uint32_t number) {
    return uint32_t{Tag(hash)} << 24 | number;
  }

  LazyMemory memory_;
  Bucket* buckets_ = nullptr;
  size_t bucket_count_ = 0;
};

}  // namespace ballast::l4

#endif  // LB_L4_FLOW_INDEX_H_
