// A leader's datagrams: numbered, kept for a while, sent again when asked for,
// and never too many at once.
//
// Position  leadership (20 bits), sequence (44 bits). Each time a unit begins
//           to tell anew where what it told before counts no more, the
//           leadership grows and the sequence begins at 0: a position of an
//           earlier leadership of the same process is always smaller. (Other
//           processes' are kept out by the envelope, by boot id.)
// Bounds    queue_max datagrams; kRangesMax ranges waiting to be sent again.
// Cost      a copy of each datagram; no allocation once the ring went round.
// Threads   one.
#ifndef HA_OUTGOING_CHANGES_H_
#define HA_OUTGOING_CHANGES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "ha/sync_datagram.h"
#include "io/base/instant.h"

namespace ballast::ha {

inline constexpr int kSequenceBits = 44;
inline uint64_t LeadershipOf(uint64_t position) {
  return position >> kSequenceBits;
}

// At most `burst_max` a millisecond, each whole millisecond anew. May be
// overdrawn, which the next ones pay for.
class Pacer {
 public:
  explicit Pacer(size_t burst_max)
      : burst_max_(static_cast<int64_t>(burst_max)) {}

  void Refill(Instant now);
  bool ready() const { return left_ > 0; }
  void Spend() { --left_; }

 private:
  int64_t burst_max_;
  int64_t left_ = 0;
  int64_t millisecond_ = -1;
};

class OutgoingChanges {
 public:
  static constexpr size_t kRangesMax = 64;

  explicit OutgoingChanges(size_t queue_max) : ring_(queue_max) {}

  // Of the last datagram; at first of none, of the leadership.
  uint64_t position() const { return position_; }
  void StartLeadership();

  // The next datagram: writes its position into its first 8 bytes and keeps a
  // copy.
  void Number(std::span<uint8_t> datagram);
  // The same for one that goes by stream and is not kept, nor any before it.
  void NumberForStream(std::span<uint8_t> datagram);

  // Send these again. False: too many wait, or not of this leadership.
  bool Ask(const SyncRange& range);
  bool asked() const { return !asked_.empty(); }
  // Gives what was asked for to `send`, and what is not kept any more to
  // `forgotten`, while `pacer` lets it.
  void Resend(Pacer& pacer,
              absl::FunctionRef<void(std::span<const uint8_t>)> send,
              absl::FunctionRef<void(const SyncRange&)> forgotten);

 private:
  size_t Place(uint64_t position) const { return position % ring_.size(); }

  std::vector<std::vector<uint8_t>> ring_;
  uint64_t position_ = 0;
  uint64_t kept_from_ = 1;  // .. position_.
  std::deque<SyncRange> asked_;
};

}  // namespace ballast::ha

#endif  // HA_OUTGOING_CHANGES_H_
