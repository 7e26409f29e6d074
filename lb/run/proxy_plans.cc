#include "lb/run/proxy_plans.h"

#include <algorithm>

#include "lb/l4/plan.h"

namespace ballast::run {
namespace {

persist::UnitSettings UnitSettingsOf(const config::L7Settings& from) {
  persist::UnitSettings settings;
  settings.check_frequency =
      static_cast<persist::CheckFrequency>(from.always_persist);
  settings.add_cookie_port = from.add_port_to_active_cookie;
  settings.share_subvs = from.share_sub_service_persistence;
  return settings;
}
static_assert(static_cast<int>(config::AlwaysPersist::kEveryChange) ==
              static_cast<int>(persist::CheckFrequency::kEveryRequestAndStore));

}  // namespace

const ProxyPlans::Server& ProxyPlans::ServerOf(const ServerName& name) {
  const auto [known, is_new] = servers_.try_emplace(name);
  if (!is_new) return known->second;
  const auto taken = [&](uint16_t id) {
    return id == 0 ||
           std::any_of(servers_.begin(), servers_.end(),
                       [&](const auto& one) { return one.second.id == id; });
  };
  // Going round, so that a number is not given anew soon.
  if (servers_.size() > next_id_) {
    while (taken(next_id_)) ++next_id_;
  }
  known->second = {next_id_++, std::make_shared<l7::ServerCounters>(threads_)};
  return known->second;
}

uint32_t ProxyPlans::TableOf(const SubName& name) {
  const auto number = static_cast<uint32_t>(tables_.size() + 1);
  return tables_.emplace(name, number).first->second;
}

std::shared_ptr<l7::ServicePlan> ProxyPlans::Make(
    const config::Model& model, const config::VirtualService& config,
    const ProxySecrets& secrets) {
  const ServiceKey key(config.address, config.port);
  auto plan = std::make_shared<l7::ServicePlan>();
  plan->config = config;
  for (const auto& [name, pool] : PoolsOf(config)) {
    auto& ids = plan->ids.emplace_back();
    auto& counters = plan->counters.emplace_back();
    // Entries of sub services that share them lead to servers by address.
    const std::string entries_of(model.l7.share_sub_service_persistence ? ""
                                                                        : name);
    for (const config::RealServer& server : pool->servers) {
      const Server& known = ServerOf({key, entries_of, server.endpoint});
      ids.push_back(known.id);
      counters.push_back(known.counters);
    }
    plan->tables.push_back(TableOf({key, entries_of}));
    if (config.l7->sub_services.empty()) continue;
    auto& own = sub_counters_[{key, std::string(name)}];
    if (own == nullptr) {
      own = std::make_shared<l7::ServerCounters>(threads_);
    }
    plan->sub_counters.push_back(own);
  }
  plan->persistence = UnitSettingsOf(model.l7);
  plan->real_servers_are_local = model.l7.real_servers_are_local;
  plan->secret = secrets.persistence;
  plan->cookie_secrets = secrets.cookies;
  plan->service_id =
      l4::ServiceId(config.protocol, config.address, config.port);
  plan->store = store_;
  return plan;
}

void ProxyPlans::KeepOnly(const ProxiedServices& services) {
  std::map<ServerName, Server> kept;
  for (auto& [name, server] : servers_) {
    const auto service = services.find(std::get<0>(name));
    if (service == services.end()) continue;
    for (const auto& ids : service->second.plan->ids) {
      if (std::find(ids.begin(), ids.end(), server.id) != ids.end()) {
        kept[name] = server;
      }
    }
  }
  servers_ = std::move(kept);
  std::erase_if(sub_counters_, [&](const auto& one) {
    const auto service = services.find(one.first.first);
    if (service == services.end()) return true;
    const auto& used = service->second.plan->sub_counters;
    return std::find(used.begin(), used.end(), one.second) == used.end();
  });
}

}  // namespace ballast::run
