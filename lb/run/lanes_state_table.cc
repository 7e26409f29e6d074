#include "lb/run/lanes_state_table.h"

#include <algorithm>

#include "io/clock.h"

namespace ballast::run {
namespace {

// A cursor's first number: the director's own below, the lane above.
constexpr int kLaneShift = 32;

}  // namespace

void LanesStateTable::Call(Lane& lane, Lane::Order order) {
  if (!lane.Call(std::move(order))) ++lanes_deaf_;
}

bool LanesStateTable::Ready() {
  const Instant until = MonotonicNow() + kPatience;
  for (const auto& lane : lanes_) {
    const absl::Duration left = until - MonotonicNow();
    if (!lane->Answers(std::max(left, absl::ZeroDuration()))) return false;
  }
  return true;
}

size_t LanesStateTable::TakeChanges(Instant,
                                    std::span<ha::SyncRecord> records) {
  size_t count = 0;
  const auto take_from = [&](Lane& lane) {
    Call(lane, [&](Instant now, l4::Director& director) {
      count = director.TakeChanges(now, records);
      lane.has_changes() = director.has_changes();
    });
  };
  if (marked_.has_value()) {
    // Each lane is asked until it says that it is there.
    for (; *marked_ < lanes_.size(); ++*marked_) {
      take_from(*lanes_[*marked_]);
      if (count > 0) return count;
    }
    marked_.reset();
    return 0;
  }
  for (size_t i = 0; i < lanes_.size() && count == 0; ++i) {
    next_lane_ = (next_lane_ + 1) % lanes_.size();
    Lane& lane = *lanes_[next_lane_];
    if (lane.has_changes()) take_from(lane);
  }
  return count;
}

ha::TableSummary LanesStateTable::Mark(Instant) {
  ha::TableSummary sum;
  for (const auto& lane : lanes_) {
    Call(*lane, [&](Instant now, l4::Director& director) {
      const ha::TableSummary mine = director.Mark(now);
      sum.count += mine.count;
      sum.digest += mine.digest;
    });
  }
  marked_ = 0;
  return sum;
}

uint64_t LanesStateTable::changes_lost() const {
  uint64_t lost = 0;
  for (const auto& lane : lanes_) lost += lane->changes_lost();
  return lost;
}

void LanesStateTable::StartTelling(Instant) {
  marked_.reset();
  for (const auto& lane : lanes_) {
    Call(*lane, [](Instant now, l4::Director& director) {
      director.StartTelling(now);
    });
  }
}

void LanesStateTable::StopTelling(Instant) {
  marked_.reset();
  for (const auto& lane : lanes_) {
    Call(*lane, [](Instant now, l4::Director& director) {
      director.StopTelling(now);
    });
  }
}

size_t LanesStateTable::Export(Instant, Cursor& cursor,
                               std::span<ha::SyncRecord> records) {
  const size_t lane = cursor.position[0] >> kLaneShift;
  Cursor inner{{cursor.position[0] & ((uint64_t{1} << kLaneShift) - 1),
                cursor.position[1]},
               false,
               cursor.only_untold};
  // A lane that takes no orders has nothing to give.
  size_t count = 0;
  bool done = true;
  Call(*lanes_[lane], [&](Instant now, l4::Director& director) {
    count = director.Export(now, inner, records);
    done = inner.done;
  });
  if (!done) {
    cursor.position[0] = uint64_t{lane} << kLaneShift | inner.position[0];
    cursor.position[1] = inner.position[1];
  } else {
    cursor.position[0] = uint64_t{lane + 1} << kLaneShift;
    cursor.position[1] = 0;
    cursor.done = lane + 1 == lanes_.size();
  }
  return count;
}

uint64_t LanesStateTable::size() const {
  uint64_t size = 0;
  for (const auto& lane : lanes_) {
    const bool called = lane->Call([&](Instant, l4::Director& director) {
      size += director.state_size();
    });
    if (!called) ++lanes_deaf_;
  }
  return size;
}

void LanesStateTable::BeginReplace(Instant) {
  for (const auto& lane : lanes_) {
    Call(*lane, [](Instant now, l4::Director& director) {
      director.BeginReplace(now);
    });
  }
}

void LanesStateTable::EndReplace(Instant, bool complete) {
  for (const auto& lane : lanes_) {
    Call(*lane, [complete](Instant now, l4::Director& director) {
      director.EndReplace(now, complete);
    });
  }
}

ha::ApplyCounts LanesStateTable::Apply(
    Instant, std::span<const ha::SyncRecord> records) {
  ha::ApplyCounts counts;
  if (lanes_.size() == 1) {
    Call(*lanes_[0], [&](Instant now, l4::Director& director) {
      counts = director.Apply(now, records);
    });
    return counts;
  }
  sorted_.resize(lanes_.size());
  for (auto& part : sorted_) part.clear();
  for (const ha::SyncRecord& record : records) {
    sorted_[steering_->ThreadOf(record.client.address)].push_back(record);
  }
  for (size_t i = 0; i < lanes_.size(); ++i) {
    if (sorted_[i].empty()) continue;
    Call(*lanes_[i], [&](Instant now, l4::Director& director) {
      counts += director.Apply(now, sorted_[i]);
    });
  }
  return counts;
}

}  // namespace ballast::run
