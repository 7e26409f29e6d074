#include "lb/run/statistics.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "lb/health/service_up.h"

namespace ballast::run {
namespace {

Traffic SumOf(l4::Slot slot, std::span<const l4::AllCounters* const> threads) {
  Traffic sum;
  for (const l4::AllCounters* thread : threads) {
    const l4::ServerCounters* counters = thread->servers.Get(slot);
    if (counters == nullptr) continue;
    sum.connections += counters->connections.value();
    sum.active_connections += counters->active.value();
    sum.open_connections += counters->open.value();
    sum.packets_in += counters->packets_in.value();
    sum.bytes_in += counters->bytes_in.value();
    sum.packets_out += counters->packets_out.value();
    sum.bytes_out += counters->bytes_out.value();
  }
  return sum;
}

void Add(Traffic& to, const Traffic& from) {
  to.connections += from.connections;
  to.active_connections += from.active_connections;
  to.open_connections += from.open_connections;
  to.packets_in += from.packets_in;
  to.bytes_in += from.bytes_in;
  to.packets_out += from.packets_out;
  to.bytes_out += from.bytes_out;
  to.connections_per_second += from.connections_per_second;
  to.packets_per_second += from.packets_per_second;
  to.bytes_per_second += from.bytes_per_second;
}

}  // namespace

void StatisticsCollector::Sample(
    Instant now, const l4::Plan& plan,
    std::span<const l4::AllCounters* const> threads) {
  const double seconds = absl::ToDoubleSeconds(now - sampled_);
  sampled_ = now;
  seen_.resize(std::max(seen_.size(), plan.server_slots()));
  for (l4::Slot slot = 0; slot < seen_.size(); ++slot) {
    const l4::PlanServer* server = plan.server(slot);
    Seen now_seen;
    if (server != nullptr) {
      now_seen = {plan.service(server->service)->id, server->id,
                  SumOf(slot, threads)};
    }
    Traffic& traffic = now_seen.traffic;
    const Seen& before = seen_[slot];
    // Another server's slot, or this one's again: it counts from zero.
    if (before.service != now_seen.service ||
        before.server != now_seen.server ||
        before.traffic.connections > traffic.connections ||
        before.traffic.bytes_in > traffic.bytes_in) {
      if (before.service != 0) {
        Traffic left = before.traffic;
        left.active_connections = left.open_connections = 0;
        left.connections_per_second = left.packets_per_second =
            left.bytes_per_second = 0;
        Add(gone_[before.service], left);
      }
      seen_[slot].traffic = Traffic();
    }
    const auto per_second = [seconds](uint64_t after, uint64_t earlier) {
      return static_cast<double>(after - earlier) / seconds;
    };
    traffic.connections_per_second =
        per_second(traffic.connections, before.traffic.connections);
    traffic.packets_per_second =
        per_second(traffic.packets_in + traffic.packets_out,
                   before.traffic.packets_in + before.traffic.packets_out);
    traffic.bytes_per_second =
        per_second(traffic.bytes_in + traffic.bytes_out,
                   before.traffic.bytes_in + before.traffic.bytes_out);
    seen_[slot] = now_seen;
  }
  absl::flat_hash_set<uint64_t> services;
  for (l4::Slot slot = 0; slot < plan.service_slots(); ++slot) {
    if (plan.service(slot) != nullptr) services.insert(plan.service(slot)->id);
  }
  absl::erase_if(
      gone_, [&](const auto& one) { return !services.contains(one.first); });
}

Statistics StatisticsCollector::Collect(
    const l4::Plan& plan, std::span<const l4::AllCounters* const> threads,
    std::span<const PacketIoStats> io,
    const std::function<ServerHealth(l4::Slot)>& health) const {
  Statistics statistics;
  std::vector<size_t> by_slot(plan.service_slots());
  for (l4::Slot slot = 0; slot < plan.service_slots(); ++slot) {
    const l4::PlanService* service = plan.service(slot);
    if (service == nullptr) continue;
    by_slot[slot] = statistics.services.size();
    ServiceStatistics& shown = statistics.services.emplace_back();
    shown.name = service->config.name;
    shown.address = service->config.address;
    shown.port = service->config.port;
    shown.protocol = service->config.protocol;
    shown.enabled = service->config.enabled;
    const auto gone = gone_.find(service->id);
    if (gone != gone_.end()) Add(shown.traffic, gone->second);
    for (const l4::AllCounters* thread : threads) {
      if (const l4::ServiceCounters* counters = thread->services.Get(slot)) {
        shown.refused += counters->refused.value();
        shown.stateless += counters->stateless.value();
        shown.followed += counters->followed.value();
        shown.keyless += counters->keyless.value();
      }
    }
  }
  const auto add = [&](const l4::PlanServer& server, const std::string& name) {
    ServerStatistics shown;
    shown.name = name;
    shown.endpoint = server.endpoint;
    shown.state = server.state;
    shown.sorry = server.sorry;
    shown.removed = server.removed;
    ServerHealth state = health(server.slot);
    shown.weight = state.weight.value_or(server.weight);
    shown.up = state.up;
    shown.reason = std::move(state.reason);
    shown.unchanged_s = state.unchanged_s;
    shown.traffic = SumOf(server.slot, threads);
    if (server.slot < seen_.size()) {
      const Traffic& seen = seen_[server.slot].traffic;
      shown.traffic.connections_per_second = seen.connections_per_second;
      shown.traffic.packets_per_second = seen.packets_per_second;
      shown.traffic.bytes_per_second = seen.bytes_per_second;
    }
    ServiceStatistics& service = statistics.services[by_slot[server.service]];
    Add(service.traffic, shown.traffic);
    statistics.connections += shown.traffic.open_connections;
    service.servers.push_back(std::move(shown));
  };
  // Configured order first, then what has been removed.
  for (l4::Slot slot = 0; slot < plan.service_slots(); ++slot) {
    const l4::PlanService* service = plan.service(slot);
    if (service == nullptr) continue;
    std::vector<health::Member> members;
    for (size_t i = 0; i < service->servers.size(); ++i) {
      const l4::PlanServer& server = *plan.server(service->servers[i]);
      add(server, service->config.servers[i].name);
      const ServerHealth state = health(server.slot);
      members.push_back(
          {.enabled = server.state == config::AdminState::kEnabled,
           .healthy = state.up,
           .critical = service->config.servers[i].critical,
           .weight = state.weight.value_or(server.weight)});
    }
    if (service->sorry_server != l4::kNoSlot) {
      add(*plan.server(service->sorry_server), "");
    }
    statistics.services[by_slot[slot]].up =
        health::ServiceUp(members, service->config.servers_min);
  }
  for (l4::Slot slot = 0; slot < plan.server_slots(); ++slot) {
    const l4::PlanServer* server = plan.server(slot);
    if (server != nullptr && server->removed) add(*server, "");
  }

  std::array<uint64_t, l4::kDropReasonCount> drops{};
  for (const l4::AllCounters* thread : threads) {
    const l4::DirectorCounters& counters = thread->director;
    statistics.frames_received += counters.received.value();
    statistics.frames_sent += counters.sent.value();
    statistics.packets_forwarded += counters.forwarded.value();
    statistics.packets_punted += counters.punted.value();
    statistics.packets_answered += counters.answered.value();
    statistics.resets_sent += counters.resets.value();
    statistics.address_conflicts += counters.address_conflicts.value();
    statistics.fragments_evicted += counters.fragments_evicted.value();
    for (size_t i = 0; i < drops.size(); ++i) {
      drops[i] += counters.drops[i].value();
    }
  }
  for (size_t i = 1; i < drops.size(); ++i) {
    if (drops[i] == 0) continue;
    statistics.drops.emplace_back(
        l4::DropReasonName(static_cast<l4::DropReason>(i)), drops[i]);
  }
  for (const PacketIoStats& stats : io) {
    statistics.kernel_receive_dropped +=
        stats.receive_dropped + stats.receive_truncated;
    statistics.kernel_send_refused += stats.send_refused;
  }
  statistics.generation = plan.model().generation;
  return statistics;
}

}  // namespace ballast::run
