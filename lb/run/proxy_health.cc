#include "lb/run/proxy_health.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lb/config/schedule_method.h"

namespace ballast::run {

ProxyHealth::ProxyHealth(
    Reactor& reactor, Options options, const ProxiedServices& services,
    const std::vector<std::unique_ptr<ProxyThread>>& threads)
    : reactor_(reactor),
      options_(std::move(options)),
      services_(services),
      news_(threads),
      health_(
          reactor,
          [this](uint16_t id, bool up, health::Reason) { OnHealth(id, up); },
          HealthChecker::Options{.source = {},
                                 .following = options_.following,
                                 .on_answer =
                                     [this](uint16_t id, absl::Duration time) {
                                       weights_.OnAnswered(id, time);
                                     }}),
      weights_(
          reactor, WeightWatch::Options(),
          [this] {
            TellWeights();
            news_.Send();
          },
          options_.log) {}

void ProxyHealth::ForEachServer(
    absl::FunctionRef<void(const Place&)> call) const {
  for (const auto& [key, service] : services_) {
    const auto pools = PoolsOf(service.plan->config);
    for (size_t i = 0; i < pools.size(); ++i) {
      const auto& [name, pool] = pools[i];
      for (size_t j = 0; j < pool->servers.size(); ++j) {
        call({service,
              {key.first, key.second},
              name,
              service.plan->ids[i][j],
              *pool,
              pool->servers[j]});
      }
    }
  }
}

ServerNews::Server ProxyHealth::NewsOf(const Place& place) {
  return {.id = place.id,
          .endpoint = place.server.endpoint,
          .service = place.service.plan->service_id,
          .choosers = place.service.choosers};
}

std::string ProxyHealth::NameOf(const Place& place) {
  return absl::StrCat("layer 7 ", place.address.ToString(), " ", place.pool,
                      ": server ", place.server.endpoint.ToString());
}

void ProxyHealth::OnServices(const config::Model& model) {
  drop_on_fail_ = model.drop_on_fail;
  SetTargets();
  TellWeights();
  // A server that never answered is not reported as down.
  ForEachServer([&](const Place& place) {
    const bool up = health_.up(static_cast<uint16_t>(place.id));
    news_.Health(NewsOf(place), up);
    if (!up && drop_on_fail_) news_.Cut(NewsOf(place));
  });
  Tick(reactor_.Now());
}

void ProxyHealth::SetTargets() {
  std::vector<HealthChecker::Target> targets;
  std::vector<WeightWatch::Pool> pools;
  std::set<uint16_t> checked;
  std::set<uint16_t> weighed;
  const config::ServerPool* last = nullptr;
  ForEachServer([&](const Place& place) {
    const config::ServerPool& pool = place.config;
    const Endpoint server = place.server.endpoint;
    Endpoint endpoint = server;
    if (pool.check.port != 0) {
      endpoint.port = pool.check.port;
    } else if (endpoint.port == 0) {
      endpoint.port = place.address.port;
    }
    const auto id = static_cast<uint16_t>(place.id);
    // Sub services that share their entries share their servers.
    if (config::WeightsMove(pool.schedule) && weighed.insert(id).second) {
      if (&pool != std::exchange(last, &pool)) {
        pools.push_back(
            {.name = absl::StrCat("layer 7 ", place.address.ToString(), " ",
                                  place.pool),
             .schedule = pool.schedule,
             .adaptive = pool.adaptive,
             .members = {}});
      }
      pools.back().members.push_back(
          {id, endpoint.address, place.server.weight});
    }
    if (!checked.insert(id).second) return;
    targets.push_back(
        {id, endpoint, pool.check,
         config::ServerIdentity{place.service.plan->config.protocol,
                                place.address, std::string(place.pool), server},
         place.server.follow});
  });
  health_.SetTargets(targets);
  weights_.SetPools(std::move(pools));
}

void ProxyHealth::TellWeights() {
  ForEachServer([&](const Place& place) {
    news_.Weight(NewsOf(place), weights_.weight(static_cast<uint16_t>(place.id))
                                    .value_or(place.server.weight));
  });
}

void ProxyHealth::OnHealth(uint16_t id, bool up) {
  bool told = false;
  ForEachServer([&](const Place& place) {
    if (place.id != id || std::exchange(told, true)) return;
    const std::string why = health_.status(id)->text;
    options_.log({up ? LogLevel::kInfo : LogLevel::kWarning,
                  up ? "server_up" : "server_down",
                  absl::StrCat(NameOf(place), up ? " up: " : " down: ", why),
                  {{"service", absl::StrCat("tcp ", place.address.ToString())},
                   {"service_name", std::string(place.pool)},
                   {"server", place.server.endpoint.ToString()},
                   {"reason", why}}});
    news_.Health(NewsOf(place), up);
    if (!up && drop_on_fail_) news_.Cut(NewsOf(place));
  });
  news_.Send();
}

void ProxyHealth::Tick(Instant now) {
  std::vector<l7::DrainWatch::Server> servers;
  ForEachServer([&](const Place& place) {
    servers.push_back({place.id, &place.server});
  });
  const std::vector<uint32_t> due = drains_.Due(
      now, servers,
      [this](uint32_t id) { return options_.store->CountOf(id) > 0; });
  std::set<uint32_t> cut;
  ForEachServer([&](const Place& place) {
    if (std::find(due.begin(), due.end(), place.id) == due.end()) return;
    if (!cut.insert(place.id).second) return;
    options_.log(
        {LogLevel::kInfo,
         "server_drained",
         absl::StrCat(NameOf(place), " drained: its connections are cut"),
         {{"service", absl::StrCat("tcp ", place.address.ToString())},
          {"server", place.server.endpoint.ToString()}}});
    news_.Cut(NewsOf(place));
  });
  news_.Send();
}

ServerHealth ProxyHealth::Of(uint32_t id) const {
  const auto status = health_.status(static_cast<uint16_t>(id));
  if (!status.has_value()) return ServerHealth();
  return HealthShown(*status, reactor_.Now(),
                     weights_.weight(static_cast<uint16_t>(id)));
}

}  // namespace ballast::run
