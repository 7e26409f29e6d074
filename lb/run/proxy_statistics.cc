#include "lb/run/proxy_statistics.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lb/config/schedule_method.h"
#include "lb/l7/counter_names.h"
#include "lb/tls/session.h"

namespace ballast::run {
namespace {

using l7::ServerCounters;
using Sums = std::map<std::string, uint64_t>;  // By name.

Traffic TrafficOf(const ProxiedService& service) {
  Traffic sum;
  for (const auto& counted : service.counted) {
    sum.connections += counted->connections.value();
    sum.open_connections += counted->open.value();
    sum.bytes_in += counted->bytes_in.value();
    sum.bytes_out += counted->bytes_out.value();
  }
  for (const auto& chooser : service.choosers) {
    sum.requests += chooser->stats().requests.value();
    sum.persisted += chooser->stats().persisted.value();
  }
  sum.active_connections = sum.open_connections;
  return sum;
}

Traffic TrafficOf(const ServerCounters& server) {
  Traffic sum;
  sum.connections = server.Sum(&ServerCounters::OfThread::connections);
  sum.requests = server.Sum(&ServerCounters::OfThread::requests);
  sum.persisted = server.Sum(&ServerCounters::OfThread::persisted);
  sum.open_connections = server.Sum(&ServerCounters::OfThread::open);
  sum.active_connections = sum.open_connections;
  sum.bytes_in = server.Sum(&ServerCounters::OfThread::bytes_in);
  sum.bytes_out = server.Sum(&ServerCounters::OfThread::bytes_out);
  return sum;
}

void AddEvents(const ProxyThread& thread, Sums* sums) {
  const ProxyThread::Stats stats = thread.stats();
  const ServerPool::Stats pool = thread.pool().stats();
  (*sums)["accepted"] += stats.accepted;
  (*sums)["open"] += stats.connections;
  (*sums)["refused_too_many"] += stats.too_many;
  (*sums)["accept_failed"] += stats.accept_failed;
  (*sums)["servers_idle"] += thread.pool().size();
  (*sums)["servers_reused"] += pool.reused;
  (*sums)["servers_closed"] += pool.closed_by_server;
  (*sums)["servers_unasked_bytes"] += pool.unasked_bytes;
  (*sums)["servers_stale"] += pool.stale;
  (*sums)["servers_too_many"] += pool.too_many;
  (*sums)["servers_too_old"] += pool.too_old;
}

l7::ApplicationStatistics ApplicationOf(const ProxiedService& service) {
  l7::ApplicationStatistics sum;
  for (const auto& chooser : service.choosers) {
    l7::ApplicationStatistics one = chooser->application();
    sum.answered += one.answered;
    sum.picked += one.picked;
    sum.picks_refused += one.picks_refused;
    sum.errors += one.errors;
    if (!one.last_error.empty()) sum.last_error = std::move(one.last_error);
  }
  return sum;
}

void AddTlsFailed(absl::string_view with,
                  const ProxyService::Counted::TlsFailed& failed, Sums* sums) {
  for (size_t i = 0; i < failed.size(); ++i) {
    const uint64_t count = failed[i].value();
    if (count == 0) continue;
    const auto error = static_cast<tls::SessionError>(i);
    (*sums)[absl::StrCat(with, "_tls_",
                         error == tls::SessionError::kNone
                             ? "unfinished"
                             : tls::SessionErrorName(error))] += count;
  }
}

Sums EventsOf(const ProxiedService& service) {
  Sums sums;
  for (const auto& counted : service.counted) {
    l7::AddByName(counted->exchanges, &sums);
    AddTlsFailed("client", counted->client_tls_failed, &sums);
    AddTlsFailed("server", counted->server_tls_failed, &sums);
  }
  return sums;
}

}  // namespace

void ProxyStatistics::Update(Rate& rate, const Traffic& traffic,
                             double seconds) const {
  const uint64_t bytes = traffic.bytes_in + traffic.bytes_out;
  // A server that was removed and added again counts from zero.
  const auto per_second = [seconds](uint64_t after, uint64_t before) {
    return static_cast<double>(after < before ? after : after - before) /
           seconds;
  };
  rate.connections_per_second =
      per_second(traffic.connections, rate.connections);
  rate.requests_per_second = per_second(traffic.requests, rate.requests);
  rate.bytes_per_second = per_second(bytes, rate.bytes);
  rate.connections = traffic.connections;
  rate.requests = traffic.requests;
  rate.bytes = bytes;
}

void ProxyStatistics::Sample(Instant now, const ProxiedServices& services) {
  const double seconds = absl::ToDoubleSeconds(now - sampled_);
  sampled_ = now;
  Rates rates;
  const auto update = [&](uint64_t service, uint32_t server,
                          const Traffic& traffic) {
    const std::pair key(service, server);
    Rate& rate = rates[key];
    if (const auto before = rates_.find(key); before != rates_.end()) {
      rate = before->second;
    }
    Update(rate, traffic, seconds);
  };
  for (const auto& [key, service] : services) {
    const l7::ServicePlan& plan = *service.plan;
    update(plan.service_id, 0, TrafficOf(service));
    service.ForEachServer(
        [&](size_t pool, size_t place, uint32_t id, const config::RealServer&) {
          update(plan.service_id, id, TrafficOf(*plan.counters[pool][place]));
        });
  }
  rates_ = std::move(rates);
}

void ProxyStatistics::Show(uint64_t service, uint32_t server,
                           Traffic& traffic) const {
  const auto rate = rates_.find({service, server});
  if (rate == rates_.end()) return;
  traffic.connections_per_second = rate->second.connections_per_second;
  traffic.requests_per_second = rate->second.requests_per_second;
  traffic.bytes_per_second = rate->second.bytes_per_second;
}

void ProxyStatistics::Collect(
    const ProxiedServices& services, const Threads& threads,
    const l7::Limiter& limiter, const persist::KeyStore& store,
    const std::function<ServerHealth(uint32_t id)>& health,
    Statistics* statistics) const {
  for (const auto& [key, service] : services) {
    const l7::ServicePlan& plan = *service.plan;
    const config::VirtualService& config = plan.config;
    ServiceStatistics& shown = statistics->services.emplace_back();
    shown.name = config.name;
    shown.address = config.address;
    shown.port = config.port;
    shown.protocol = config.protocol;
    shown.proxy = true;
    shown.enabled = config.enabled;
    shown.up = true;
    for (const auto& chooser : service.choosers) {
      shown.up = shown.up && chooser->up();
      shown.refused += chooser->stats().none.value();
    }
    for (size_t i = 0; i < static_cast<size_t>(l7::LimitReason::kCount); ++i) {
      const auto reason = static_cast<l7::LimitReason>(i);
      if (const uint64_t count = service.limits->refused(reason)) {
        shown.limited.emplace_back(l7::LimitReasonName(reason), count);
      }
    }
    shown.application = ApplicationOf(service);
    const Sums events = EventsOf(service);
    shown.events.assign(events.begin(), events.end());
    shown.traffic = TrafficOf(service);
    Show(plan.service_id, 0, shown.traffic);
    service.ForEachServer([&](size_t pool, size_t place, uint32_t id,
                              const config::RealServer& server) {
      ServerStatistics& one = shown.servers.emplace_back();
      one.name = server.name;
      one.endpoint = server.endpoint;
      const config::ServerPool* own = &config;
      if (!config.l7->sub_services.empty()) {
        own = &config.l7->sub_services[pool];
        one.sub_service = config.l7->sub_services[pool].name;
      }
      one.state = server.state;
      const ServerHealth known = health(id);
      one.weight = config::WeightsMove(own->schedule)
                       ? known.weight.value_or(server.weight)
                       : server.weight;
      one.up = known.up;
      one.reason = known.reason;
      one.unchanged_s = known.unchanged_s;
      one.persistence_entries = store.CountOf(id);
      one.traffic = TrafficOf(*plan.counters[pool][place]);
      Show(plan.service_id, id, one.traffic);
    });
  }
  Sums events;
  for (const auto& thread : threads) AddEvents(*thread, &events);
  if (const uint64_t full = limiter.clients_full()) {
    events["limits_clients_full"] = full;
  }
  statistics->proxy_events.assign(events.begin(), events.end());
}

}  // namespace ballast::run
