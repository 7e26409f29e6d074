#include "lb/l4/plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"

namespace ballast::l4 {
namespace {

uint64_t Fnv1a(std::span<const uint8_t> bytes, uint64_t hash) {
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  return hash;
}

uint64_t HashEndpoint(const Endpoint& endpoint, uint64_t hash) {
  uint8_t port[2];
  StoreBig16(port, endpoint.port);
  return Fnv1a(port, Fnv1a(endpoint.address.bytes(), hash));
}

constexpr uint64_t kFnvBasis = 0xcbf29ce484222325u;

// The slot `key` had, or the lowest free one.
template <typename Key>
absl::StatusOr<Slot> Assign(absl::flat_hash_map<Key, Slot>& slots,
                            const Key& key, std::vector<bool>& taken,
                            const char* what) {
  if (const auto it = slots.find(key); it != slots.end()) return it->second;
  const auto free = std::find(taken.begin(), taken.end(), false);
  const size_t slot = free - taken.begin();
  if (slot >= PlanBuilder::kSlotCountMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": more than ", PlanBuilder::kSlotCountMax,
                     " at once, counting removed ones that still carry flows"));
  }
  if (free == taken.end()) {
    taken.push_back(true);
  } else {
    *free = true;
  }
  slots.emplace(key, static_cast<Slot>(slot));
  return static_cast<Slot>(slot);
}

template <typename Map>
std::vector<bool> Taken(const Map& slots) {
  std::vector<bool> taken;
  for (const auto& [key, slot] : slots) {
    if (taken.size() <= slot) taken.resize(slot + 1);
    taken[slot] = true;
  }
  return taken;
}

sched::Fill FillOf(config::Fill fill) {
  switch (fill) {
    case config::Fill::kLoadMaster:
      return sched::Fill::kLoadMaster;
    case config::Fill::kEven:
      return sched::Fill::kEven;
    case config::Fill::kMaglev:
      return sched::Fill::kMaglev;
  }
  return sched::Fill::kLoadMaster;
}

// `adopted`: the partner's slots, or null; `before`: the table until now, or
// null.
absl::StatusOr<std::shared_ptr<const sched::SourceHashTable>> MakeTable(
    sched::Fill fill, std::span<const sched::SourceHashTable::Server> servers,
    const config::ScheduleTable* adopted,
    const std::shared_ptr<const sched::SourceHashTable>& before) {
  if (adopted != nullptr && fill == sched::Fill::kEven &&
      adopted->slots.size() == sched::kSlotCount) {
    sched::Slots slots;
    std::copy(adopted->slots.begin(), adopted->slots.end(), slots.begin());
    auto table = sched::SourceHashTable::Restore(fill, servers, slots);
    if (table.ok()) {
      return std::make_shared<const sched::SourceHashTable>(*std::move(table));
    }
  }
  if (before != nullptr && before->fill() == fill &&
      std::equal(before->servers().begin(), before->servers().end(),
                 servers.begin(), servers.end())) {
    return before;
  }
  BALLAST_ASSIGN_OR_RETURN(
      sched::SourceHashTable table,
      sched::SourceHashTable::Build(fill, servers, before.get()));
  return std::make_shared<const sched::SourceHashTable>(std::move(table));
}

}  // namespace

uint64_t ServiceId(Protocol protocol, const Address& address, uint16_t port) {
  const uint8_t byte = static_cast<uint8_t>(protocol);
  return HashEndpoint({address, port}, Fnv1a({&byte, 1}, kFnvBasis));
}

uint64_t ServerId(const Endpoint& endpoint) {
  return HashEndpoint(endpoint, kFnvBasis);
}

const PlanService* Plan::FindService(Protocol protocol, const Address& address,
                                     uint16_t port) const {
  auto it = by_port_.find({protocol, address, port});
  if (it == by_port_.end()) it = by_port_.find({protocol, address, 0});
  return it == by_port_.end() ? nullptr : &*services_[it->second];
}

std::optional<Plan::StatelessServer> Plan::FindStatelessServer(
    Protocol protocol, const Endpoint& endpoint) const {
  const auto exact =
      stateless_.find({protocol, endpoint.address, endpoint.port});
  const auto any = stateless_.find({protocol, endpoint.address, 0});
  if (exact != stateless_.end() && any != stateless_.end()) {
    return std::nullopt;
  }
  const auto& found = exact != stateless_.end() ? exact : any;
  if (found == stateless_.end() || found->second.server == kNoSlot) {
    return std::nullopt;
  }
  StatelessServer server = found->second;
  if (server.service_port == 0) server.service_port = endpoint.port;
  return server;
}

absl::StatusOr<std::shared_ptr<const Plan>> PlanBuilder::Build(
    std::shared_ptr<const config::Model> model, Instant now,
    const std::function<bool(Slot)>& in_use) {
  // Work on copies: a refused build leaves the builder as it was.
  auto plan = std::make_shared<Plan>();
  auto service_slots = service_slots_;
  auto server_slots = server_slots_;
  auto draining = draining_;
  plan->model_ = model;
  std::vector<bool> services_taken = Taken(service_slots);
  std::vector<bool> servers_taken = Taken(server_slots);
  std::vector<bool> service_live, server_live;
  const auto mark = [](std::vector<bool>& live, Slot slot) {
    if (live.size() <= slot) live.resize(slot + 1);
    live[slot] = true;
  };

  for (const config::VirtualService& config : model->services) {
    if (config.l7.has_value()) continue;  // No packets of its own.
    const std::tuple key(config.protocol, config.address, config.port);
    BALLAST_ASSIGN_OR_RETURN(
        const Slot slot,
        Assign(service_slots, key, services_taken, "virtual_services"));
    mark(service_live, slot);
    if (plan->services_.size() <= slot) plan->services_.resize(slot + 1);
    PlanService& service = plan->services_[slot].emplace();
    service.slot = slot;
    service.config = config;
    service.id = ServiceId(config.protocol, config.address, config.port);
    service.idle_timeout_ms =
        static_cast<uint32_t>(absl::ToInt64Milliseconds(config.idle_timeout));

    const auto add = [&](PlanServer server) -> absl::StatusOr<Slot> {
      const ServerKey server_key(service.id, server.endpoint, server.sorry);
      BALLAST_ASSIGN_OR_RETURN(
          server.slot,
          Assign(server_slots, server_key, servers_taken, "real_servers"));
      server.service = slot;
      server.id = ServerId(server.endpoint);
      mark(server_live, server.slot);
      if (plan->servers_.size() <= server.slot) {
        plan->servers_.resize(server.slot + 1);
      }
      plan->servers_[server.slot] = server;
      return server.slot;
    };
    for (const config::RealServer& real : config.servers) {
      BALLAST_ASSIGN_OR_RETURN(
          const Slot server_slot,
          add({.endpoint = real.endpoint,
               .forwarding = real.forwarding,
               .state = real.state,
               .weight = real.weight,
               .connection_limit = real.connection_limit,
               .drop_at_drain_end = real.drop_at_drain_end}));
      service.servers.push_back(server_slot);
      if (real.state == config::AdminState::kDraining) {
        const Drain& drain =
            draining.try_emplace(server_slot, Drain{now}).first->second;
        plan->servers_[server_slot]->drain_end = drain.began + real.drain_time;
      } else {
        draining.erase(server_slot);
      }
    }
    if (config.schedule == config::Schedule::kSourceHash) {
      std::vector<sched::SourceHashTable::Server> table_servers;
      for (const Slot server_slot : service.servers) {
        const PlanServer& server = *plan->servers_[server_slot];
        table_servers.push_back({.id = server.id, .weight = server.weight});
      }
      const auto adopted =
          std::find_if(adopted_.begin(), adopted_.end(),
                       [&](const config::ScheduleTable& table) {
                         return table.service == service.id;
                       });
      const PlanService* before = last_ ? last_->service(slot) : nullptr;
      BALLAST_ASSIGN_OR_RETURN(
          service.source_hash,
          MakeTable(FillOf(config.fill), table_servers,
                    adopted == adopted_.end() ? nullptr : &*adopted,
                    before != nullptr && before->id == service.id
                        ? before->source_hash
                        : nullptr));
    }
    if (config.sorry_server.has_value()) {
      BALLAST_ASSIGN_OR_RETURN(
          service.sorry_server,
          add({.endpoint = config.sorry_server->endpoint,
               .forwarding = config.sorry_server->forwarding,
               .weight = 1,
               .sorry = true}));
    }

    plan->by_port_.emplace(key, slot);
    for (const config::PortRange& range : config.extra_ports) {
      for (uint32_t port = range.first; port <= range.last; ++port) {
        plan->by_port_.emplace(std::tuple(config.protocol, config.address,
                                          static_cast<uint16_t>(port)),
                               slot);
      }
    }
  }

  // Slots of what has gone: a server's stays while its service lives and flows
  // point at it; the rest is free again.
  absl::erase_if(service_slots, [&](const auto& entry) {
    return entry.second >= service_live.size() || !service_live[entry.second];
  });
  absl::erase_if(server_slots, [&](const auto& entry) {
    const Slot slot = entry.second;
    if (slot < server_live.size() && server_live[slot]) return false;
    draining.erase(slot);
    // One that the last plan still served can get a flow until every thread has
    // this plan: it goes with the next one at the earliest.
    const PlanServer* before = last_ ? last_->server(slot) : nullptr;
    const bool served = before != nullptr && !before->removed;
    if (!served && !in_use(slot)) return true;
    // Of a service that has gone: the number stays reserved until its flows,
    // which have no server now, have been dropped.
    if (before == nullptr || plan->service(before->service) == nullptr ||
        plan->service(before->service)->id != std::get<0>(entry.first)) {
      return false;
    }
    if (plan->servers_.size() <= slot) plan->servers_.resize(slot + 1);
    PlanServer& server = plan->servers_[slot].emplace(*before);
    server.removed = true;
    server.weight = 0;
    return false;
  });

  // Which server addresses say by themselves whose replies they send.
  for (const auto& server : plan->servers_) {
    if (!server || server->forwarding != config::Forwarding::kNat) continue;
    const config::VirtualService& service =
        plan->services_[server->service]->config;
    const uint16_t port = server->endpoint.port;
    const bool one_port = service.extra_ports.empty() && service.port != 0;
    // With a port of its own behind many service ports, or behind several
    // services, the reply's service port cannot be told.
    const bool known = port == 0 || one_port;
    const uint16_t reply_port = port == 0 && one_port ? service.port : port;
    const Plan::StatelessServer found{
        known ? server->slot : kNoSlot,
        port == 0 && !one_port ? uint16_t{0} : service.port};
    const auto [it, added] = plan->stateless_.emplace(
        std::tuple(service.protocol, server->endpoint.address, reply_port),
        found);
    if (!added) it->second.server = kNoSlot;
  }

  for (const config::FloatingAddress& floating : model->floating_addresses) {
    plan->floating_[floating.address] = floating.service;
  }
  service_slots_ = std::move(service_slots);
  server_slots_ = std::move(server_slots);
  draining_ = std::move(draining);
  last_ = plan;
  adopted_.clear();
  return std::shared_ptr<const Plan>(plan);
}

std::vector<config::ScheduleTable> ScheduleTablesOf(const Plan& plan) {
  std::vector<config::ScheduleTable> tables;
  for (Slot slot = 0; slot < plan.service_slots(); ++slot) {
    const PlanService* service = plan.service(slot);
    if (service == nullptr || service->source_hash == nullptr ||
        service->source_hash->fill() != sched::Fill::kEven) {
      continue;
    }
    const sched::Slots& slots = service->source_hash->slots();
    tables.push_back(
        {.service = service->id, .slots = {slots.begin(), slots.end()}});
  }
  // Slot numbers are each unit's own.
  std::sort(tables.begin(), tables.end(),
            [](const config::ScheduleTable& a, const config::ScheduleTable& b) {
              return a.service < b.service;
            });
  return tables;
}

}  // namespace ballast::l4
