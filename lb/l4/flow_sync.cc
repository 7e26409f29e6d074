// FlowPath: flows told to the partner and by it.
//
// Rules, by "IPVS connection synchronisation" where a section is named:
//   P1  a packet of the client's is asked about after it moved the state (§6.1)
//   P2  a record of a flow with another server replaces it; one that says
//       inactive is ignored then (§8.2/2), unless a partner of ours is
//       followed: there the old one has ended, whether that was told or not
//   P3  found: the inactive bit, state and timeout are taken over (§8.2/3, 7,
//   8) P4  created: the server is found here, by our configuration, which also
//       says how to forward (§8.2/4)
//   P5  packet count = our threshold, last state sent = the record's (§8.2/7)
//   P6  ours: while active, what we have is only changed by a record of
//       something seen later than ours; but see SyncOptions::shared
#include <algorithm>
#include <utility>

#include "ha/sync_policy.h"
#include "lb/l4/flow_path.h"
#include "lb/l4/flow_rules.h"
#include "lb/l4/record_rules.h"

namespace ballast::l4 {
namespace {

constexpr uint16_t kPartner = 1;  // Connection::origin.
// A synced flow that nothing but a word of the partner's can end is looked at
// again after its timeout, and not before this.
constexpr uint32_t kLookAgainMs = 1000;

}  // namespace

template <typename A>
ha::SyncRecord FlowPath<A>::RecordOf(const Entry& entry) const {
  ha::SyncRecord record;
  record.protocol = entry.protocol;
  record.v6 = sizeof(A) == 16;
  record.state = static_cast<uint16_t>(entry.state);
  if (entry.Has(kDirect)) record.flags |= ha::kForwardDirect | ha::kNoOutput;
  // UDP says inactive for ever (§4), however we count it.
  if (entry.Has(kInactive) || entry.protocol != kProtocolTcp) {
    record.flags |= ha::kInactive;
  }
  if (entry.Has(kFromPeer)) record.flags |= ha::kFromSync;
  record.timeout_s = TimeoutMs(entry) / 1000;
  record.client = {UnpackAddress(entry.client), entry.client_port};
  record.virtual_service = {UnpackAddress(entry.vip), entry.vip_port};
  record.server = {UnpackAddress(entry.server), entry.server_port};
  return record;
}

template <typename A>
void FlowPath<A>::TellNow(Entry& entry) {
  context_.teller.Tell(entry.told_epoch, RecordOf(entry));
}

template <typename A>
void FlowPath<A>::Ask(Instant now, Entry& entry, uint32_t count_before) {
  const SyncOptions& options = context_.teller.options();
  const bool tcp = entry.protocol == kProtocolTcp;
  ha::SyncMemory memory{
      .end_ms = entry.sync_end_ms,
      .last_state = static_cast<uint8_t>(entry.sync_memory & 15),
      .retries = static_cast<uint8_t>(entry.sync_memory >> 4)};
  const bool worth = ha::AskSyncPolicy(
      options.settings,
      {.now_ms = ClockMs(now),
       .timeout_ms = TimeoutMs(entry),
       .count_before = count_before,
       .count_after = entry.client_packets,
       .state = static_cast<uint8_t>(entry.state),
       .has_states = tcp,
       .state_synced = IsSyncedTcpState(entry.state),
       .state_established = entry.state == TcpState::kEstablished},
      memory);
  if (worth) {
    entry.sync_end_ms = memory.end_ms;
    entry.sync_memory =
        static_cast<uint8_t>(memory.last_state | memory.retries << 4);
    TellNow(entry);
  }
  if (!entry.Has(kPersistent) ||
      !(worth || options.templates == TemplateRule::kEachPacket)) {
    return;
  }
  // A connection under it was established, or for UDP the server answered.
  const bool assured =
      tcp ? entry.state == TcpState::kEstablished : !entry.Has(kNoOutputSeen);
  const auto record = context_.choice.AskTemplate(
      now, entry.server_slot, UnpackAddress(entry.client),
      entry.client_packets - count_before, assured, options);
  if (record) context_.teller.TellTemplate(*record);
}

template <typename A>
uint32_t FlowPath<A>::Export(Instant now, uint32_t cursor, bool only_untold,
                             size_t& count, std::span<ha::SyncRecord> records) {
  count = 0;
  exported_.clear();
  return table_.Walk(
      cursor, static_cast<uint32_t>(records.size()), [&](Entry& entry) {
        if (!IsExported(entry, only_untold)) return;
        ha::SyncRecord record = RecordOf(entry);
        record.has_detail = true;
        record.idle_ms = entry.Has(kSynced)
                             ? context_.SyncedIdleMs(now, entry.last_seen_ms)
                             : ClockMs(now) - entry.last_seen_ms;
        record.client_packets = entry.client_packets;
        if (entry.Has(kSequenceKnown)) {
          record.client_next_sequence = entry.client_next_seq;
          record.client_acknowledged = entry.client_ack;
        }
        exported_.push_back(&entry);
        records[count++] = record;
      });
}

template <typename A>
void FlowPath<A>::MarkExported() {
  for (Entry* entry : exported_) {
    context_.teller.MarkTold(entry->told_epoch, RecordOf(*entry));
  }
  exported_.clear();
}

// Of a flow that is still opening or closing nothing is worth telling, but at a
// hand-over: its next packet comes to the partner.
template <typename A>
bool FlowPath<A>::IsExported(const Entry& entry, bool only_untold) const {
  if (entry.Has(kReset) || entry.Has(kBeside) || IsTheirs(entry) ||
      !context_.servers[entry.server_slot].valid) {
    return false;
  }
  if (only_untold) return entry.told_epoch != context_.teller.epoch();
  return entry.protocol != kProtocolTcp || IsSyncedTcpState(entry.state);
}

template <typename A>
uint32_t FlowPath<A>::ExportedLineOf(const ha::SyncRecord& record,
                                     bool only_untold) {
  const auto found = table_.Find(TupleOf<A>(record));
  return found && found.direction == PacketDirection::kFromClient &&
                 IsExported(*found.connection, only_untold)
             ? table_.HandleOf(found.connection).index()
             : 0;
}

template <typename A>
void FlowPath<A>::PrepareRecord(size_t i, const ha::SyncRecord& record) {
  hashes_[i] = table_.Hash(TupleOf<A>(record));
  table_.Prefetch(hashes_[i]);
}

template <typename A>
bool FlowPath<A>::Apply(Instant now, const ha::SyncRecord& record,
                        const PlanServer* server, ha::ApplyCounts& counts) {
  const auto found = table_.Find(TupleOf<A>(record));
  if (found && found.direction == PacketDirection::kFromClient) {
    Entry& entry = *found.connection;
    if (context_.active && !IsTheirs(entry) &&  // P6
        (!record.has_detail ||
         record.idle_ms >= ClockMs(now) - entry.last_seen_ms)) {
      ++counts.stale;
      return true;
    }
    if (entry.server == PackAddress<A>(record.server.address) &&
        entry.server_port == record.server.port) {
      Update(now, entry, record);
      ++counts.updated;
      return true;
    }
    if ((record.flags & ha::kInactive) != 0 && !record.has_detail &&
        !context_.following) {  // P2
      ++counts.stale;
      return true;
    }
    Remove(entry);
  }
  if (server == nullptr) return false;
  Entry* entry = Create(now, record, *server, 0);
  if (entry == nullptr) {
    ++counts.refused;
    return true;
  }
  ++counts.created;
  TellSynced(*entry, record);
  return true;
}

template <typename A>
Connection<A>* FlowPath<A>::Create(Instant now, const ha::SyncRecord& record,
                                   const PlanServer& server,
                                   uint8_t told_epoch) {
  if (context_.connections_left == 0) return nullptr;
  Entry init;
  init.client = PackAddress<A>(record.client.address);
  init.vip = PackAddress<A>(record.virtual_service.address);
  init.server = PackAddress<A>(record.server.address);
  init.client_port = record.client.port;
  init.vip_port = record.virtual_service.port;
  init.server_port = record.server.port;
  init.protocol = record.protocol;
  init.server_slot = server.slot;
  init.origin = kPartner;
  init.Set(kFromPeer);
  if (server.forwarding == config::Forwarding::kRoute) {  // P4
    init.Set(kDirect);
    init.Set(kNoOutputSeen);
  }
  if (IsToItself(init)) return nullptr;
  SetFromRecord(now, init, record);
  const uint32_t seen_ms = init.last_seen_ms;
  init.sync_end_ms = ClockMs(now);
  auto inserted = table_.Insert(seen_ms, init, TimeoutMs(init));
  // Another flow in the way is one that the partner no longer has. At most two
  // are: one by each direction's tuple.
  for (int i = 0; i < 2 && inserted.conflict != nullptr && !context_.active;
       ++i) {
    Remove(*inserted.conflict);
    inserted = table_.Insert(seen_ms, init, TimeoutMs(init));
  }
  if (inserted.connection == nullptr) return nullptr;
  Entry& entry = *inserted.connection;
  entry.told_epoch = told_epoch;
  Opened(entry);
  if (entry.protocol == kProtocolTcp) {
    SetActive(entry, (record.flags & ha::kInactive) == 0);
  }
  return &entry;
}

template <typename A>
void FlowPath<A>::SetFromRecord(Instant now, Entry& entry,
                                const ha::SyncRecord& record) {
  entry.state = static_cast<TcpState>(record.state);
  entry.sync_memory = static_cast<uint8_t>(record.state);  // P5
  entry.timeout_s =
      static_cast<uint16_t>(std::min<uint32_t>(record.timeout_s, 65535));
  entry.last_seen_ms = ClockMs(now) - IdleOf(record);
  entry.Set(kSynced);
  if (!record.has_detail) {
    entry.client_packets = context_.teller.options().settings.threshold;  // P5
    return;
  }
  entry.client_packets = record.client_packets;
  if (record.client_acknowledged != 0) {
    entry.client_next_seq = record.client_next_sequence;
    entry.client_ack = record.client_acknowledged;
    entry.Set(kSequenceKnown);
  }
}

template <typename A>
void FlowPath<A>::Update(Instant now, Entry& entry,
                         const ha::SyncRecord& record) {
  SetFromRecord(now, entry, record);  // P3
  entry.Clear(kReset);
  if (entry.protocol == kProtocolTcp) {
    SetActive(entry, (record.flags & ha::kInactive) == 0);
  }
  table_.Reschedule(&entry, TimeoutMs(entry));
  TellSynced(entry, record);
  Tell(FlowEvent::kChanged, entry);
}

// Whether the peer has it, and nothing of it was seen here.
template <typename A>
bool FlowPath<A>::IsTheirs(const Entry& entry) const {
  return context_.teller.options().shared && entry.Has(kSynced);
}

template <typename A>
void FlowPath<A>::TellSynced(Entry& entry, const ha::SyncRecord& record) {
  if (IsTheirs(entry)) return;
  if (context_.teller.telling()) {
    TellNow(entry);
  } else {
    context_.teller.MarkTold(entry.told_epoch, record);
  }
}

template <typename A>
bool FlowPath<A>::ApplyGone(const ha::SyncRecord& record,
                            ha::ApplyCounts& counts) {
  const auto found = table_.Find(TupleOf<A>(record));
  if (!found || found.direction != PacketDirection::kFromClient) return false;
  if (context_.active && !IsTheirs(*found.connection)) {  // P6
    ++counts.stale;
    return true;
  }
  Remove(*found.connection);
  ++counts.removed;
  return true;
}

template <typename A>
void FlowPath<A>::Awake(Entry& entry) {
  entry.Clear(kSynced);
  entry.timeout_s = 0;
  table_.Reschedule(&entry, TimeoutMs(entry));
}

template <typename A>
uint32_t FlowPath<A>::SyncedDeadlineMs(Instant now, const Entry& entry,
                                       uint32_t timeout_ms) const {
  const uint32_t silent_ms = ClockMs(now) - entry.last_seen_ms;
  if (context_.following && !context_.active) {
    return silent_ms + std::max(timeout_ms, kLookAgainMs);
  }
  return silent_ms + timeout_ms -
         context_.SyncedIdleMs(now, entry.last_seen_ms);
}

template <typename A>
bool FlowPath<A>::SweepUntold(size_t lines, bool remove) {
  const uint8_t epoch = context_.teller.epoch();
  untold_cursor_ = table_.Walk(untold_cursor_, static_cast<uint32_t>(lines),
                               [&](Entry& entry) {
                                 if (entry.told_epoch == epoch) return;
                                 if (remove) {
                                   Remove(entry);
                                 } else {
                                   entry.told_epoch = 0;
                                 }
                               });
  return untold_cursor_ == 0;
}

template <typename A>
void FlowPath<A>::KeepUnbound(Entry& entry) {
  ha::SyncRecord record = RecordOf(entry);
  record.timeout_s = entry.timeout_s;
  context_.DropUnbound(record);
  Unbound* unbound = context_.unbound.Put(record);
  if (unbound == nullptr) return;
  unbound->last_seen_ms = entry.last_seen_ms;
  unbound->told_epoch = std::exchange(entry.told_epoch, uint8_t{0});
}

// What the rest of the director calls.
#define BALLAST_FLOW_SYNC(A)                                                  \
  template ha::SyncRecord FlowPath<A>::RecordOf(const Connection<A>&) const;  \
  template void FlowPath<A>::TellNow(Connection<A>&);                         \
  template bool FlowPath<A>::IsExported(const Connection<A>&, bool) const;    \
  template bool FlowPath<A>::IsTheirs(const Connection<A>&) const;            \
  template void FlowPath<A>::TellSynced(Connection<A>&,                       \
                                        const ha::SyncRecord&);               \
  template void FlowPath<A>::Ask(Instant, Connection<A>&, uint32_t);          \
  template uint32_t FlowPath<A>::Export(Instant, uint32_t, bool, size_t&,     \
                                        std::span<ha::SyncRecord>);           \
  template void FlowPath<A>::MarkExported();                                  \
  template uint32_t FlowPath<A>::ExportedLineOf(const ha::SyncRecord&, bool); \
  template void FlowPath<A>::PrepareRecord(size_t, const ha::SyncRecord&);    \
  template bool FlowPath<A>::Apply(Instant, const ha::SyncRecord&,            \
                                   const PlanServer*, ha::ApplyCounts&);      \
  template Connection<A>* FlowPath<A>::Create(Instant, const ha::SyncRecord&, \
                                              const PlanServer&, uint8_t);    \
  template void FlowPath<A>::SetFromRecord(Instant, Connection<A>&,           \
                                           const ha::SyncRecord&);            \
  template void FlowPath<A>::Update(Instant, Connection<A>&,                  \
                                    const ha::SyncRecord&);                   \
  template bool FlowPath<A>::ApplyGone(const ha::SyncRecord&,                 \
                                       ha::ApplyCounts&);                     \
  template void FlowPath<A>::Awake(Connection<A>&);                           \
  template uint32_t FlowPath<A>::SyncedDeadlineMs(                            \
      Instant, const Connection<A>&, uint32_t) const;                         \
  template bool FlowPath<A>::SweepUntold(size_t, bool);                       \
  template void FlowPath<A>::KeepUnbound(Connection<A>&);

BALLAST_FLOW_SYNC(AddressV4)
BALLAST_FLOW_SYNC(AddressV6)
#undef BALLAST_FLOW_SYNC

}  // namespace ballast::l4
