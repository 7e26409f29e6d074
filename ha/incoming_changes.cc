#include "ha/incoming_changes.h"

#include <algorithm>

#include "ha/outgoing_changes.h"

namespace ballast::ha {

void IncomingChanges::Reset(uint64_t applied) {
  places_.resize(window_);
  for (Place& place : places_) place.kept = place.asked = false;
  applied_ = last_known_ = last_arrived_ = applied;
}

IncomingChanges::Arrival IncomingChanges::Classify(uint64_t position) {
  if (LeadershipOf(position) != LeadershipOf(applied_)) {
    return position < applied_ ? Arrival::kOlder : Arrival::kNewer;
  }
  if (position <= applied_) return Arrival::kDuplicate;
  last_known_ = std::max(last_known_, position);
  last_arrived_ = std::max(last_arrived_, position);
  if (position - applied_ > window_) return Arrival::kTooEarly;
  if (At(position).kept) return Arrival::kDuplicate;
  return position == applied_ + 1 ? Arrival::kNext : Arrival::kEarly;
}

void IncomingChanges::Keep(uint64_t position,
                           std::span<const uint8_t> datagram) {
  Place& place = At(position);
  place.kept = true;
  place.datagram.assign(datagram.begin(), datagram.end());
}

std::span<const uint8_t> IncomingChanges::Next() const {
  const Place& place = At(applied_ + 1);
  return place.kept ? std::span<const uint8_t>(place.datagram)
                    : std::span<const uint8_t>();
}

bool IncomingChanges::Advance() {
  Place& place = At(++applied_);
  last_known_ = std::max(last_known_, applied_);
  last_arrived_ = std::max(last_arrived_, applied_);
  place.kept = false;
  const bool asked = place.asked;
  place.asked = false;
  return asked;
}

void IncomingChanges::DropNext() { At(applied_ + 1).kept = false; }

void IncomingChanges::Announce(uint64_t position) {
  last_known_ = std::max(last_known_, position);
}

size_t IncomingChanges::AskMissing(size_t ranges_max,
                                   std::vector<SyncRange>& ranges) {
  size_t fresh = 0;
  const uint64_t end = std::min<uint64_t>(last_known_, applied_ + window_);
  for (uint64_t position = applied_ + 1; position <= end; ++position) {
    Place& place = At(position);
    if (place.kept) continue;
    if (ranges.empty() || ranges.back().last + 1 != position) {
      if (ranges.size() == ranges_max) break;
      ranges.push_back({position, position});
    }
    ranges.back().last = position;
    if (!place.asked) ++fresh;
    place.asked = true;
  }
  return fresh;
}

}  // namespace ballast::ha
