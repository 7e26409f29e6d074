#include "ha/change_teller.h"

#include <algorithm>

#include "absl/time/time.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

constexpr size_t kBatch = 64;
constexpr size_t kFront = 8;  // The position.
// Of the table, for what is not told, in a Tell(): some 16,000 places each.
constexpr int kPiecesMax = 64;
// While there is more to do than the pace allows.
constexpr absl::Duration kSoon = absl::Milliseconds(1);

}  // namespace

ChangeTeller::ChangeTeller(const ReplicationOptions& options, StateTable& table,
                           ReplicationHost& host, OutgoingChanges& outgoing,
                           Pacer& pacer, ReplicatorStats& stats)
    : options_(options),
      table_(table),
      host_(host),
      outgoing_(outgoing),
      pacer_(pacer),
      stats_(stats),
      packer_(kFront, options.payload_max, options.syncid),
      batch_(kBatch),
      entries_(options.l7 == nullptr ? 0 : kBatch) {}

void ChangeTeller::Start(Instant now, uint64_t lost) {
  lost_ = lost;
  next_sum_ = now + options_.sum_period;
  look_at_ = now;
  entries_at_ = now;
}

void ChangeTeller::OnTableChanged(Instant now) {
  look_at_ = std::min(look_at_, now + options_.flush_after / 2);
}

void ChangeTeller::Stop() {
  packer_.Clear();
  sum_.reset();
  untold_.reset();
  ask_anew_ = backlog_ = false;
}

void ChangeTeller::Finish(Instant now) {
  NoticeLoss();
  if (!TakeEntries(now, /*paced=*/false)) ++stats_.left_untold;
  if (options_.l4) {
    if (sum_) {
      TakeChanges(now, /*paced=*/false);
      PackSum(now);
    }
    // Ends first: they make room. Then from the front again: what began since
    // is there too.
    TakeChanges(now, /*paced=*/false);
    TellAll();
    if (!TakeUntold(now, /*paced=*/false)) ++stats_.left_untold;
    untold_.reset();
    sum_ = table_.Mark(now);
    TakeChanges(now, /*paced=*/false);
    PackSum(now);
  }
  Flush(now);
}

void ChangeTeller::TellAll() {
  untold_.emplace();
  untold_->only_untold = true;
}

Instant ChangeTeller::deadline(Instant now) const {
  Instant at = look_at_;
  if (backlog_) {
    at = now + kSoon;
  } else if (!options_.told_of_changes) {
    at = now + options_.flush_after / 2;
  }
  if (options_.l7 != nullptr) {
    at = std::min(at, std::max(entries_at_, now + kSoon));
  }
  if (!packer_.empty()) {
    at = std::min(at, std::max(packed_ + options_.flush_after, now + kSoon));
  }
  return std::min(at, std::max(next_sum_, now + kSoon));
}

void ChangeTeller::NoticeLoss() {
  const uint64_t lost = ChangesLost(options_, table_);
  if (lost <= lost_) return;
  stats_.overflow += lost - lost_;
  lost_ = lost;
  ask_anew_ = true;
}

void ChangeTeller::Flush(Instant now) {
  if (packer_.empty()) return;
  stats_.records_sent += packer_.records();
  const auto datagram = packer_.Take();
  outgoing_.Number(datagram);
  ++stats_.datagrams_sent;
  stats_.bytes_sent += datagram.size();
  pacer_.Spend();
  host_.SendSync(now, datagram);
}

template <typename Thing>
void ChangeTeller::Pack(Instant now, const Thing& thing) {
  if (packer_.empty()) packed_ = now;
  if (packer_.Add(thing)) return;
  Flush(now);
  packed_ = now;
  BALLAST_CHECK(packer_.Add(thing));
}

void ChangeTeller::PackSum(Instant now) {
  NoticeLoss();
  // Of a follower that lacks changes a sum says nothing.
  if (ask_anew_) {
    if (!packer_.AddAskAnew()) {
      Flush(now);
      BALLAST_CHECK(packer_.AddAskAnew());
    }
    ask_anew_ = false;
  } else if (!packer_.AddSum(*sum_)) {
    Flush(now);
    BALLAST_CHECK(packer_.AddSum(*sum_));
  }
  sum_.reset();
  Flush(now);
}

bool ChangeTeller::TakeChanges(Instant now, bool paced) {
  for (size_t taken = 0; !paced || taken < kTakeMax;) {
    if (paced && !pacer_.ready()) return false;
    const size_t count = table_.TakeChanges(now, batch_);
    if (count == 0) return true;
    taken += count;
    for (size_t i = 0; i < count; ++i) Pack(now, batch_[i]);
  }
  return false;
}

bool ChangeTeller::TakeEntries(Instant now, bool paced) {
  if (options_.l7 == nullptr) return true;
  const uint64_t sent = stats_.datagrams_sent;
  for (size_t taken = 0;;) {
    const bool enough =
        paced ? taken >= kTakeMax || !pacer_.ready()
              : stats_.datagrams_sent - sent >= options_.queue_max;
    if (enough) return false;
    const size_t count = options_.l7->TakeChanges(now, entries_);
    if (count == 0) return true;
    taken += count;
    for (size_t i = 0; i < count; ++i) Pack(now, entries_[i]);
  }
}

bool ChangeTeller::TakeUntold(Instant now, bool paced) {
  const uint64_t sent = stats_.datagrams_sent;
  for (int piece = 0; !untold_->done; ++piece) {
    const bool enough =
        paced ? piece == kPiecesMax || !pacer_.ready()
              : stats_.datagrams_sent - sent >= options_.queue_max;
    if (enough) return false;
    const size_t count = table_.Export(now, *untold_, batch_);
    for (size_t i = 0; i < count; ++i) Pack(now, batch_[i]);
  }
  untold_.reset();
  return true;
}

void ChangeTeller::Tell(Instant now) {
  look_at_ = Instant::Never();
  NoticeLoss();
  backlog_ = false;
  if (now >= entries_at_) {
    // Nobody says when there are some: it would cost every request.
    const bool all = TakeEntries(now, /*paced=*/true);
    entries_at_ = now + (all ? options_.flush_after : kSoon);
  }
  if (ask_anew_ && !options_.l4) PackSum(now);
  if (options_.l4) {
    if (!sum_ && (now >= next_sum_ || ask_anew_)) {
      sum_ = table_.Mark(now);
      next_sum_ = now + options_.sum_period;
    }
    bool all = TakeChanges(now, /*paced=*/true);
    if (all && sum_) {
      PackSum(now);
      all = TakeChanges(now, /*paced=*/true);  // Those behind the mark.
    }
    if (all && untold_) all = TakeUntold(now, /*paced=*/true);
    backlog_ |= !all;
  }
  if (!packer_.empty() && now >= packed_ + options_.flush_after &&
      pacer_.ready()) {
    Flush(now);
  }
}

}  // namespace ballast::ha
