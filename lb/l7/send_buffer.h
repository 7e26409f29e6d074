// Bytes on their way to one peer: those its owner is sending now, which do not
// move, and those that wait behind them.
//
// One send at a time: Take() lends everything there is, Sent() gives it back.
// Cost  bytes are copied in once; buffers keep up to kKeptBytes when empty, or
//       what Sent() is told to leave them, for more of the same message.
#ifndef LB_L7_SEND_BUFFER_H_
#define LB_L7_SEND_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "io/base/check.h"

namespace ballast::l7 {

class SendBuffer {
 public:
  static constexpr size_t kKeptBytes = 4096;

  // To append to.
  std::string* tail() { return &queued_; }
  void Append(absl::string_view bytes) {
    queued_.append(bytes.data(), bytes.size());
  }

  // What waits behind the send under way.
  absl::string_view queued() const { return queued_; }
  // All that is not reported as sent.
  size_t size() const { return sending_.size() - sent_ + queued_.size(); }
  bool empty() const { return size() == 0; }
  bool sending() const { return lent_; }

  // What to send now; empty if a send is under way or there is nothing. Stays
  // where it is until Sent() has been told of all of it.
  std::span<const uint8_t> Take() {
    if (lent_) return {};
    if (sent_ == sending_.size()) {
      sending_.clear();
      sent_ = 0;
      std::swap(sending_, queued_);
    }
    if (sending_.empty()) return {};
    lent_ = true;
    return {reinterpret_cast<const uint8_t*>(sending_.data()) + sent_,
            sending_.size() - sent_};
  }

  // The send ended: the first `count` bytes of it have gone.
  void Sent(size_t count, size_t kept = kKeptBytes) {
    BALLAST_CHECK(lent_ && count <= sending_.size() - sent_);
    lent_ = false;
    sent_ += count;
    if (empty()) {
      sent_ = 0;
      Empty(&sending_, kept);
      Empty(&queued_, kept);
    }
  }

  // Forgets everything; no send may be under way.
  void Clear() {
    BALLAST_CHECK(!lent_);
    sent_ = 0;
    Empty(&sending_);
    Empty(&queued_);
  }
  // Forgets what has not been lent.
  void ClearQueued() { Empty(&queued_); }

 private:
  static void Empty(std::string* bytes, size_t kept = kKeptBytes) {
    bytes->clear();
    if (bytes->capacity() > kept) std::string().swap(*bytes);
  }

  std::string sending_;
  std::string queued_;
  size_t sent_ = 0;  // Of sending_.
  bool lent_ = false;
};

}  // namespace ballast::l7

#endif  // LB_L7_SEND_BUFFER_H_
