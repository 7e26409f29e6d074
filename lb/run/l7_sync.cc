#include "lb/run/l7_sync.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "io/base/siphash.h"
#include "persist/key.h"
#include "persist/lifetime.h"
#include "persist/mode.h"

namespace ballast::run {
namespace {

using persist::KeyApplied;

// By how much two records' ways to here may differ. They come in order, so of
// two that were started within this time the one that came last is the newer.
constexpr absl::Duration kWayMax = absl::Seconds(1);

uint32_t MillisecondsOf(absl::Duration age) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(absl::ToInt64Milliseconds(age), 0, UINT32_MAX));
}

}  // namespace

// Not secret and not for input of strangers: a hash that has no key will do.
uint64_t L7Sync::SubServiceId(absl::string_view name) {
  if (name.empty()) return 0;
  return SipHash13(
      SipKey(), {reinterpret_cast<const uint8_t*>(name.data()), name.size()});
}

std::vector<L7Sync::Table> L7Sync::TablesOf(const l7::ServicePlan& plan) {
  std::vector<Table> tables;
  const auto& subs = plan.config.l7->sub_services;
  for (size_t i = 0; i < plan.tables.size(); ++i) {
    Table& table = tables.emplace_back();
    table.number = plan.tables[i];
    table.service = plan.service_id;
    if (!subs.empty() && !plan.persistence.share_subvs) {
      table.sub_service = subs[i].name;
    }
    const auto& servers = subs.empty() ? plan.config.servers : subs[i].servers;
    for (size_t j = 0; j < servers.size(); ++j) {
      table.servers.emplace_back(servers[j].endpoint, plan.ids[i][j]);
    }
  }
  return tables;
}

void L7Sync::SetTables(Instant now, std::span<const Table> tables) {
  tables_.clear();
  table_names_.clear();
  servers_.clear();
  endpoints_.clear();
  for (const Table& table : tables) {
    const TableName name(table.service, SubServiceId(table.sub_service));
    tables_[name] = table.number;
    table_names_[table.number] = name;
    for (const auto& [endpoint, number] : table.servers) {
      servers_[{table.number, endpoint}] = number;
      endpoints_[{table.number, number}] = endpoint;
    }
  }
  for (const Waiting& one : std::exchange(waiting_, {})) {
    Waiting waiting = one;
    waiting.record.age_ms = MillisecondsOf(
        absl::Milliseconds(one.record.age_ms) + (now - one.came));
    waiting.came = now;
    if (!TryApply(now, waiting.record)) Wait(waiting);
  }
}

// -- Telling ------------------------------------------------------------------

void L7Sync::StopTelling() {
  store_->StopTelling();
  lost_ = store_->stats().changes_lost;
}

bool L7Sync::Name(Instant now, const persist::KeyEntry& entry,
                  ha::L7Record& record) const {
  const auto table = table_names_.find(entry.id.table);
  if (table == table_names_.end()) return false;
  record = {.service = table->second.first,
            .sub_service = table->second.second,
            .mode = static_cast<uint8_t>(entry.kind),
            .key = entry.id.digest.bytes(),
            .age_ms = MillisecondsOf(now - entry.started),
            .gone = entry.gone()};
  if (entry.gone()) return true;
  const auto server = endpoints_.find({entry.id.table, entry.server});
  if (server == endpoints_.end()) return false;
  record.server = server->second;
  record.timeout_ms =
      static_cast<uint64_t>(absl::ToInt64Milliseconds(entry.timeout));
  return true;
}

size_t L7Sync::NameAll(Instant now, std::span<ha::L7Record> records) {
  size_t count = 0;
  for (const persist::KeyEntry& entry : entries_) {
    if (Name(now, entry, records[count])) {
      ++count;
    } else {
      ++stats_.dropped;
    }
  }
  stats_.told += count;
  return count;
}

size_t L7Sync::TakeChanges(Instant now, std::span<ha::L7Record> records) {
  while (true) {
    entries_.resize(records.size());
    entries_.resize(store_->TakeChanges(now, entries_));
    if (entries_.empty()) {
      lost_ = store_->stats().changes_lost;
      return 0;
    }
    if (const size_t count = NameAll(now, records)) return count;
  }
}

size_t L7Sync::Export(Instant now, Cursor& cursor,
                      std::span<ha::L7Record> records) {
  entries_.clear();
  cursor.position =
      store_->Walk(now, cursor.position, static_cast<uint32_t>(records.size()),
                   [&](const persist::KeyEntry& entry) {
                     entries_.push_back(entry);
                     return false;
                   });
  cursor.done = cursor.position == 0;
  return NameAll(now, records);
}

// -- Being told ---------------------------------------------------------------

void L7Sync::BeginReplace(Instant) {
  store_->BeginReplace();
  for (Waiting& one : waiting_) one.unheard = true;
}

void L7Sync::EndReplace(Instant, bool complete) {
  if (!complete) return;
  store_->EndReplace();
  std::erase_if(waiting_, [](const Waiting& one) { return one.unheard; });
}

void L7Sync::Apply(Instant now, const ha::L7Record& record) {
  if (!TryApply(now, record)) Wait({record, now});
}

void L7Sync::Wait(const Waiting& waiting) {
  if (waiting_.size() == kWaitingMax) {
    waiting_.pop_front();
    ++stats_.dropped;
  }
  waiting_.push_back(waiting);
}

bool L7Sync::TryApply(Instant now, const ha::L7Record& record) {
  const auto table = tables_.find({record.service, record.sub_service});
  if (table == tables_.end()) return false;
  persist::KeyEntry entry;
  entry.id = {table->second, *persist::Digest::FromBytes(record.key)};
  entry.kind = static_cast<persist::Mode>(record.mode);
  entry.started = now - absl::Milliseconds(record.age_ms);
  if (!record.gone) {
    const auto server = servers_.find({table->second, record.server});
    if (server == servers_.end()) return false;
    entry.server = server->second;
    entry.timeout =
        absl::Milliseconds(std::min<uint64_t>(record.timeout_ms, INT64_MAX));
  }
  KeyApplied applied = store_->Apply(now, entry);
  if (applied == KeyApplied::kStale && !record.gone) {
    const auto ours = store_->Find(now, entry.id);
    if (ours.has_value() && ours->started - entry.started <= kWayMax) {
      entry.started = ours->started;
      applied = store_->Apply(now, entry);
    }
  }
  switch (applied) {
    case KeyApplied::kCreated:
    case KeyApplied::kUpdated:
    case KeyApplied::kRemoved:
      ++stats_.taken;
      break;
    case KeyApplied::kStale:
    case KeyApplied::kExpired:
      ++stats_.stale;
      break;
    case KeyApplied::kRefusedFull:
    case KeyApplied::kInvalid:
      ++stats_.dropped;
      break;
  }
  return true;
}

}  // namespace ballast::run
