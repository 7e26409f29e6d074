#include "ha/table_taker.h"

#include <algorithm>

#include "io/base/bytes.h"

namespace ballast::ha {

bool SyncApplier::Read(std::span<const uint8_t> sections) {
  if (ReadSections(sections, options_.syncid, content_)) return true;
  ++stats_.malformed;
  return false;
}

void SyncApplier::Apply(Instant now, bool merge) {
  stats_.records_received += content_.records.size() + content_.l7.size();
  if (options_.l4 && !content_.records.empty()) {
    if (merge) {
      std::erase_if(content_.records, [](const SyncRecord& record) {
        return record.kind == SyncRecord::Kind::kGone;
      });
    }
    stats_.applied += table_.Apply(now, content_.records);
  }
  if (options_.l7 == nullptr) return;
  for (const L7Record& record : content_.l7) {
    if (!merge || !record.gone) options_.l7->Apply(now, record);
  }
}

void TableTaker::Begin(Instant now, const TransferBegin& begin) {
  Abandon(now);
  taking_ = true;
  begin_ = begin;
  position_ = begin.position;
  ++stats_.transfers_begun;
  stats_.transfer_records = 0;
  stats_.transfer_total = begin.records_about;
  BeginReplace(now);
}

void TableTaker::BeginReplace(Instant now) {
  if (begin_.merge) return;
  if (options_.l4) table_.BeginReplace(now);
  if (options_.l7 != nullptr) options_.l7->BeginReplace(now);
}

void TableTaker::EndReplace(Instant now, bool complete) {
  if (begin_.merge) return;
  if (options_.l4) table_.EndReplace(now, complete);
  if (options_.l7 != nullptr) options_.l7->EndReplace(now, complete);
}

void TableTaker::Abandon(Instant now) {
  if (!taking_) return;
  taking_ = false;
  EndReplace(now, false);
}

TableTaker::Outcome TableTaker::Fail(Instant now) {
  Abandon(now);
  return Outcome::kFailed;
}

TableTaker::Outcome TableTaker::OnChanges(Instant now,
                                          std::span<const uint8_t> datagram) {
  if (!taking_) return Outcome::kIgnored;
  if (datagram.size() < 8 || LoadBig64(datagram.data()) != position_ + 1) {
    ++stats_.malformed;
    return Fail(now);
  }
  if (!applier_.Read(datagram.subspan(8))) return Fail(now);
  if (applier_.content().ask_anew) return Fail(now);
  applier_.Apply(now, begin_.merge);
  ++position_;
  return Outcome::kTaken;
}

TableTaker::Outcome TableTaker::OnRecords(Instant now,
                                          std::span<const uint8_t> sections) {
  if (!taking_) return Outcome::kIgnored;
  if (!applier_.Read(sections)) return Fail(now);
  stats_.transfer_records +=
      applier_.content().records.size() + applier_.content().l7.size();
  applier_.Apply(now, begin_.merge);
  return Outcome::kTaken;
}

TableTaker::Outcome TableTaker::OnEnd(Instant now, const TransferEnd& end) {
  if (!taking_ || end.id != begin_.id) return Outcome::kIgnored;
  if (end.position != position_) {
    ++stats_.malformed;
    return Fail(now);
  }
  taking_ = false;
  EndReplace(now, true);
  return Outcome::kTaken;
}

}  // namespace ballast::ha
