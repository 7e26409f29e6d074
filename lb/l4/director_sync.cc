// Director: its tables told to the partner and by it (ha/state_table.h).
#include <algorithm>
#include <utility>

#include "lb/l4/director.h"
#include "lb/l4/record_rules.h"

namespace ballast::l4 {
namespace {

using Kind = ha::SyncRecord::Kind;

// Places looked at per call that walks a table.
constexpr size_t kExportLines = 16384;
constexpr size_t kSweepLines = 4096;
constexpr size_t kSweepUnbound = 64;
// Of an unbound template that names no timeout (IPVS).
constexpr uint32_t kTemplateTimeoutS = 180;

}  // namespace

// ---- Telling ---------------------------------------------------------------

void Director::SetSync(const SyncOptions& options) {
  context_.teller.SetOptions(options);
}

void Director::NewEpoch() {
  context_.teller.NewEpoch();
  // Marks of old epochs are cleared before their number comes again: a walk
  // through the tables begins here, twice in a round, and is over by the next.
  if (context_.teller.epoch() % 128 != 1) return;
  if (untold_sweep_ != UntoldSweep::kNone) {
    untold_sweep_ = UntoldSweep::kForget;
    while (untold_sweep_ != UntoldSweep::kNone) SweepUntold();
  }
  StartUntoldSweep(UntoldSweep::kForget);
}

void Director::StartTelling(Instant) {
  NewEpoch();
  context_.teller.Start();
}

void Director::StopTelling(Instant) { context_.teller.Stop(); }

size_t Director::TakeChanges(Instant, std::span<ha::SyncRecord> records) {
  return context_.teller.changes().Take(records);
}

ha::TableSummary Director::Mark(Instant) {
  context_.teller.changes().Mark();
  return context_.teller.sum();
}

size_t Director::Export(Instant now, ha::StateTable::Cursor& cursor,
                        std::span<ha::SyncRecord> records) {
  enum Stage : uint64_t { kV4, kV6, kUnbound, kTemplates, kEnd };
  const bool only_untold = cursor.only_untold;
  size_t filled = 0;
  size_t lines = kExportLines;
  while (cursor.position[0] < kEnd && filled < records.size() && lines > 0) {
    const auto begin = static_cast<uint32_t>(cursor.position[1]);
    const auto room = records.subspan(filled);
    size_t count = 0;
    uint32_t next = 0;
    switch (cursor.position[0]) {
      case kV4:
        next = v4_.Export(now, begin, only_untold, count, room);
        break;
      case kV6:
        next = v6_.Export(now, begin, only_untold, count, room);
        break;
      case kUnbound:
        next = ExportUnbound(now, begin, only_untold, count, room);
        break;
      default:
        next = context_.choice.Export(now, begin, only_untold,
                                      context_.teller.options(), count, room);
        break;
    }
    if (cursor.position[0] != kTemplates) {
      // What has just been exported is newer than any change of it still on its
      // way, which would undo it.
      context_.teller.changes().Retract([&](const ha::SyncRecord& record) {
        if (record.kind == Kind::kTemplate) return false;
        uint32_t line = 0;
        if (cursor.position[0] == kUnbound) {
          ha::SyncRecord key = record;
          key.kind = Kind::kConnection;
          const Unbound* unbound = context_.unbound.Find(key);
          if (unbound != nullptr &&
              (!only_untold ||
               unbound->told_epoch != context_.teller.epoch())) {
            line = context_.unbound.PlaceOf(unbound) + 1;
          }
        } else if (record.v6 == (cursor.position[0] == kV6)) {
          line = record.v6 ? v6_.ExportedLineOf(record, only_untold)
                           : v4_.ExportedLineOf(record, only_untold);
        }
        return line > begin && (next == 0 || line <= next);
      });
      if (cursor.position[0] == kUnbound) MarkUnbound(room.first(count));
      v4_.MarkExported();
      v6_.MarkExported();
    }
    filled += count;
    lines -= std::min(lines, room.size());
    cursor.position[1] = next;
    if (next == 0) ++cursor.position[0];
  }
  cursor.done = cursor.position[0] >= kEnd;
  return filled;
}

uint32_t Director::ExportUnbound(Instant now, uint32_t cursor, bool only_untold,
                                 size_t& count,
                                 std::span<ha::SyncRecord> records) {
  if (context_.teller.options().shared) return 0;  // All of it is theirs.
  return context_.unbound.Walk(cursor, records.size(), [&](Unbound& unbound) {
    // Templates here came from the partner.
    if (only_untold && (unbound.record.kind != Kind::kConnection ||
                        unbound.told_epoch == context_.teller.epoch())) {
      return;
    }
    ha::SyncRecord record = unbound.record;
    record.flags |= ha::kFromSync;
    record.has_detail = true;
    record.idle_ms = IdleMs(now, unbound);
    records[count++] = record;
  });
}

void Director::MarkUnbound(std::span<const ha::SyncRecord> exported) {
  for (const ha::SyncRecord& record : exported) {
    if (record.kind != Kind::kConnection) continue;
    context_.teller.MarkTold(context_.unbound.Find(record)->told_epoch, record);
  }
}

uint64_t Director::state_size() const {
  return flow_count() + context_.unbound.size() +
         context_.choice.store().size();
}

// ---- Being told ------------------------------------------------------------

void Director::SetFollowing(Instant now, bool following) {
  if (context_.following && !following) context_.synced_since = now;
  context_.following = following;
}

void Director::BeginReplace(Instant) {
  if (untold_sweep_ == UntoldSweep::kRemove) {
    StartUntoldSweep(UntoldSweep::kForget);
  }
  NewEpoch();
}

void Director::EndReplace(Instant, bool complete) {
  if (complete && !context_.active) StartUntoldSweep(UntoldSweep::kRemove);
}

void Director::StartUntoldSweep(UntoldSweep sweep) {
  untold_sweep_ = sweep;
  v4_.RestartUntoldSweep();
  v6_.RestartUntoldSweep();
  untold_v4_ = untold_v6_ = untold_unbound_ = true;
  untold_cursor_ = 0;
}

void Director::SweepUntold() {
  if (untold_sweep_ == UntoldSweep::kNone) return;
  const bool remove = untold_sweep_ == UntoldSweep::kRemove;
  if (untold_v4_) untold_v4_ = !v4_.SweepUntold(kSweepLines, remove);
  if (untold_v6_) untold_v6_ = !v6_.SweepUntold(kSweepLines, remove);
  if (untold_unbound_) {
    untold_cursor_ = context_.unbound.Walk(
        untold_cursor_, kSweepLines, [&](Unbound& unbound) {
          if (unbound.told_epoch == context_.teller.epoch() ||
              unbound.record.kind == Kind::kTemplate) {
            return;
          }
          unbound.told_epoch = 0;
          if (remove) context_.unbound.Erase(&unbound);
        });
    untold_unbound_ = untold_cursor_ != 0;
  }
  if (!untold_v4_ && !untold_v6_ && !untold_unbound_) {
    untold_sweep_ = UntoldSweep::kNone;
  }
}

ha::ApplyCounts Director::Apply(Instant now,
                                std::span<const ha::SyncRecord> records) {
  ha::ApplyCounts counts;
  while (!records.empty()) {
    const auto batch = records.first(std::min(records.size(), kBatchMax));
    PrefetchRecords(batch);
    for (const ha::SyncRecord& record : batch) ApplyOne(now, record, counts);
    records = records.subspan(batch.size());
  }
  return counts;
}

void Director::PrefetchRecords(std::span<const ha::SyncRecord> records) {
  static_assert(kBatchMax <= 64);
  uint64_t servable = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    servable |= uint64_t{IsServable(records[i])} << i;
  }
  const auto each = [&](auto&& look) {
    for (size_t i = 0; i < records.size(); ++i) {
      if ((servable >> i & 1) == 0) continue;
      records[i].v6 ? look(v6_, i) : look(v4_, i);
    }
  };
  each([&](auto& path, size_t i) { path.PrepareRecord(i, records[i]); });
  each([](auto& path, size_t i) { path.Prefetch(i); });
  each([](auto& path, size_t i) { path.PrefetchNeighbours(i); });
}

void Director::ApplyOne(Instant now, const ha::SyncRecord& record,
                        ha::ApplyCounts& counts) {
  if (!IsServable(record)) {
    ++counts.refused;
    return;
  }
  switch (record.kind) {
    case Kind::kGone:
      ApplyGone(record, counts);
      return;
    case Kind::kTemplate:
      if (context_.choice.Apply(now, record, context_.active, counts)) {
        context_.DropUnbound(record);
        return;
      }
      break;
    case Kind::kConnection: {
      // Full of what the partner has not told again: that goes first.
      if (context_.connections_left == 0 && !context_.active) {
        v4_.SweepUntold(kSweepLines, true);
      }
      if (context_.connections_left == 0 && !context_.active) {
        v6_.SweepUntold(kSweepLines, true);
      }
      const PlanServer* server = FindServer(*context_.plan, record);
      if (record.v6 ? v6_.Apply(now, record, server, counts)
                    : v4_.Apply(now, record, server, counts)) {
        return;
      }
      break;
    }
  }
  KeepUnbound(now, record, counts);
}

void Director::ApplyGone(const ha::SyncRecord& record,
                         ha::ApplyCounts& counts) {
  if (record.v6 ? v6_.ApplyGone(record, counts)
                : v4_.ApplyGone(record, counts)) {
    return;
  }
  ha::SyncRecord key = record;
  key.kind = Kind::kConnection;
  if (context_.unbound.Find(key) == nullptr) return;
  if (context_.active && !context_.teller.options().shared) {
    ++counts.stale;
    return;
  }
  context_.DropUnbound(key);
  ++counts.removed;
}

// ---- What is not configured here -------------------------------------------

void Director::KeepUnbound(Instant now, const ha::SyncRecord& record,
                           ha::ApplyCounts& counts) {
  const bool shared = context_.teller.options().shared;
  Unbound* unbound = context_.unbound.Find(record);
  if (unbound != nullptr) {
    if (context_.active && !shared &&
        (!record.has_detail ||
         record.idle_ms >= ClockMs(now) - unbound->last_seen_ms)) {
      ++counts.stale;
      return;
    }
    if (unbound->record.server != record.server) {
      if ((record.flags & ha::kInactive) != 0 && !record.has_detail &&
          !context_.following && record.kind == Kind::kConnection) {
        ++counts.stale;  // As of a bound one.
        return;
      }
      context_.DropUnbound(record);
      unbound = nullptr;
    }
  }
  if (unbound == nullptr) unbound = context_.unbound.Put(record);
  if (unbound == nullptr) {
    ++counts.refused;
    return;
  }
  ++counts.unbound;
  unbound->record = record;
  unbound->record.flags &= ha::kSyncCreateMask;
  unbound->last_seen_ms = ClockMs(now) - IdleOf(record);
  if (!record.has_detail) {
    unbound->record.client_packets =
        context_.teller.options().settings.threshold;
  }
  if (record.kind != Kind::kConnection || shared) return;
  if (context_.teller.telling()) {
    context_.teller.Tell(unbound->told_epoch, unbound->record);
  } else {
    context_.teller.MarkTold(unbound->told_epoch, unbound->record);
  }
}

void Director::BindUnbound(Instant now) {
  if (context_.unbound.empty()) return;
  uint32_t cursor = 0;
  do {
    cursor = context_.unbound.Walk(cursor, kSweepLines, [&](Unbound& unbound) {
      ha::SyncRecord record = unbound.record;
      record.has_detail = true;
      record.idle_ms = ClockMs(now) - unbound.last_seen_ms;
      if (record.kind == Kind::kTemplate) {
        ha::ApplyCounts counts;
        if (context_.choice.Apply(now, record, true, counts)) {
          context_.unbound.Erase(&unbound);
        }
        return;
      }
      const PlanServer* server = FindServer(*context_.plan, record);
      if (server == nullptr) return;
      // The told connection is now another line of ours: no change for anybody.
      // Create() drops the unbound one of the same name.
      const uint8_t told_epoch = std::exchange(unbound.told_epoch, uint8_t{0});
      const bool bound =
          record.v6 ? v6_.Create(now, record, *server, told_epoch) != nullptr
                    : v4_.Create(now, record, *server, told_epoch) != nullptr;
      if (!bound) unbound.told_epoch = told_epoch;
    });
  } while (cursor != 0);
}

uint32_t Director::IdleMs(Instant now, const Unbound& unbound) const {
  return unbound.record.kind == Kind::kTemplate
             ? ClockMs(now) - unbound.last_seen_ms
             : context_.SyncedIdleMs(now, unbound.last_seen_ms);
}

void Director::ExpireUnbound(Instant now) {
  unbound_cursor_ = context_.unbound.Walk(
      unbound_cursor_, kSweepUnbound, [&](Unbound& unbound) {
        const ha::SyncRecord& record = unbound.record;
        const bool is_template = record.kind == Kind::kTemplate;
        if (!is_template && context_.following && !context_.active) return;
        const uint64_t own_s =
            is_template ? kTemplateTimeoutS
            : record.protocol == kProtocolTcp
                ? IpvsTcpTimeout(static_cast<TcpState>(record.state))
                : kIpvsUdpTimeout;
        const uint64_t timeout_s =
            record.timeout_s != 0 ? uint64_t{record.timeout_s} : own_s;
        if (IdleMs(now, unbound) < timeout_s * 1000) return;
        context_.teller.TellGone(unbound.told_epoch, record);
        context_.unbound.Erase(&unbound);
      });
}

}  // namespace ballast::l4
