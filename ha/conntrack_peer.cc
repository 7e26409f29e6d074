#include "ha/conntrack_peer.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "ha/conntrack_ftfw.h"
#include "ha/conntrack_plain.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

constexpr size_t kBatch = 256;
// After the table was not ready.
constexpr absl::Duration kRetry = absl::Milliseconds(5);

std::unique_ptr<ConntrackChannel> MakeChannel(
    const ConntrackPeer::Options& options, Instant now,
    ConntrackChannel::Host& host) {
  switch (options.mode) {
    case ConntrackMode::kFtfw:
      return std::make_unique<ConntrackFtfw>(
          ConntrackFtfw::Options{.out = options.out,
                                 .window = options.window,
                                 .kept_max = options.kept_max},
          now, host);
    case ConntrackMode::kNotrack:
    case ConntrackMode::kAlarm:
      break;
  }
  return std::make_unique<ConntrackPlain>(
      ConntrackPlain::Options{.mode = options.mode == ConntrackMode::kAlarm
                                          ? ConntrackPlain::Mode::kAlarm
                                          : ConntrackPlain::Mode::kNotrack,
                              .out = options.out},
      now, host);
}

bool IsUnanswered(const ConntrackEntry& entry) {
  return entry.status && (*entry.status & kStatusSeenReply) == 0;
}

}  // namespace

ConntrackPeer::ConntrackPeer(const Options& options, Instant now,
                             StateTable& table, Host& host)
    : options_(options),
      table_(table),
      host_(host),
      channel_(MakeChannel(options, now, *this)) {
  BALLAST_CHECK(options.poll_interval > absl::ZeroDuration());
  BALLAST_CHECK(options.refresh > absl::ZeroDuration());
  batch_.reserve(kBatch);
  // Where no greeting says when (N4): now.
  ask_all_ = options.mode == ConntrackMode::kNotrack;
}

// -- Told by the peer --------------------------------------------------------

void ConntrackPeer::OnDatagram(Instant now, std::span<const uint8_t> bytes) {
  channel_->OnDatagram(now, bytes);
  ApplyReceived(now);
}

void ConntrackPeer::OnConntrack(Instant now, ConntrackType type,
                                const ConntrackEntry& entry) {
  SyncRecord record;
  const ConntrackUnmatched reason = RecordOf(type, entry, record);
  if (reason != ConntrackUnmatched::kNone) {  // P6
    ++stats_.unmatched[static_cast<size_t>(reason)];
    return;
  }
  if (options_.mode == ConntrackMode::kAlarm) {  // P5
    const auto most =
        static_cast<uint32_t>(absl::ToInt64Seconds(options_.cache_timeout));
    record.timeout_s =
        record.timeout_s == 0 ? most : std::min(record.timeout_s, most);
  }
  received_.push_back(record);
  if (received_.size() == kBatch) ApplyReceived(now);
}

void ConntrackPeer::ApplyReceived(Instant now) {
  if (received_.empty()) return;
  stats_.applied += table_.Apply(now, received_);
  received_.clear();
}

void ConntrackPeer::OnTellAll(Instant) { TellAll(); }

void ConntrackPeer::OnGreeted(Instant) {
  ask_all_ = true;  // P4
  TellAll();
}

void ConntrackPeer::SendConntrack(Instant now, std::span<const uint8_t> bytes) {
  host_.SendConntrack(now, bytes);
}

// -- Telling -----------------------------------------------------------------

void ConntrackPeer::Lead(Instant now) {
  if (leading_) return;
  leading_ = true;
  lost_ = table_.changes_lost();
  table_.StartTelling(now);
  next_poll_ = now;
  next_refresh_ = now + options_.refresh;
  TellAll();
}

void ConntrackPeer::Follow(Instant now) {
  if (!leading_) return;
  telling_all_ = tell_all_again_ = false;
  TellBatch(now, /*paced=*/false);
  for (size_t taken = 0; taken < kTakeMax && Fetch(now, kBatch);) {
    taken += batch_.size();
    TellBatch(now, /*paced=*/false);
  }
  channel_->Flush(now);
  table_.StopTelling(now);
  leading_ = false;
  next_poll_ = next_refresh_ = Instant::Never();
}

void ConntrackPeer::Resync(Instant now) {
  ask_all_ = true;
  TellAll();
  if (leading_) next_poll_ = std::min(next_poll_, now);
}

void ConntrackPeer::TellAll() {
  if (!leading_) return;  // P7
  if (telling_all_) {
    tell_all_again_ = true;
    return;
  }
  telling_all_ = true;
  tell_all_again_ = false;
  cursor_ = {};
  ++stats_.tell_all_begun;
}

void ConntrackPeer::NoticeLoss() {
  const uint64_t lost = table_.changes_lost();
  if (lost <= lost_) return;
  stats_.changes_lost += lost - lost_;
  lost_ = lost;
  TellAll();
}

bool ConntrackPeer::Fetch(Instant now, size_t room) {
  batch_at_ = 0;
  batch_.resize(std::min(room, kBatch));
  size_t count = table_.TakeChanges(now, batch_);
  batch_is_all_ = count == 0 && telling_all_;
  if (batch_is_all_) {
    count = table_.Export(now, cursor_, batch_);
    if (cursor_.done) {
      telling_all_ = false;
      ++stats_.tell_all_complete;
      if (std::exchange(tell_all_again_, false)) TellAll();
    }
  }
  batch_.resize(count);
  stats_.records_taken += count;
  return count > 0;
}

bool ConntrackPeer::TellBatch(Instant now, bool paced) {
  for (; batch_at_ < batch_.size(); ++batch_at_) {
    if (paced && !channel_->HasRoom(now)) return false;
    TellOne(now, batch_[batch_at_]);
  }
  return true;
}

void ConntrackPeer::TellOne(Instant now, const SyncRecord& record) {
  const auto entry = EntryOf(record);
  if (!entry) {
    ++stats_.not_nat;
    return;
  }
  const ConntrackType type =
      record.kind == SyncRecord::Kind::kGone  ? ConntrackType::kDelete
      : batch_is_all_ || IsUnanswered(*entry) ? ConntrackType::kNew
                                              : ConntrackType::kUpdate;
  channel_->Tell(now, type, *entry);
}

void ConntrackPeer::Tick(Instant now) {
  if (std::exchange(ask_all_, false)) channel_->AskAll(now);
  channel_->Tick(now);
  if (!leading_ || now < next_poll_) return;
  if (options_.mode == ConntrackMode::kAlarm && now >= next_refresh_) {
    next_refresh_ = now + options_.refresh;
    TellAll();
  }
  NoticeLoss();
  if (!table_.Ready()) {
    next_poll_ = now + kRetry;
    return;
  }
  size_t left = kTakeMax;
  bool told = TellBatch(now, /*paced=*/true);
  while (told && left > 0 && Fetch(now, left)) {
    left -= batch_.size();
    told = TellBatch(now, /*paced=*/true);
  }
  channel_->Flush(now);
  next_poll_ = now + options_.poll_interval;
  if (told && left > 0 && !telling_all_) return;
  next_poll_ =
      std::min(next_poll_, std::max(channel_->room_at(), now + kRetry));
}

Instant ConntrackPeer::deadline() const {
  if (ask_all_) return Instant::FromNanos(0);
  return std::min(next_poll_, channel_->deadline());
}

}  // namespace ballast::ha
