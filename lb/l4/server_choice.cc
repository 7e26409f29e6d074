#include "lb/l4/server_choice.h"

#include <algorithm>
#include <utility>

#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "lb/config/schedule_method.h"
#include "lb/health/service_up.h"
#include "lb/l4/persistence_key.h"
#include "persist/lifetime.h"
#include "persist/sip_field.h"
#include "sched/source_hash.h"

namespace ballast::l4 {

absl::StatusOr<ServerChoice> ServerChoice::Create(const Options& options) {
  BALLAST_ASSIGN_OR_RETURN(persist::SourceStore store,
                           persist::SourceStore::Create(
                               {.limit = options.persistence_entries_max,
                                .key = {LoadBig64(options.table_key.data()),
                                        LoadBig64(&options.table_key[8])}}));
  return ServerChoice(options, std::move(store));
}

bool ServerChoice::Schedulable(const PlanServer& server) const {
  return server.state == config::AdminState::kEnabled && !server.removed &&
         servers_[server.slot].healthy &&
         servers_[server.slot].avoid_until == Instant::FromNanos(0);
}

uint32_t ServerChoice::WeightOf(const PlanServer& server) const {
  return services_[server.service].scheduler->effective_weight(
      servers_[server.slot].position);
}

bool ServerChoice::Avoid(Instant now, Slot slot, const Address& client) {
  const PlanServer* server = plan_->server(slot);
  if (server == nullptr || server->endpoint.port == 0 || server->sorry ||
      server->removed) {
    return false;
  }
  const PlanService& service = *plan_->service(server->service);
  const auto takes = [&](Slot other) {
    const PlanServer& candidate = *plan_->server(other);
    return other != slot && WeightOf(candidate) > 0 && Schedulable(candidate);
  };
  if (std::none_of(service.servers.begin(), service.servers.end(), takes)) {
    return false;
  }
  store_.Erase(KeyOf(service, client));
  servers_[slot].avoid_until = now + kAvoid;
  avoid_deadline_ = std::min(avoid_deadline_, now + kAvoid);
  services_[service.slot].scheduler->SetUp(now, servers_[slot].position, false);
  return true;
}

void ServerChoice::EndAvoiding(Instant now) {
  avoid_deadline_ = Instant::Never();
  for (Slot slot = 0; slot < servers_.size(); ++slot) {
    Instant& until = servers_[slot].avoid_until;
    if (until == Instant::FromNanos(0)) continue;
    if (now < until) {
      avoid_deadline_ = std::min(avoid_deadline_, until);
      continue;
    }
    until = Instant::FromNanos(0);
    const PlanServer* server = plan_->server(slot);
    if (server == nullptr || server->sorry || server->removed) continue;
    services_[server->service].scheduler->SetUp(now, servers_[slot].position,
                                                Schedulable(*server));
  }
}

void ServerChoice::Apply(Instant now, std::shared_ptr<const Plan> plan) {
  const std::shared_ptr<const Plan> before = std::exchange(plan_, plan);
  servers_.resize(std::max(servers_.size(), plan->server_slots()));
  services_.resize(std::max(services_.size(), plan->service_slots()));
  for (Slot slot = 0; slot < services_.size(); ++slot) {
    const PlanService* service = plan->service(slot);
    Service& running = services_[slot];
    if (service == nullptr) {
      running = {};
      continue;
    }
    // A server's first plan finds it healthy until a check says otherwise.
    for (uint16_t i = 0; i < service->servers.size(); ++i) {
      Server& server = servers_[service->servers[i]];
      const PlanServer* was =
          before ? before->server(service->servers[i]) : nullptr;
      if (was == nullptr || was->service != slot || running.id != service->id) {
        if (was == nullptr) server.healthy = true;
      }
      server.position = i;
    }
    std::vector<sched::ServerState> states;
    for (const Slot server_slot : service->servers) {
      const PlanServer& server = *plan->server(server_slot);
      states.push_back({.weight = server.weight,
                        .up = Schedulable(server),
                        .id = server.id});
    }
    auto scheduler = sched::Scheduler::Create(
        {.method = config::MethodOf(service->config.schedule),
         .slow_start = service->config.slow_start,
         .table = service->source_hash},
        states);
    // Validation has checked every limit the schedulers have.
    BALLAST_CHECK(scheduler.ok());
    if (running.id == service->id && running.scheduler != nullptr) {
      (*scheduler)->CarryOver(now, *running.scheduler);
    }
    running.id = service->id;
    running.scheduler = std::move(*scheduler);
    running.message = {};
    if (service->by_message()) {
      BALLAST_CHECK(keys_ != nullptr);
      running.message.mode = persist::Mode::kUdpSip;
      running.message.name = service->config.persistence.name;
      scratch_.reserve(persist::kSipHeaderMax);
    }
    for (const Slot server_slot : service->servers) {
      // A server that was gone and is back may have kept flows meanwhile.
      const Server& server = servers_[server_slot];
      running.scheduler->SetForeignConnections(server.position, server.foreign);
      for (uint32_t n = running.scheduler->connections(server.position);
           n < server.open + server.foreign; ++n) {
        running.scheduler->OnOpen(server.position);
      }
      UpdateFull(*plan->server(server_slot));
    }
    UpdateUp(*service);
  }
}

persist::ServerStanding ServerChoice::StandingOf(
    Instant now, const PlanService& service, const PlanServer* server) const {
  if (server == nullptr || server->service != service.slot || server->removed) {
    return {.up = false};
  }
  const Server& running = servers_[server->slot];
  return {.up = running.healthy && running.avoid_until == Instant::FromNanos(0),
          .enabled = server->state == config::AdminState::kEnabled ||
                     (server->state == config::AdminState::kDraining &&
                      now < server->drain_end),  // S4
          .full = server->connection_limit != 0 &&
                  running.open + running.foreign >= server->connection_limit};
}

ServerChoice::EntryFound ServerChoice::FindEntry(Instant now,
                                                 const PlanService& service,
                                                 const Address& client) const {
  EntryFound found;
  found.entry = store_.Find(now, KeyOf(service, client));
  if (found.entry == nullptr) return found;
  found.server = ServerOf(*plan_, *found.entry);
  found.follow = persist::FollowEntry(now, /*layer7=*/false,
                                      StandingOf(now, service, found.server));
  return found;
}

ServerChoice::Choice ServerChoice::Choose(Instant now,
                                          const PlanService& service,
                                          const Address& client) {
  if (!service.config.persistence.enabled) {
    return Schedule(now, service, client);
  }
  const persist::SourceKey key = KeyOf(service, client);
  bool keep_entry = false;  // S5
  const auto [entry, server, follow] = FindEntry(now, service, client);
  if (entry != nullptr) {
    switch (follow) {
      case persist::Follow::kGo:
        store_.Put(now, key, entry->server, service.config.persistence.timeout);
        return {server->slot, DropReason::kNone};
      case persist::Follow::kDiscard:  // S3
        store_.Erase(key);
        break;
      case persist::Follow::kPassBy:
        keep_entry = true;
        break;
    }
  }
  const Choice choice = Schedule(now, service, client);
  if (!keep_entry && choice.server != service.sorry_server) {
    store_.Put(now, key, TagOf(*plan_->server(choice.server)),
               service.config.persistence.timeout);
  }
  return choice;
}

ServerChoice::Choice ServerChoice::Schedule(Instant now,
                                            const PlanService& service,
                                            const Address& client) {
  return ScheduleBy(service, [&](sched::Scheduler& scheduler) {
    return scheduler.Pick(now, SourceHashOf(client));
  });
}

Slot ServerChoice::ChooseStateless(const PlanService& service,
                                   const Address& client,
                                   uint16_t client_port) const {
  if (!ServiceUp(service)) return service.sorry_server;
  // Rendezvous over the servers that take new flows: who goes down moves only
  // its own flows.
  const uint32_t flow = SourceHashOf(client) ^ client_port * 0x9e3779b1u;
  Slot best = service.sorry_server;
  uint64_t best_score = 0;
  for (const Slot slot : service.servers) {
    const PlanServer& server = *plan_->server(slot);
    if (!Schedulable(server) || WeightOf(server) == 0) continue;
    uint64_t score = (server.id ^ flow) * 0x9e3779b97f4a7c15u;
    score = (score ^ score >> 29) * 0xbf58476d1ce4e5b9u;
    score |= 1;
    if (score > best_score) {
      best_score = score;
      best = slot;
    }
  }
  return best;
}

uint32_t ServerChoice::SourceHashOf(const Address& client) const {
  return sched::SourceHash(client, LoadBig64(source_key_.data()));
}

void ServerChoice::UpdateUp(const PlanService& service) {
  std::vector<health::Member> members;
  for (size_t i = 0; i < service.servers.size(); ++i) {
    const PlanServer& server = *plan_->server(service.servers[i]);
    members.push_back({.enabled = server.state == config::AdminState::kEnabled,
                       .healthy = servers_[server.slot].healthy,
                       .critical = service.config.servers[i].critical,
                       .weight = WeightOf(server)});
  }
  services_[service.slot].up =
      health::ServiceUp(members, service.config.servers_min);
}

void ServerChoice::UpdateFull(const PlanServer& server) {
  if (server.sorry || server.removed) return;
  const Server& running = servers_[server.slot];
  services_[server.service].scheduler->SetFull(
      running.position,
      server.connection_limit != 0 &&
          running.open + running.foreign >= server.connection_limit);
}

void ServerChoice::OnOpen(Slot slot) {
  ++servers_[slot].open;
  const PlanServer* server = plan_->server(slot);
  if (server == nullptr || server->sorry || server->removed) return;
  services_[server->service].scheduler->OnOpen(servers_[slot].position);
  UpdateFull(*server);
}

void ServerChoice::OnClose(Slot slot) {
  --servers_[slot].open;
  const PlanServer* server = plan_->server(slot);
  if (server == nullptr || server->sorry || server->removed) return;
  services_[server->service].scheduler->OnClose(servers_[slot].position);
  UpdateFull(*server);
}

void ServerChoice::SetForeign(Slot slot, uint32_t count) {
  const PlanServer* server = plan_->server(slot);
  if (server == nullptr || server->sorry || server->removed) return;
  if (servers_[slot].foreign == count) return;
  servers_[slot].foreign = count;
  services_[server->service].scheduler->SetForeignConnections(
      servers_[slot].position, count);
  UpdateFull(*server);
}

void ServerChoice::SetHealthy(Instant now, Slot slot, bool healthy) {
  const PlanServer* server = plan_->server(slot);
  if (server == nullptr || server->sorry || server->removed) return;
  servers_[slot].healthy = healthy;
  services_[server->service].scheduler->SetUp(now, servers_[slot].position,
                                              Schedulable(*server));
  UpdateUp(*plan_->service(server->service));
}

void ServerChoice::SetWeight(Slot slot, uint32_t weight) {
  const PlanServer* server = plan_->server(slot);
  if (server == nullptr || server->sorry || server->removed) return;
  const uint32_t before = WeightOf(*server);
  if (before == weight) return;
  services_[server->service].scheduler->SetEffectiveWeight(
      servers_[slot].position, weight);
  if ((before == 0) != (weight == 0)) {
    UpdateUp(*plan_->service(server->service));
  }
}

void ServerChoice::Refresh(Instant now, Slot slot, const Address& client) {
  const PlanServer* server = plan_->server(slot);
  if (server == nullptr) return;
  const PlanService& service = *plan_->service(server->service);
  const persist::SourceKey key = KeyOf(service, client);
  const persist::Entry* entry = store_.Find(now, key);
  if (entry == nullptr || entry->server != TagOf(*server) ||
      !persist::IsRefreshDue(now, entry->started(), entry->timeout(),
                             service.config.persistence.refresh)) {
    return;
  }
  store_.Put(now, key, entry->server, service.config.persistence.timeout);
}

uint32_t ServerChoice::Export(Instant now, uint32_t cursor, size_t& count,
                              std::span<FlowRecord> records) {
  count = 0;
  return store_.Walk(
      cursor, static_cast<uint32_t>(records.size()),
      [&](const persist::Entry& entry) {
        const PlanServer* server =
            plan_->server(static_cast<Slot>(entry.server & 0xffff));
        if (server == nullptr || TagOf(*server) != entry.server ||
            entry.expires() <= now) {
          return false;
        }
        const PlanService& service = *plan_->service(server->service);
        const persist::SourceKey key = store_.KeyOf(entry);
        if (key.service != TagOf(service)) return false;
        records[count++] = {
            .kind = FlowRecord::Kind::kPersistence,
            .client_side = {{key.client, 0},
                            {service.config.address, service.config.port},
                            service.config.protocol},
            .server = server->endpoint,
            .service_port = service.config.port,
            .idle_ms = static_cast<uint32_t>(
                absl::ToInt64Milliseconds(now - entry.started()))};
        return false;
      });
}

bool ServerChoice::Import(Instant now, const FlowRecord& record) {
  const PlanService* service = plan_->FindService(
      record.client_side.protocol, record.client_side.destination.address,
      record.service_port);
  if (service == nullptr || service->config.port != record.service_port ||
      !service->config.persistence.enabled || service->by_message()) {
    return false;
  }
  const absl::Duration age = absl::Milliseconds(int64_t{record.idle_ms});
  const absl::Duration timeout = service->config.persistence.timeout;
  if (age >= timeout) return false;
  for (const Slot slot : service->servers) {
    const PlanServer& server = *plan_->server(slot);
    if (server.endpoint != record.server) continue;
    return store_.Restore(now,
                          KeyOf(*service, record.client_side.source.address),
                          TagOf(server), now - age, timeout);
  }
  return false;
}

}  // namespace ballast::l4
