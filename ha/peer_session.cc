// PeerSession (envelope.h): which authentic messages are fresh.
#include <openssl/mem.h>

#include <algorithm>

#include "ha/envelope.h"
#include "io/base/check.h"

namespace ballast::ha {

bool PeerSession::IsOver(const Opened& opened) const {
  const size_t count = std::min(over_count_, kOverMax);
  return std::any_of(
      over_.begin(), over_.begin() + count, [&](const Boot& boot) {
        return boot.unit == opened.unit && boot.id == opened.boot;
      });
}

OpenError PeerSession::Take(Window& window, uint64_t sequence) {
  const auto bit = [](uint64_t n) { return uint64_t{1} << (n % 64); };
  const auto word = [&window](uint64_t n) -> uint64_t& {
    return window.seen[n % kWindow / 64];
  };
  if (sequence > window.highest) {
    // What the window moves over anew has not been seen.
    if (sequence - window.highest >= kWindow) {
      window.seen.fill(0);
    } else {
      for (uint64_t n = window.highest + 1; n < sequence; ++n) {
        word(n) &= ~bit(n);
      }
    }
    window.highest = sequence;
  } else if (window.highest - sequence >= kWindow || sequence == 0) {
    return OpenError::kTooOld;
  } else if ((word(sequence) & bit(sequence)) != 0) {
    return OpenError::kReplayed;
  }
  word(sequence) |= bit(sequence);
  return OpenError::kNone;
}

OpenError PeerSession::Accept(const Opened& opened,
                              const std::optional<Challenge>& answer,
                              const Challenge& fresh) {
  const auto type = static_cast<size_t>(opened.type);
  BALLAST_CHECK(type > 0 && type < kEnvelopeTypeCount);
  if (boot_ == opened.boot && unit_ == opened.unit) {
    return Take(windows_[type], opened.sequence);  // S3
  }
  if (IsOver(opened)) return OpenError::kTooOld;  // S2
  static constexpr Challenge kZeros{};
  if (opened.type != EnvelopeType::kAdvert || !answer.has_value() ||
      CRYPTO_memcmp(answer->data(), ours_.data(), ours_.size()) != 0 ||
      CRYPTO_memcmp(answer->data(), kZeros.data(), kZeros.size()) == 0) {
    return OpenError::kUnproven;  // S1
  }
  // S2. A challenge used twice would make the answer worth something again.
  BALLAST_CHECK(fresh != ours_);
  if (boot_.has_value()) over_[over_count_++ % kOverMax] = {unit_, *boot_};
  boot_ = opened.boot;
  unit_ = opened.unit;
  ours_ = fresh;
  // S3. What was sent before the answer may be of before our own start.
  for (Window& window : windows_) {
    window.highest = opened.sequence;
    window.seen.fill(~uint64_t{0});
  }
  return OpenError::kNone;
}

}  // namespace ballast::ha
