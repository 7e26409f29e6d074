// SipHash: a keyed hash for tables whose keys a stranger chooses, and for
// values that two machines with the same key must compute alike.
//
// Cost    SipHash13 of 16 bytes about 8 ns.
// Source  Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
//         1-3 (one round a word, three at the end) is the variant Linux, Rust
//         and Python use for hash tables; 2-4 is the paper's. The 128-bit
//         output is the reference code's (github.com/veorq/SipHash): as good
//         as an identity where 64 bits would collide.
#ifndef IO_BASE_SIPHASH_H_
#define IO_BASE_SIPHASH_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ballast {

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

template <int kWordRounds, int kEndRounds>
class SipHasher {
 public:
  explicit SipHasher(const SipKey& key)
      : v0_(0x736f6d6570736575 ^ key.k0),
        v1_(0x646f72616e646f6d ^ key.k1),
        v2_(0x6c7967656e657261 ^ key.k0),
        v3_(0x7465646279746573 ^ key.k1) {}

  void Word(uint64_t word) {
    v3_ ^= word;
    for (int i = 0; i < kWordRounds; ++i) Round();
    v0_ ^= word;
  }
  // The whole words of `bytes`; returns the tail for Finish().
  uint64_t Words(std::span<const uint8_t> bytes) {
    static_assert(std::endian::native == std::endian::little);
    size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
      uint64_t word;
      std::memcpy(&word, bytes.data() + i, 8);
      Word(word);
    }
    uint64_t tail = 0;
    if (i < bytes.size()) {
      std::memcpy(&tail, bytes.data() + i, bytes.size() - i);
    }
    return tail;
  }
  // `tail` holds the last length % 8 bytes; `length` is the whole message's.
  uint64_t Finish(size_t length, uint64_t tail = 0) {
    Word(tail | uint64_t{length} << 56);
    v2_ ^= 0xff;
    return EndRounds();
  }

  // 128 bits instead: Begin128() before the first word, and this at the end.
  void Begin128() { v1_ ^= 0xee; }
  std::array<uint64_t, 2> Finish128(size_t length, uint64_t tail = 0) {
    Word(tail | uint64_t{length} << 56);
    v2_ ^= 0xee;
    const uint64_t first = EndRounds();
    v1_ ^= 0xdd;
    return {first, EndRounds()};
  }

 private:
  uint64_t EndRounds() {
    for (int i = 0; i < kEndRounds; ++i) Round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }
  void Round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_, v1_, v2_, v3_;
};

namespace internal {

template <int kWordRounds, int kEndRounds>
uint64_t SipHash(const SipKey& key, std::span<const uint8_t> bytes) {
  SipHasher<kWordRounds, kEndRounds> hasher(key);
  const uint64_t tail = hasher.Words(bytes);
  return hasher.Finish(bytes.size(), tail);
}

}  // namespace internal

inline uint64_t SipHash13(const SipKey& key, std::span<const uint8_t> bytes) {
  return internal::SipHash<1, 3>(key, bytes);
}
inline uint64_t SipHash24(const SipKey& key, std::span<const uint8_t> bytes) {
  return internal::SipHash<2, 4>(key, bytes);
}
// Little endian, the first word first: the reference code's 16 bytes.
inline std::array<uint64_t, 2> SipHash24Of128(const SipKey& key,
                                              std::span<const uint8_t> bytes) {
  SipHasher<2, 4> hasher(key);
  hasher.Begin128();
  const uint64_t tail = hasher.Words(bytes);
  return hasher.Finish128(bytes.size(), tail);
}

}  // namespace ballast

#endif  // IO_BASE_SIPHASH_H_
