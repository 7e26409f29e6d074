#include "ha/outgoing_changes.h"

#include <algorithm>

#include "io/base/bytes.h"

namespace ballast::ha {

void Pacer::Refill(Instant now) {
  const int64_t millisecond = now.nanos() / 1'000'000;
  if (millisecond <= millisecond_) return;
  const int64_t passed = std::min<int64_t>(millisecond - millisecond_, 1000);
  left_ = std::min(burst_max_, left_ + passed * burst_max_);
  millisecond_ = millisecond;
}

void OutgoingChanges::StartLeadership() {
  position_ = (LeadershipOf(position_) + 1) << kSequenceBits;
  kept_from_ = position_ + 1;
  asked_.clear();
}

void OutgoingChanges::Number(std::span<uint8_t> datagram) {
  StoreBig64(datagram.data(), ++position_);
  ring_[Place(position_)].assign(datagram.begin(), datagram.end());
  if (position_ - kept_from_ >= ring_.size()) ++kept_from_;
}

void OutgoingChanges::NumberForStream(std::span<uint8_t> datagram) {
  StoreBig64(datagram.data(), ++position_);
  kept_from_ = position_ + 1;
}

bool OutgoingChanges::Ask(const SyncRange& range) {
  if (LeadershipOf(range.first) != LeadershipOf(position_) ||
      range.first > position_ || asked_.size() == kRangesMax) {
    return false;
  }
  asked_.push_back({range.first, std::min(range.last, position_)});
  return true;
}

void OutgoingChanges::Resend(
    Pacer& pacer, absl::FunctionRef<void(std::span<const uint8_t>)> send,
    absl::FunctionRef<void(const SyncRange&)> forgotten) {
  while (!asked_.empty() && pacer.ready()) {
    SyncRange& range = asked_.front();
    if (range.first < kept_from_) {
      pacer.Spend();
      const uint64_t last = std::min(range.last, kept_from_ - 1);
      forgotten({range.first, last});
      range.first = last + 1;
    }
    for (; range.first <= range.last && pacer.ready(); ++range.first) {
      pacer.Spend();
      send(ring_[Place(range.first)]);
    }
    if (range.first > range.last) asked_.pop_front();
  }
}

}  // namespace ballast::ha
