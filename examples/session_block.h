// The bytes of a counted stream: what a session's client sends, and what a
// server makes of them on their way back. Any byte lost, doubled, changed or
// moved, or one of another session, differs from what belongs in its place.
//
// Pure. Cost: some 2 ns a byte.
// Source  SplitMix64 (Steele, Lea, Flood, 2014) for bytes that look random.
#ifndef EXAMPLES_SESSION_BLOCK_H_
#define EXAMPLES_SESSION_BLOCK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ballast::testbed {

inline constexpr size_t kSessionBlockSize = 64;
using SessionBlock = std::array<uint8_t, kSessionBlockSize>;

// The first number that SplitMix64 gives for this seed.
constexpr uint64_t SplitMix64(uint64_t seed) {
  uint64_t z = seed + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Block `number`, from 0, of the stream that `key` names: its number, big
// endian, then bytes that depend on both.
inline SessionBlock MakeSessionBlock(uint64_t key, uint64_t number) {
  SessionBlock block;
  for (size_t i = 0; i < block.size(); i += 8) {
    uint64_t word = i == 0 ? number : SplitMix64(SplitMix64(key ^ number) + i);
    for (size_t k = 0; k < 8; ++k) {
      block[i + k] = static_cast<uint8_t>(word >> (56 - 8 * k));
    }
  }
  return block;
}

// What a server answers to the bytes that stand at `offset` of a stream; the
// same again gives the bytes back.
inline void TransformEcho(uint64_t offset, std::span<uint8_t> bytes) {
  for (uint8_t& byte : bytes) {
    byte ^= static_cast<uint8_t>(SplitMix64(~(offset / 8)) >> (offset % 8 * 8));
    ++offset;
  }
}

}  // namespace ballast::testbed

#endif  // EXAMPLES_SESSION_BLOCK_H_
