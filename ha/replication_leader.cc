#include "ha/replication_leader.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"

namespace ballast::ha {
namespace {

// After the stream had no room, or the table was not ready.
constexpr absl::Duration kRetry = absl::Milliseconds(5);
// While there is more to do than one call may.
constexpr absl::Duration kSoon = absl::Milliseconds(1);

}  // namespace

ReplicationLeader::ReplicationLeader(const ReplicationOptions& options,
                                     StateTable& table, ReplicationHost& host,
                                     ReplicatorStats& stats)
    : options_(options),
      table_(table),
      host_(host),
      stats_(stats),
      outgoing_(options.queue_max),
      pacer_(options.burst_max),
      teller_(options, table, host, outgoing_, pacer_, stats),
      giver_(options, table, outgoing_, stats),
      applier_(options, table, stats),
      taker_(options, table, applier_, stats) {}

// -- Roles ------------------------------------------------------------------

void ReplicationLeader::Begin(Instant now, bool stream) {
  End(now);
  outgoing_.StartLeadership();
  phase_ = Phase::kAlone;
  stream_ = stream;
  stream_ended_ = now;
}

void ReplicationLeader::End(Instant now) {
  if (phase_ == Phase::kGiving || phase_ == Phase::kTelling) {
    StopTelling(now);
  }
  taker_.Abandon(now);
  giver_.Stop();
  teller_.Stop();
  done_.reset();
  blocked_ = false;
  phase_ = Phase::kIdle;
  deadline_ = Instant::Never();
  FinishGiveTable(false);
}

void ReplicationLeader::Finish(Instant now) {
  if (!leading()) return;
  taker_.Abandon(now);
  giver_.Stop();
  if (phase_ == Phase::kTelling) teller_.Finish(now);
  if (phase_ != Phase::kAlone) StopTelling(now);
  phase_ = Phase::kFinished;
  FinishGiveTable(false);
  Reckon(now);
}

void ReplicationLeader::TellAll(Instant now) {
  if (phase_ != Phase::kTelling || !options_.l4) return;
  teller_.TellAll();
  Tick(now);
}

void ReplicationLeader::StopTelling(Instant now) {
  table_.StopTelling(now);
  if (options_.l7 != nullptr) options_.l7->StopTelling();
}

void ReplicationLeader::BeAlone(Instant now) {
  StopTelling(now);
  giver_.Stop();
  teller_.Stop();
  blocked_ = false;
  outgoing_.StartLeadership();
  phase_ = Phase::kAlone;
}

void ReplicationLeader::Resync(Instant now) {
  if (phase_ == Phase::kTelling) teller_.AskAnew();
  if (phase_ == Phase::kGiving && !giver_.merge() && !giver_.Break()) {
    teller_.AskAnew();
  }
  Reckon(now);
}

// -- The stream -------------------------------------------------------------

void ReplicationLeader::OnStreamUp(Instant now) {
  stream_ = true;
  Reckon(now);
}

void ReplicationLeader::OnStreamDown(Instant now) {
  stream_ = false;
  stream_ended_ = now;
  taker_.Abandon(now);
  done_.reset();
  merge_sent_ = false;  // A merge begins again by the next stream.
  if (phase_ == Phase::kGiving) BeAlone(now);
  Reckon(now);
}

void ReplicationLeader::OnStream(Instant now, StreamMessage type,
                                 std::span<const uint8_t> body) {
  if (!leading()) {
    ++stats_.outdated;
    return;
  }
  switch (type) {
    case StreamMessage::kRequest:
      if (const auto request = DecodeRequest(body)) {
        OnRequest(now, *request);
        return;
      }
      break;
    case StreamMessage::kDone:
      if (const auto done = DecodeDone(body)) return OnDone(*done);
      break;
    case StreamMessage::kBegin:
      if (const auto begin = DecodeBegin(body)) {
        // What is no merge is of a time when this unit followed.
        if (begin->merge) {
          taker_.Begin(now, *begin);
        } else {
          ++stats_.outdated;
        }
        return;
      }
      break;
    case StreamMessage::kChanges:
      return OnMerge(now, taker_.OnChanges(now, body));
    case StreamMessage::kRecords:
      return OnMerge(now, taker_.OnRecords(now, body));
    case StreamMessage::kEnd:
      if (const auto end = DecodeEnd(body)) {
        const auto outcome = taker_.OnEnd(now, *end);
        OnMerge(now, outcome);
        if (outcome != TableTaker::Outcome::kTaken) return;
        ++stats_.transfers_complete;
        done_ = TransferDone{.id = end->id, .equal = true};
        SendDone(now);
        Reckon(now);
        return;
      }
      break;
  }
  ++stats_.malformed;
}

void ReplicationLeader::OnMerge(Instant, TableTaker::Outcome outcome) {
  if (outcome == TableTaker::Outcome::kIgnored) ++stats_.outdated;
}

void ReplicationLeader::SendDone(Instant now) {
  if (done_ && stream_ && host_.SendStream(now, Encode(*done_))) done_.reset();
}

// -- The whole table --------------------------------------------------------

void ReplicationLeader::OnRequest(Instant now, const TransferRequest& request) {
  ++stats_.requests;
  if (giver_.giving() && !giver_.merge() && giver_.id() == request.id) return;
  FinishGiveTable(false);
  teller_.Stop();  // The table that follows is newer.
  phase_ = Phase::kGiving;
  giver_.Start(now, request.id, /*merge=*/false);
  Give(now);
}

void ReplicationLeader::GiveTable(Instant now,
                                  std::function<void(bool complete)> done) {
  FinishGiveTable(false);
  given_ = std::move(done);
  merge_sent_ = false;
  if (!leading()) {
    FinishGiveTable(false);
    return;
  }
  BeAlone(now);
  Give(now);
  Reckon(now);
}

void ReplicationLeader::Give(Instant now) {
  const bool merges =
      phase_ == Phase::kAlone && given_ != nullptr && !merge_sent_;
  if ((phase_ != Phase::kGiving && !merges) || !stream_) return;
  if (!Ready()) return Reckon(now);
  if (merges) {
    phase_ = Phase::kGiving;
    giver_.Start(now, ++merges_, /*merge=*/true);
  }
  const auto outcome = giver_.Pump(now, [&](std::span<const uint8_t> message) {
    return host_.SendStream(now, message);
  });
  blocked_ = outcome == TableGiver::Outcome::kBlocked;
  switch (outcome) {
    case TableGiver::Outcome::kMore:
    case TableGiver::Outcome::kBlocked:
      break;
    case TableGiver::Outcome::kBroken:
      BeAlone(now);
      break;
    case TableGiver::Outcome::kEnded:
      given_id_ = giver_.id();
      if (giver_.merge()) {
        merge_sent_ = true;
        BeAlone(now);
        break;
      }
      phase_ = Phase::kTelling;
      teller_.Start(now, giver_.lost());
      break;
  }
  Reckon(now);
}

void ReplicationLeader::OnDone(const TransferDone& done) {
  if (done.id != given_id_) {
    ++stats_.outdated;
    return;
  }
  given_id_ = 0;
  if (done.equal) ++stats_.transfers_complete;
  FinishGiveTable(done.equal);
}

void ReplicationLeader::FinishGiveTable(bool complete) {
  if (given_ == nullptr) return;
  std::exchange(given_, nullptr)(complete);
}

// -- Changes ----------------------------------------------------------------

void ReplicationLeader::OnRepair(Instant now,
                                 std::span<const SyncRange> ranges) {
  if (!answering()) {
    ++stats_.outdated;
    return;
  }
  for (const SyncRange& range : ranges) {
    if (!outgoing_.Ask(range)) ++stats_.outdated;
  }
  Tick(now);
}

void ReplicationLeader::OnTableChanged(Instant now) {
  teller_.OnTableChanged(now);
  Reckon(now);
}

// -- Time -------------------------------------------------------------------

void ReplicationLeader::Tick(Instant now) {
  if (!answering()) return;
  pacer_.Refill(now);
  SendDone(now);
  if (outgoing_.asked()) {
    SyncQuestions forgotten;
    outgoing_.Resend(
        pacer_,
        [&](std::span<const uint8_t> datagram) {
          ++stats_.resent;
          host_.SendSync(now, datagram);
        },
        [&](const SyncRange& range) {
          if (forgotten.forgotten.size() < SyncQuestions::kRangesMax) {
            forgotten.forgotten.push_back(range);
          }
        });
    if (!forgotten.forgotten.empty()) {
      stats_.repair_failed += forgotten.forgotten.size();
      out_.clear();
      WriteQuestions(forgotten, out_);
      host_.SendSync(now, out_);
    }
  }
  if (phase_ == Phase::kTelling && !stream_ &&
      now - stream_ended_ >= options_.alone_after) {
    BeAlone(now);
  }
  Give(now);
  if (phase_ == Phase::kTelling && Ready()) teller_.Tell(now);
  Reckon(now);
}

// Whether the table may be asked. (What is handed over must be, all the same.)
bool ReplicationLeader::Ready() {
  ready_ = !options_.l4 || table_.Ready();
  if (!ready_) ++stats_.table_not_ready;
  return ready_;
}

void ReplicationLeader::Reckon(Instant now) {
  Instant at = Instant::Never();
  const absl::Duration soon = ready_ ? kSoon : kRetry;
  if (outgoing_.asked()) at = now + kSoon;
  if (done_ && stream_) at = std::min(at, now + kRetry);
  if (phase_ == Phase::kAlone && given_ != nullptr && stream_ && !merge_sent_) {
    at = std::min(at, now + soon);
  }
  if (phase_ == Phase::kGiving && stream_) {
    at = std::min(at, now + (blocked_ ? kRetry : soon));
  }
  if (phase_ == Phase::kTelling) {
    const Instant tell = teller_.deadline(now);
    at = std::min(at, ready_ ? tell : std::max(tell, now + soon));
  }
  deadline_ = at;
}

}  // namespace ballast::ha
