#include "lb/run/statistics.h"

#include <algorithm>
#include <array>
#include <utility>

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
  rates_.resize(std::max(rates_.size(), plan.server_slots()));
  for (l4::Slot slot = 0; slot < plan.server_slots(); ++slot) {
    if (plan.server(slot) == nullptr) continue;
    const Traffic traffic = SumOf(slot, threads);
    Rate& rate = rates_[slot];
    const uint64_t packets = traffic.packets_in + traffic.packets_out;
    const uint64_t bytes = traffic.bytes_in + traffic.bytes_out;
    // A slot's next server counts from zero.
    const auto per_second = [seconds](uint64_t after, uint64_t before) {
      return static_cast<double>(after < before ? after : after - before) /
             seconds;
    };
    rate.connections_per_second =
        per_second(traffic.connections, rate.connections);
    rate.packets_per_second = per_second(packets, rate.packets);
    rate.bytes_per_second = per_second(bytes, rate.bytes);
    rate.connections = traffic.connections;
    rate.packets = packets;
    rate.bytes = bytes;
  }
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
    if (server.slot < rates_.size()) {
      const Rate& rate = rates_[server.slot];
      shown.traffic.connections_per_second = rate.connections_per_second;
      shown.traffic.packets_per_second = rate.packets_per_second;
      shown.traffic.bytes_per_second = rate.bytes_per_second;
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
