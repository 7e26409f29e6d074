// ServerChoice: persistence entries told to the partner and by it, as
// templates, in IPVS's words.
#include <algorithm>

#include "ha/sync_policy.h"
#include "lb/l4/connection.h"
#include "lb/l4/persistence_key.h"
#include "lb/l4/server_choice.h"
#include "persist/lifetime.h"

namespace ballast::l4 {
namespace {

// IPVS's, of a template whose record names none.
constexpr absl::Duration kTemplateTimeout = absl::Seconds(180);
// What the partner knows of an entry may be older by this part of its timeout.
constexpr int kLagPart = 8;

}  // namespace

ha::SyncRecord ServerChoice::RecordOf(Instant now, const persist::Entry& entry,
                                      const Address& client,
                                      const PlanServer& server,
                                      bool assured) const {
  const config::VirtualService& service =
      plan_->service(server.service)->config;
  ha::SyncRecord record;
  record.kind = ha::SyncRecord::Kind::kTemplate;
  record.protocol = static_cast<uint8_t>(service.protocol);
  record.v6 = !client.is_v4();
  record.state = assured;
  record.flags = ha::kTemplate | ha::kInactive;
  if (server.forwarding == config::Forwarding::kRoute) {
    record.flags |= ha::kForwardDirect | ha::kNoOutput;
  }
  record.timeout_s = entry.timeout_ms / 1000;
  record.client = {client, 0};
  record.virtual_service = {service.address, service.port};
  record.server = {server.endpoint.address, server.endpoint.port != 0
                                                ? server.endpoint.port
                                                : service.port};
  record.idle_ms =
      static_cast<uint32_t>(absl::ToInt64Milliseconds(now - entry.started()));
  return record;
}

std::optional<ha::SyncRecord> ServerChoice::AskTemplate(
    Instant now, Slot slot, const Address& client, uint32_t packets,
    bool assured, const SyncOptions& options) {
  const PlanServer* server = plan_->server(slot);
  if (server == nullptr) return std::nullopt;
  const PlanService& service = *plan_->service(server->service);
  const persist::Entry* entry = store_.Find(now, KeyOf(service, client));
  if (entry == nullptr || entry->server != TagOf(*server)) return std::nullopt;
  persist::TemplateSync sync = store_.sync(*entry);
  const bool first = sync.count == 0;
  sync.assured = sync.assured || assured;
  const uint32_t before = sync.count;
  sync.count += packets;
  bool worth;
  if (options.templates != TemplateRule::kWhenOld) {
    ha::SyncMemory memory{.end_ms = ClockMs(first ? now : sync.end),
                          .retries = sync.retries};
    worth = ha::AskSyncPolicy(options.settings,
                              {.now_ms = ClockMs(now),
                               .timeout_ms = entry->timeout_ms,
                               .count_before = before,
                               .count_after = sync.count,
                               .state = sync.assured,
                               .has_states = false,
                               .is_template = true},
                              memory);
    if (worth) {
      sync.end = now + absl::Milliseconds(int64_t{entry->timeout_ms});
    } else if (first) {
      sync.end = now;
    }
    sync.retries = memory.retries;
  } else {
    // `end`: of the entry as it was told last.
    worth = first || entry->expires() - sync.end >= entry->timeout() / kLagPart;
    if (worth) sync.end = entry->expires();
  }
  store_.SetSync(*entry, sync);
  if (!worth) return std::nullopt;
  ha::SyncRecord record = RecordOf(now, *entry, client, *server, sync.assured);
  record.has_detail = options.gone;  // Linux could not read it.
  if (!record.has_detail) record.idle_ms = 0;
  return record;
}

uint32_t ServerChoice::Export(Instant now, uint32_t cursor, bool only_untold,
                              const SyncOptions& options, size_t& count,
                              std::span<ha::SyncRecord> records) {
  count = 0;
  return store_.Walk(cursor, static_cast<uint32_t>(records.size()),
                     [&](const persist::Entry& entry) {
                       const PlanServer* server = ServerOf(*plan_, entry);
                       persist::TemplateSync sync = store_.sync(entry);
                       if (server == nullptr || entry.expires() <= now ||
                           (only_untold && sync.count != 0)) {
                         return false;
                       }
                       const PlanService& service =
                           *plan_->service(server->service);
                       const persist::SourceKey key = store_.KeyOf(entry);
                       if (key.service != TagOf(service)) return false;
                       ha::SyncRecord record = RecordOf(now, entry, key.client,
                                                        *server, sync.assured);
                       record.has_detail = true;
                       records[count++] = record;
                       if (options.templates ==
                           TemplateRule::kWhenOld) {  // AskTemplate()'s memory.
                         sync.count = std::max(sync.count, uint32_t{1});
                         sync.end = entry.expires();
                         store_.SetSync(entry, sync);
                       }
                       return false;
                     });
}

bool ServerChoice::Apply(Instant now, const ha::SyncRecord& record,
                         bool keep_newer, ha::ApplyCounts& counts) {
  const PlanService* service = plan_->FindService(
      static_cast<Protocol>(record.protocol), record.virtual_service.address,
      record.virtual_service.port);
  if (service == nullptr) return false;
  const PlanServer* server = nullptr;
  for (const Slot slot : service->servers) {
    const PlanServer& candidate = *plan_->server(slot);
    if (candidate.endpoint.address != record.server.address) continue;
    if (candidate.endpoint.port == record.server.port) {
      server = &candidate;
      break;
    }
    if (candidate.endpoint.port == 0) server = &candidate;
  }
  if (server == nullptr) return false;
  const absl::Duration timeout =
      record.timeout_s == 0
          ? kTemplateTimeout
          : std::min(absl::Seconds(record.timeout_s), persist::kTimeoutMax);
  const Instant started =
      now - absl::Milliseconds(record.has_detail ? int64_t{record.idle_ms}
                                                 : int64_t{0});
  const persist::SourceKey key = KeyOf(*service, record.client.address);
  const persist::Entry* entry = store_.Find(now, key);
  if (!service->config.persistence.enabled || service->by_message() ||
      !persist::IsValid(now, started, timeout)) {
    ++counts.refused;
    return true;
  }
  if (entry != nullptr && keep_newer && entry->started() >= started) {
    ++counts.stale;
    return true;
  }
  if (!store_.Restore(now, key, TagOf(*server), started, timeout)) {
    ++counts.refused;
    return true;
  }
  ++(entry == nullptr ? counts.created : counts.updated);
  const persist::Entry* kept = store_.Find(now, key);
  persist::TemplateSync sync = store_.sync(*kept);
  sync.assured = record.state != 0;
  store_.SetSync(*kept, sync);
  return true;
}

}  // namespace ballast::l4
