#include "ha/replication_follower.h"

#include <algorithm>

#include "absl/time/time.h"
#include "ha/outgoing_changes.h"

namespace ballast::ha {
namespace {

// Between two requests of the whole table; doubles up to the greater one until
// a sum agrees while changes come in.
constexpr absl::Duration kAskPause = absl::Seconds(1);
constexpr absl::Duration kAskPauseMax = absl::Seconds(60);
// A transfer that brings nothing for so long is given up.
constexpr absl::Duration kStalled = absl::Seconds(3);
// After the stream had no room.
constexpr absl::Duration kRetry = absl::Milliseconds(10);
// Between two requests of the same datagram: doubles up to here.
constexpr absl::Duration kRepairPauseMax = absl::Seconds(1);
// A leader silent for so long is not asked.
constexpr absl::Duration kSilent = absl::Seconds(3);
constexpr size_t kRepairRanges = 16;

}  // namespace

ReplicationFollower::ReplicationFollower(const ReplicationOptions& options,
                                         StateTable& table,
                                         ReplicationHost& host,
                                         ReplicatorStats& stats)
    : options_(options),
      table_(table),
      host_(host),
      stats_(stats),
      applier_(options, table, stats),
      taker_(options, table, applier_, stats),
      incoming_(options.queue_max),
      ids_(options.seed) {}

uint64_t ReplicationFollower::NewId() {
  // SplitMix64: ids differ from those of other seeds and earlier ones.
  ids_ += 0x9e3779b97f4a7c15;
  uint64_t z = ids_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return z == 0 ? 1 : z;
}

void ReplicationFollower::Begin(Instant now, bool stream) {
  End(now);
  phase_ = Phase::kWanting;
  stream_ = stream;
  heard_ = now;
  ask_at_ = now;
  ask_pause_ = kAskPause;
  Want(now);
}

void ReplicationFollower::End(Instant now) {
  taker_.Abandon(now);
  phase_ = Phase::kIdle;
  wants_ = agreed_ = late_ = forgotten_ = false;
  request_id_ = gap_ = 0;
  done_.reset();
}

void ReplicationFollower::Want(Instant now) {
  wants_ = true;
  Ask(now);
}

void ReplicationFollower::Ask(Instant now) {
  if (!wants_ || !stream_ || now < ask_at_) return;
  const uint64_t id = NewId();
  if (!host_.SendStream(now, Encode(TransferRequest{id}))) {
    ask_at_ = now + kRetry;
    return;
  }
  request_id_ = id;
  ++stats_.requests;
  ask_at_ = now + ask_pause_;
  ask_pause_ = std::min(2 * ask_pause_, kAskPauseMax);
}

void ReplicationFollower::SendDone(Instant now) {
  if (!done_ || !stream_ || now < done_at_) return;
  if (host_.SendStream(now, Encode(*done_))) {
    done_.reset();
  } else {
    done_at_ = now + kRetry;
  }
}

// -- The transfer -----------------------------------------------------------

void ReplicationFollower::OnStreamUp(Instant now) {
  stream_ = true;
  if (!following()) return;
  ask_at_ = std::min(ask_at_, now);
  Ask(now);
}

void ReplicationFollower::OnStreamDown(Instant now) {
  stream_ = false;
  request_id_ = 0;
  done_.reset();
  if (phase_ != Phase::kTaking) return;
  taker_.Abandon(now);
  phase_ = Phase::kWanting;
  Want(now);
}

void ReplicationFollower::OnStream(Instant now, StreamMessage type,
                                   std::span<const uint8_t> body) {
  heard_ = now;
  switch (type) {
    case StreamMessage::kBegin:
      if (const auto begin = DecodeBegin(body)) return OnBegin(now, *begin);
      ++stats_.malformed;
      return;
    case StreamMessage::kChanges: {
      const auto outcome = taker_.OnChanges(now, body);
      if (outcome == TableTaker::Outcome::kTaken) incoming_.Advance();
      OnOutcome(now, outcome);
      return;
    }
    case StreamMessage::kRecords:
      OnOutcome(now, taker_.OnRecords(now, body));
      return;
    case StreamMessage::kEnd:
      if (const auto end = DecodeEnd(body)) return OnEnd(now, *end);
      ++stats_.malformed;
      return;
    case StreamMessage::kRequest:
    case StreamMessage::kDone:
      // Of a time when this unit led.
      ++stats_.outdated;
      return;
  }
  ++stats_.malformed;
}

void ReplicationFollower::OnBegin(Instant now, const TransferBegin& begin) {
  if (begin.merge || request_id_ == 0 || begin.id != request_id_) {
    ++stats_.outdated;
    return;
  }
  request_id_ = 0;
  wants_ = agreed_ = late_ = forgotten_ = false;
  gap_ = 0;
  phase_ = Phase::kTaking;
  progress_ = now;
  incoming_.Reset(begin.position);
  taker_.Begin(now, begin);
}

void ReplicationFollower::OnOutcome(Instant now, TableTaker::Outcome outcome) {
  switch (outcome) {
    case TableTaker::Outcome::kTaken:
      progress_ = now;
      return;
    case TableTaker::Outcome::kIgnored:
      ++stats_.outdated;
      return;
    case TableTaker::Outcome::kFailed:
      phase_ = Phase::kWanting;
      Want(now);
      return;
  }
}

void ReplicationFollower::OnEnd(Instant now, const TransferEnd& end) {
  const auto outcome = taker_.OnEnd(now, end);
  OnOutcome(now, outcome);
  if (outcome != TableTaker::Outcome::kTaken) return;
  phase_ = Phase::kHaving;
  const TableSummary sum = options_.l4 ? table_.Mark(now) : end.sum;
  ++stats_.sums_compared;
  agreed_ = sum == end.sum;
  done_ = TransferDone{end.id, agreed_, sum};
  done_at_ = now;
  SendDone(now);
  if (agreed_) {
    ++stats_.transfers_complete;
  } else {
    ++stats_.sums_differed;
    Want(now);
  }
  ApplyKept(now);
  LookForGap(now);
}

// -- Changes ----------------------------------------------------------------

void ReplicationFollower::OnDatagram(Instant now, uint64_t position,
                                     std::span<const uint8_t> datagram) {
  using Arrival = IncomingChanges::Arrival;
  heard_ = now;
  if (phase_ != Phase::kTaking && phase_ != Phase::kHaving) {
    ++stats_.outdated;
    return;
  }
  switch (incoming_.Classify(position)) {
    case Arrival::kNext:
      if (phase_ == Phase::kHaving) {
        if (ApplyNext(now, datagram)) ApplyKept(now);
        break;
      }
      incoming_.Keep(position, datagram);
      break;
    case Arrival::kEarly:
      incoming_.Keep(position, datagram);
      break;
    case Arrival::kDuplicate:
      ++stats_.duplicates;
      break;
    case Arrival::kTooEarly:
      ++stats_.too_early;
      break;
    case Arrival::kOlder:
      ++stats_.outdated;
      break;
    case Arrival::kNewer:
      ++stats_.outdated;
      Want(now);
      break;
  }
  LookForGap(now);
}

bool ReplicationFollower::ApplyNext(Instant now,
                                    std::span<const uint8_t> datagram) {
  if (!applier_.Read(datagram.subspan(8))) return false;
  applier_.Apply(now, /*merge=*/false);
  if (incoming_.Advance()) ++stats_.repaired;
  if (applier_.content().sum) Compare(now, *applier_.content().sum);
  if (applier_.content().ask_anew) Want(now);
  return true;
}

void ReplicationFollower::ApplyKept(Instant now) {
  while (true) {
    const auto datagram = incoming_.Next();
    if (datagram.empty()) return;
    if (!ApplyNext(now, datagram)) {
      incoming_.DropNext();
      return;
    }
  }
}

void ReplicationFollower::Compare(Instant now, const TableSummary& told) {
  if (!options_.l4) return;
  ++stats_.sums_compared;
  agreed_ = table_.Mark(now) == told;
  if (agreed_) {
    if (!wants_) ask_pause_ = kAskPause;
    return;
  }
  ++stats_.sums_differed;
  Want(now);
}

void ReplicationFollower::OnLeaderPosition(Instant now, uint64_t position) {
  heard_ = now;
  if (phase_ != Phase::kTaking && phase_ != Phase::kHaving) return;
  const uint64_t own = LeadershipOf(incoming_.applied());
  if (LeadershipOf(position) > own) {
    Want(now);
  } else if (LeadershipOf(position) == own) {
    incoming_.Announce(position);
    LookForGap(now);
  }
}

// -- Repair -----------------------------------------------------------------

void ReplicationFollower::LookForGap(Instant now) {
  if (phase_ != Phase::kHaving) return;
  if (!incoming_.missing()) {
    gap_ = 0;
    late_ = false;
    return;
  }
  if (gap_ == incoming_.applied() + 1) return;
  gap_ = incoming_.applied() + 1;
  repair_pause_ = options_.repair_after;
  repair_at_ = now + repair_pause_;
}

void ReplicationFollower::AskRepair(Instant now) {
  if (phase_ != Phase::kHaving || gap_ == 0 || forgotten_ || now < repair_at_) {
    return;
  }
  late_ = true;
  if (now - heard_ >= kSilent) {
    repair_at_ = now + kRepairPauseMax;
    return;
  }
  repair_pause_ = std::min(2 * repair_pause_, kRepairPauseMax);
  repair_at_ = now + repair_pause_;
  questions_.repair.clear();
  stats_.gaps += incoming_.AskMissing(kRepairRanges, questions_.repair);
  out_.clear();
  WriteQuestions(questions_, out_);
  host_.SendSync(now, out_);
}

void ReplicationFollower::OnForgotten(Instant now,
                                      std::span<const SyncRange> ranges) {
  heard_ = now;
  if (phase_ != Phase::kHaving || gap_ == 0) return;
  for (const SyncRange& range : ranges) {
    if (gap_ < range.first || gap_ > range.last) continue;
    if (!forgotten_) ++stats_.repair_failed;
    forgotten_ = true;
    Want(now);
    return;
  }
}

// -- Time and outcome -------------------------------------------------------

void ReplicationFollower::Tick(Instant now) {
  if (!following()) return;
  SendDone(now);
  if (phase_ == Phase::kTaking && now - progress_ >= kStalled) {
    taker_.Abandon(now);
    phase_ = Phase::kWanting;
    wants_ = true;
  }
  Ask(now);
  LookForGap(now);
  AskRepair(now);
}

Instant ReplicationFollower::deadline() const {
  Instant at = Instant::Never();
  if (!following()) return at;
  if (stream_) {
    if (done_) at = std::min(at, done_at_);
    if (wants_) at = std::min(at, ask_at_);
    if (phase_ == Phase::kTaking) at = std::min(at, progress_ + kStalled);
  }
  if (phase_ == Phase::kHaving && gap_ != 0 && !forgotten_ &&
      repair_at_ - heard_ < kSilent) {
    at = std::min(at, repair_at_);
  }
  return at;
}

uint64_t ReplicationFollower::position() const {
  return phase_ == Phase::kHaving ? incoming_.applied() : 0;
}

bool ReplicationFollower::complete() const {
  return phase_ == Phase::kHaving && agreed_ && !wants_ && !late_ &&
         !incoming_.overtaken();
}

uint64_t ReplicationFollower::lag() const {
  return phase_ == Phase::kTaking || phase_ == Phase::kHaving
             ? incoming_.last_known() - incoming_.applied()
             : 0;
}

}  // namespace ballast::ha
