#include "ha/ipvs_peer.h"

#include <algorithm>

#include "io/base/check.h"

namespace ballast::ha {
namespace {

constexpr size_t kBatch = 256;
// After the table was not ready.
constexpr absl::Duration kRetry = absl::Milliseconds(5);

bool ShiftsSequences(const IpvsEntry& entry) {
  if (!entry.options.sequence) return false;
  return std::any_of(entry.options.sequence->begin(),
                     entry.options.sequence->end(),
                     [](const SequenceAdjust& adjust) {
                       return adjust.delta != 0 || adjust.previous_delta != 0;
                     });
}

}  // namespace

IpvsPeer::IpvsPeer(const Options& options, StateTable& table, Host& host)
    : options_(options),
      table_(table),
      host_(host),
      reader_{.syncid = options.syncid, .any_syncid = options.syncid == 0},
      writer_({.version = options.version,
               .syncid = options.syncid,
               .message_max = options.message_max}) {
  BALLAST_CHECK(options.version == 0 || options.version == 1);
  BALLAST_CHECK(options.message_max >= kIpvsHeaderSize + kIpvsEntryV6Size);
  BALLAST_CHECK(options.burst_max > 0);
  BALLAST_CHECK(options.burst_interval > absl::ZeroDuration());
  BALLAST_CHECK(options.poll_interval > absl::ZeroDuration());
  batch_.reserve(kBatch);
}

// -- Backup -----------------------------------------------------------------

bool IpvsPeer::Takes(const IpvsEntry& entry) {
  if (!entry.options.pe_name.empty()) {
    ++stats_.engine_skipped;
    return false;
  }
  if (ShiftsSequences(entry)) {
    ++stats_.sequence_skipped;
    return false;
  }
  return true;
}

void IpvsPeer::OnMessage(Instant now, std::span<const uint8_t> bytes) {
  if (leading_) {
    ++stats_.ignored_while_leading;
    return;
  }
  received_.clear();
  ReadIpvsMessage(bytes, reader_, [this](const IpvsEntry& entry) {
    if (!Takes(entry)) return;
    SyncRecord& record = received_.emplace_back(entry.record);
    record.has_detail = false;
    record.idle_ms = record.client_packets = 0;
    record.client_next_sequence = record.client_acknowledged = 0;
  });
  stats_.messages_received = reader_.messages;
  stats_.records_received = reader_.entries;
  stats_.errors = reader_.errors;
  if (!received_.empty()) stats_.applied += table_.Apply(now, received_);
}

// -- Master -----------------------------------------------------------------

void IpvsPeer::Lead(Instant now) {
  if (leading_) return;
  leading_ = true;
  lost_ = table_.changes_lost();
  table_.StartTelling(now);
  burst_left_ = options_.burst_max;
  next_burst_ = now + options_.burst_interval;
  deadline_ = now + options_.poll_interval;
}

void IpvsPeer::Follow(Instant now) {
  if (!leading_) return;
  resyncing_ = resync_again_ = false;
  Pack(now, /*paced=*/false);
  for (size_t taken = 0; taken < kTakeMax && Fetch(now, kBatch);) {
    taken += batch_.size();
    Pack(now, /*paced=*/false);
  }
  Flush(now);
  table_.StopTelling(now);
  leading_ = false;
  deadline_ = Instant::Never();
}

void IpvsPeer::Resync(Instant now) {
  if (!leading_) return;
  if (resyncing_) {
    resync_again_ = true;
    return;
  }
  BeginResync();
  deadline_ = std::min(deadline_, now);
}

void IpvsPeer::BeginResync() {
  resyncing_ = true;
  resync_again_ = false;
  cursor_ = {};
  stats_.resync_records = 0;
  ++stats_.resyncs_begun;
}

void IpvsPeer::NoticeLoss(Instant now) {
  const uint64_t lost = table_.changes_lost();
  if (lost <= lost_) return;
  stats_.changes_lost += lost - lost_;
  lost_ = lost;
  Resync(now);
}

bool IpvsPeer::Fetch(Instant now, size_t room) {
  batch_at_ = 0;
  batch_.resize(std::min(room, kBatch));
  size_t count = table_.TakeChanges(now, batch_);
  if (count == 0 && resyncing_) {
    count = table_.Export(now, cursor_, batch_);
    stats_.resync_records += count;
    if (cursor_.done) {
      resyncing_ = false;
      ++stats_.resyncs_complete;
      if (resync_again_) BeginResync();
    }
  }
  batch_.resize(count);
  return count > 0;
}

bool IpvsPeer::Pack(Instant now, bool paced) {
  for (; batch_at_ < batch_.size(); ++batch_at_) {
    const SyncRecord& record = batch_[batch_at_];
    if (record.kind == SyncRecord::Kind::kGone) {
      ++stats_.ends_untold;
      continue;
    }
    if (writer_.empty()) begun_ = now;
    if (!writer_.Add(record)) {
      if (paced && burst_left_ == 0) return false;
      Flush(now);
      begun_ = now;
      BALLAST_CHECK(writer_.Add(record));
    }
  }
  stats_.unsendable = writer_.skipped();
  return true;
}

void IpvsPeer::Flush(Instant now) {
  if (writer_.empty()) return;
  stats_.records_sent += static_cast<uint64_t>(writer_.count());
  const auto message = writer_.Take();
  ++stats_.messages_sent;
  stats_.bytes_sent += message.size();
  if (burst_left_ > 0) --burst_left_;
  host_.SendSync(now, message);
}

void IpvsPeer::Tick(Instant now) {
  if (!leading_) return;
  if (now >= next_burst_) {
    burst_left_ = options_.burst_max;
    next_burst_ = now + options_.burst_interval;
  }
  NoticeLoss(now);
  if (!table_.Ready()) {
    deadline_ = now + kRetry;
    return;
  }
  size_t left = kTakeMax;
  bool packed = Pack(now, /*paced=*/true);
  while (packed && left > 0 && Fetch(now, left)) {
    left -= batch_.size();
    packed = Pack(now, /*paced=*/true);
  }
  if (!writer_.empty() && burst_left_ > 0 &&
      now >= begun_ + options_.flush_after) {
    Flush(now);
  }
  deadline_ = now + options_.poll_interval;
  if (!packed || left == 0 || resyncing_) {
    deadline_ = std::min(deadline_, next_burst_);
  }
  if (!writer_.empty()) {
    Instant flush = begun_ + options_.flush_after;
    if (burst_left_ == 0) flush = std::max(flush, next_burst_);
    deadline_ = std::min(deadline_, flush);
  }
}

}  // namespace ballast::ha
