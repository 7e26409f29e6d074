// A set of servers by position, which finds the next member in list order.
//
// Cost     every operation a few instructions, whatever the set's size: 64
//          words of 64 members, and one word that says which are not empty.
// Threads  one.
#ifndef SCHED_SERVER_SET_H_
#define SCHED_SERVER_SET_H_

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

namespace ballast::sched {

// More than any virtual service has; also the slots of a source hash table.
inline constexpr uint32_t kServerCountMax = 4096;

class ServerSet {
 public:
  bool empty() const { return occupied_ == 0; }
  bool Contains(uint16_t server) const {
    return (words_[server / 64] >> (server % 64) & 1) != 0;
  }
  void Set(uint16_t server, bool member) {
    const uint64_t bit = uint64_t{1} << (server % 64);
    uint64_t& word = words_[server / 64];
    word = member ? word | bit : word & ~bit;
    const uint64_t word_bit = uint64_t{1} << (server / 64);
    occupied_ = word != 0 ? occupied_ | word_bit : occupied_ & ~word_bit;
  }
  // The first member at or after `from` (0..kServerCountMax), going round to
  // the beginning; nullopt when the set is empty.
  std::optional<uint16_t> NextFrom(uint32_t from) const {
    if (occupied_ == 0) return std::nullopt;
    if (from < kServerCountMax) {
      const uint32_t word = from / 64;
      if (const uint64_t rest = words_[word] & (~uint64_t{0} << (from % 64))) {
        return At(word, rest);
      }
      if (const uint64_t later = occupied_ & (~uint64_t{1} << word)) {
        return FirstOf(std::countr_zero(later));
      }
    }
    return FirstOf(std::countr_zero(occupied_));
  }

  friend bool operator==(const ServerSet&, const ServerSet&) = default;

 private:
  static uint16_t At(uint32_t word, uint64_t bits) {
    return static_cast<uint16_t>(word * 64 + std::countr_zero(bits));
  }
  uint16_t FirstOf(uint32_t word) const { return At(word, words_[word]); }

  std::array<uint64_t, kServerCountMax / 64> words_{};
  uint64_t occupied_ = 0;
};

}  // namespace ballast::sched

#endif  // SCHED_SERVER_SET_H_
