#include "ha/table_giver.h"

#include <utility>

#include "ha/transfer_wire.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

// Records of one message. With the worst mixture of kinds and families they
// fill less than kMessageMax.
constexpr size_t kBatch = 384;
constexpr size_t kMessageMax = 60000;
constexpr size_t kChangesFront = 1 + 8;
constexpr size_t kRecordsFront = 1;

}  // namespace

TableGiver::TableGiver(const ReplicationOptions& options, StateTable& table,
                       OutgoingChanges& outgoing, ReplicatorStats& stats)
    : options_(options),
      table_(table),
      outgoing_(outgoing),
      stats_(stats),
      changes_(kChangesFront, kMessageMax, options.syncid),
      records_(kRecordsFront, kMessageMax, options.syncid) {}

void TableGiver::Start(Instant now, uint64_t id, bool merge) {
  batch_.resize(kBatch);
  if (options_.l7 != nullptr) entries_.resize(kBatch);
  stage_ = Stage::kBegin;
  id_ = id;
  merge_ = merge;
  entry_cursor_ = {.done = options_.l7 == nullptr};
  cursor_ = {.done = !options_.l4};
  sum_ = {};
  turn_ = 0;
  pending_ = {};
  changes_.Clear();
  records_.Clear();
  ++stats_.transfers_begun;
  stats_.transfer_records = 0;
  stats_.transfer_total = 0;
  lost_ = ChangesLost(options_, table_);
  if (options_.l7 != nullptr) {
    options_.l7->StartTelling();
    stats_.transfer_total += options_.l7->size();
  }
  if (!options_.l4) return;
  table_.StartTelling(now);
  stats_.transfer_total += table_.size();
}

bool TableGiver::Break() {
  // What is prepared has its position, and goes first.
  if (stage_ == Stage::kTable || stage_ == Stage::kChanges) {
    stage_ = Stage::kBreak;
  }
  return stage_ != Stage::kEnd;
}

TableGiver::Outcome TableGiver::Pump(
    Instant now, absl::FunctionRef<bool(std::span<const uint8_t>)> send) {
  const uint64_t lost = ChangesLost(options_, table_);
  if (lost > lost_ && (stage_ == Stage::kTable || stage_ == Stage::kChanges)) {
    stats_.overflow += lost - lost_;
    lost_ = lost;
    Break();
  }
  for (int i = 0; i < kMessagesPerPump; ++i) {
    // A piece of a large table may hold nothing worth telling.
    if (pending_.empty()) Prepare(now);
    if (pending_.empty()) continue;
    if (!send(pending_)) return Outcome::kBlocked;
    stats_.bytes_sent += pending_.size();
    pending_ = {};
    if (stage_ == Stage::kEnd || stage_ == Stage::kBroken) {
      return std::exchange(stage_, Stage::kNone) == Stage::kEnd
                 ? Outcome::kEnded
                 : Outcome::kBroken;
    }
  }
  return Outcome::kMore;
}

void TableGiver::Prepare(Instant now) {
  switch (stage_) {
    case Stage::kBegin:
      PrepareMessage(Encode(TransferBegin{id_, merge_, stats_.transfer_total,
                                          outgoing_.position()}));
      stage_ =
          entry_cursor_.done && cursor_.done ? Stage::kChanges : Stage::kTable;
      return;
    case Stage::kTable:
      turn_ = (turn_ + 1) % 3;
      if (turn_ == 2 && PrepareChanges(now)) return;
      if (turn_ == 0 && PrepareEntryChanges(now)) return;
      PrepareRecords(now);
      if (!entry_cursor_.done || !cursor_.done) return;
      // From here on nothing is exported: the sum is of what was told.
      if (options_.l4) sum_ = table_.Mark(now);
      stage_ = Stage::kChanges;
      return;
    case Stage::kChanges:
      // Up to the mark. What L7 entries change now goes by datagram.
      if (PrepareChanges(now)) return;
      PrepareMessage(Encode(TransferEnd{id_, outgoing_.position(), sum_}));
      stage_ = Stage::kEnd;
      return;
    case Stage::kBreak:
      BALLAST_CHECK(changes_.AddAskAnew());
      TakePacked();
      stage_ = Stage::kBroken;
      return;
    case Stage::kNone:
    case Stage::kEnd:
    case Stage::kBroken:
      return;
  }
}

bool TableGiver::PrepareChanges(Instant now) {
  if (!options_.l4) return false;
  const size_t count = table_.TakeChanges(now, batch_);
  if (count == 0) return false;
  for (size_t i = 0; i < count; ++i) {
    BALLAST_CHECK(changes_.Add(batch_[i]));
  }
  stats_.records_sent += changes_.records();
  if (!changes_.empty()) TakePacked();
  return true;
}

bool TableGiver::PrepareEntryChanges(Instant now) {
  if (options_.l7 == nullptr) return false;
  const size_t count = options_.l7->TakeChanges(now, entries_);
  if (count == 0) return false;
  for (size_t i = 0; i < count; ++i) {
    BALLAST_CHECK(changes_.Add(entries_[i]));
  }
  stats_.records_sent += changes_.records();
  TakePacked();
  return true;
}

void TableGiver::TakePacked() {
  const auto bytes = changes_.Take();
  bytes[0] = static_cast<uint8_t>(StreamMessage::kChanges);
  outgoing_.NumberForStream(bytes.subspan(1));
  pending_ = bytes;
}

void TableGiver::PrepareRecords(Instant now) {
  if (!entry_cursor_.done) {
    const size_t count = options_.l7->Export(now, entry_cursor_, entries_);
    for (size_t i = 0; i < count; ++i) {
      BALLAST_CHECK(records_.Add(entries_[i]));
    }
  } else {
    const size_t count = table_.Export(now, cursor_, batch_);
    for (size_t i = 0; i < count; ++i) {
      BALLAST_CHECK(records_.Add(batch_[i]));
    }
  }
  stats_.records_sent += records_.records();
  stats_.transfer_records += records_.records();
  if (records_.empty()) return;
  const auto bytes = records_.Take();
  bytes[0] = static_cast<uint8_t>(StreamMessage::kRecords);
  pending_ = bytes;
}

void TableGiver::PrepareMessage(std::vector<uint8_t> message) {
  message_ = std::move(message);
  pending_ = message_;
}

}  // namespace ballast::ha
