#include "lb/sim/ledger.h"

#include <array>
#include <utility>

#include "absl/hash/hash.h"

namespace ballast::sim {
namespace {

using Kind = ha::SyncRecord::Kind;

FlowKey KeyOf(const ha::SyncRecord& record) {
  return {record.client, record.virtual_service,
          static_cast<Protocol>(record.protocol)};
}

uint64_t HashOf(const FlowKey& key, const Ledger::Line& line) {
  return absl::HashOf(key, line.server, line.state);
}

}  // namespace

void Ledger::Forget() {
  lines_.clear();
  kept_.clear();
  digest_ = 0;
}

void Ledger::Write(Instant now, const ha::SyncRecord& record, bool bound) {
  if (record.kind == Kind::kTemplate) return;
  const FlowKey key = KeyOf(record);
  changed_ = now;
  Erase(key);
  if (record.kind == Kind::kGone) return;
  const Line line = {record.server, record.state, bound};
  digest_ += HashOf(key, line);
  lines_.emplace(key, line);
}

void Ledger::Erase(const FlowKey& key) {
  kept_.erase(key);
  const auto found = lines_.find(key);
  if (found == lines_.end()) return;
  digest_ -= HashOf(key, found->second);
  lines_.erase(found);
}

size_t Ledger::TakeChanges(Instant now, std::span<ha::SyncRecord> records) {
  const size_t count = table_.TakeChanges(now, records);
  for (const ha::SyncRecord& record : records.first(count)) {
    Write(now, record, true);
  }
  return count;
}

void Ledger::StartTelling(Instant now) {
  Forget();
  telling_ = true;
  changed_ = now;
  table_.StartTelling(now);
}

void Ledger::StopTelling(Instant now) {
  if (telling_) {
    std::array<ha::SyncRecord, 64> rest;
    // Twice: the first 0 may be a mark's.
    for (int zeros = 0; zeros < 2;) zeros += TakeChanges(now, rest) == 0;
  }
  telling_ = false;
  table_.StopTelling(now);
}

size_t Ledger::Export(Instant now, Cursor& cursor,
                      std::span<ha::SyncRecord> records) {
  const size_t count = table_.Export(now, cursor, records);
  for (const ha::SyncRecord& record : records.first(count)) {
    Write(now, record, true);
  }
  return count;
}

void Ledger::BeginReplace(Instant now) {
  for (auto& [key, line] : lines_) kept_.insert_or_assign(key, line);
  lines_.clear();
  digest_ = 0;
  changed_ = now;
  table_.BeginReplace(now);
}

void Ledger::EndReplace(Instant now, bool complete) {
  if (complete) kept_.clear();
  table_.EndReplace(now, complete);
}

ha::ApplyCounts Ledger::Apply(Instant now,
                              std::span<const ha::SyncRecord> records) {
  ha::ApplyCounts total;
  for (const ha::SyncRecord& record : records) {
    const ha::ApplyCounts counts = table_.Apply(now, {&record, 1});
    total += counts;
    // What a leader is told (a merge) it tells in its turn.
    if (telling_ || counts.stale > 0) continue;
    if (counts.refused > 0) {
      Erase(KeyOf(record));
    } else {
      Write(now, record, counts.unbound == 0);
    }
  }
  return total;
}

}  // namespace ballast::sim
