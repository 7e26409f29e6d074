// One session's counted stream as its client sees it: what to send next, which
// bytes must come back, and how long each block was on its way.
//
// Pure. Bounds: remembers one Instant for each block without an answer; the
// caller stops asking for blocks.
#ifndef EXAMPLES_SESSION_STREAM_H_
#define EXAMPLES_SESSION_STREAM_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "examples/session_block.h"
#include "io/base/instant.h"

namespace ballast::testbed {

class SessionStream {
 public:
  explicit SessionStream(uint64_t key) : key_(key) {}

  // The next block; it counts as sent now.
  SessionBlock Next(Instant now) {
    unanswered_.push_back(now);
    return MakeSessionBlock(key_, sent_++);
  }

  // Bytes as they arrive. False: one of them differs from what must come next,
  // or nothing was to come. `answered` gets the time each block took.
  bool Take(std::span<const uint8_t> bytes, Instant now,
            absl::FunctionRef<void(absl::Duration)> answered) {
    while (!bytes.empty()) {
      const uint64_t number = verified_ / kSessionBlockSize;
      const size_t at = verified_ % kSessionBlockSize;
      const size_t n = std::min(bytes.size(), kSessionBlockSize - at);
      SessionBlock wanted = MakeSessionBlock(key_, number);
      TransformEcho(number * kSessionBlockSize, wanted);
      if (number >= sent_ ||
          std::memcmp(bytes.data(), wanted.data() + at, n) != 0) {
        return false;
      }
      verified_ += n;
      bytes = bytes.subspan(n);
      if (verified_ % kSessionBlockSize != 0) continue;
      answered(now - unanswered_.front());
      unanswered_.pop_front();
    }
    return true;
  }

  uint64_t verified() const { return verified_; }           // Bytes.
  size_t unanswered() const { return unanswered_.size(); }  // Blocks.
  // How long the oldest of them has been waiting; 0: there is none.
  absl::Duration waiting(Instant now) const {
    return unanswered_.empty() ? absl::ZeroDuration()
                               : now - unanswered_.front();
  }

 private:
  uint64_t key_;
  uint64_t sent_ = 0;               // Blocks.
  uint64_t verified_ = 0;           // Bytes.
  std::deque<Instant> unanswered_;  // When each was sent.
};

}  // namespace ballast::testbed

#endif  // EXAMPLES_SESSION_STREAM_H_
