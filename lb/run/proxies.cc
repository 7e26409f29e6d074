#include "lb/run/proxies.h"

#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "io/tcp_socket.h"
#include "lb/config/schedule_method.h"
#include "lb/l4/plan.h"

namespace ballast::run {
namespace {

constexpr size_t kErrorPageBytesMax = 1 << 20;

// A key of its own for each use of a secret.
std::array<uint8_t, 32> Derive(const config::L7Secret& secret,
                               absl::string_view use) {
  std::array<uint8_t, 32> key;
  unsigned int length = 0;
  HMAC(EVP_sha256(), secret.data(), secret.size(),
       reinterpret_cast<const uint8_t*>(use.data()), use.size(), key.data(),
       &length);
  return key;
}
SipKey DeriveSip(const config::L7Secret& secret, absl::string_view use) {
  const auto key = Derive(secret, use);
  return {LoadBig64(key.data()), LoadBig64(key.data() + 8)};
}

std::vector<Endpoint> PortsOf(const config::VirtualService& service) {
  std::vector<Endpoint> ports = {{service.address, service.port}};
  for (const config::PortRange& range : service.extra_ports) {
    for (uint32_t port = range.first; port <= range.last; ++port) {
      ports.push_back({service.address, static_cast<uint16_t>(port)});
    }
  }
  return ports;
}

l7::HttpSettings SettingsOf(const config::Model& model,
                            const config::VirtualService& service) {
  const config::L7Service& l7 = *service.l7;
  l7::HttpSettings settings;
  settings.stream.idle_timeout = service.idle_timeout;
  settings.stream.connect_timeout = service.check.timeout;
  settings.stream.server_speaks_first = l7.server_initiating;
  settings.limits.head_size_max =
      static_cast<uint32_t>(model.l7.head_bytes_max);
  settings.limits.target_size_max =
      std::min(settings.limits.target_size_max, settings.limits.head_size_max);
  settings.limits.field_size_max =
      std::min(settings.limits.field_size_max, settings.limits.head_size_max);
  settings.limits.fields_max =
      static_cast<uint32_t>(model.l7.header_fields_max);
  l7::ForwardingFields& forwarding = settings.forwarding;
  switch (l7.client_header) {
    case config::ClientHeader::kNone:
      break;
    case config::ClientHeader::kXForwardedFor:
      forwarding.x_forwarded_for = l7::ForwardingFields::List::kAppend;
      forwarding.x_forwarded_proto = true;
      forwarding.x_forwarded_host = true;
      break;
    case config::ClientHeader::kForwarded:
      forwarding.forwarded = l7::ForwardingFields::List::kAppend;
      break;
  }
  if (l7.via) forwarding.via = "ballast";
  return settings;
}

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

// Whether this host has the addresses that servers are to see, or will have
// them with the floating ones.
absl::Status CheckSources(const config::Model& model,
                          const l7::LocalNetworks& networks) {
  for (const config::VirtualService& service : model.services) {
    if (!service.l7.has_value() || service.l7->transparent) continue;
    for (const Address& source : service.l7->alternate_sources) {
      const bool floating = std::any_of(
          model.floating_addresses.begin(), model.floating_addresses.end(),
          [&](const auto& one) { return one.address == source; });
      if (floating || networks.Own(source)) continue;
      return absl::NotFoundError(
          absl::StrCat("l7.alternate_source_addresses of ",
                       Endpoint{service.address, service.port}.ToString(), ": ",
                       source.ToString(), " is on no interface of this host"));
    }
  }
  return absl::OkStatus();
}

// The pools of a service, each with the name of its sub service.
std::vector<std::pair<std::string, const config::ServerPool*>> PoolsOf(
    const config::VirtualService& service) {
  std::vector<std::pair<std::string, const config::ServerPool*>> pools;
  for (const config::SubService& sub : service.l7->sub_services) {
    pools.emplace_back(sub.name, &sub);
  }
  if (pools.empty()) pools.emplace_back("", &service);
  return pools;
}

}  // namespace

bool Proxies::Wanted(const config::Model& model) {
  return std::any_of(
      model.services.begin(), model.services.end(),
      [](const auto& service) { return service.l7.has_value(); });
}

Proxies::Proxies(Reactor& reactor, Options options)
    : reactor_(reactor),
      options_(std::move(options)),
      networks_(options_.networks) {}

void Proxies::SetSecrets(const Secrets& secrets) {
  persistence_secret_ = DeriveSip(secrets[0], "persistence");
  ticket_keys_.clear();
  for (const config::L7Secret& secret : secrets) {
    ticket_keys_.push_back(tls::MakeTicketKey(Derive(secret, "TLS tickets")));
  }
  cookie_secrets_.clear();
  for (const config::L7Secret& secret : secrets) {
    if (cookie_secrets_.size() == persist::ActiveCookies::kSecretsMax) break;
    cookie_secrets_.push_back(DeriveSip(secret, "active cookie"));
  }
}

absl::StatusOr<std::unique_ptr<Proxies>> Proxies::Create(
    Reactor& reactor, Options options, const config::Model& model,
    const Secrets& secrets) {
  BALLAST_CHECK(options.store != nullptr);
  std::unique_ptr<Proxies> proxies(new Proxies(reactor, std::move(options)));
  BALLAST_RETURN_IF_ERROR(proxies->Start(model, secrets));
  return proxies;
}

absl::Status Proxies::Start(const config::Model& model,
                            const Secrets& secrets) {
  uint8_t key[16];
  FillRandom(key);
  limiter_ = std::make_shared<l7::Limiter>(l7::Limiter::Options{
      // Of its service, and of the unit.
      .clients_max = size_t{model.limits.l7_connections} * 2,
      .key = {LoadBig64(key), LoadBig64(key + 8)}});
  health_ = std::make_unique<HealthChecker>(
      reactor_,
      [this](uint16_t id, bool up, health::Reason) { OnHealth(id, up); },
      HealthChecker::Options{
          .source = {},
          .following = options_.following,
          .on_answer = [this](uint16_t id, absl::Duration time) {
            weights_->OnAnswered(id, time);
          }});
  weights_ = std::make_unique<WeightWatch>(
      reactor_, WeightWatch::Options(),
      [this] {
        TellWeights();
        news_->Send();
      },
      options_.log);
  const auto threads = static_cast<size_t>(model.threads);
  for (size_t i = 0; i < threads; ++i) {
    ProxyThread::Options options;
    options.connections_max = model.limits.l7_connections / threads;
    options.pool.per_key_max = model.l7.idle_server_connections;
    options.reactor.log = options_.log;
    // Three TLS records: enough that a send of what comes at once is worth its
    // call, and little enough to stay in the cache between the two.
    options.reactor.buffer_size = 48 << 10;
    options.reactor.buffer_count = 256;
    if (options_.force_epoll) {
      options.reactor.backend = ReactorOptions::Backend::kEpoll;
    }
    uint8_t random[8];
    FillRandom(random);
    options.random = LoadBig64(random);
    auto& application = applications_.emplace_back();
    if (options_.application) {
      application = options_.application(static_cast<int>(i));
      if (application == nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat("application: none made for thread ", i));
      }
    }
    options.notices = &notices_;
    BALLAST_ASSIGN_OR_RETURN(auto thread, ProxyThread::Start(options));
    threads_.push_back(std::move(thread));
  }
  news_ = std::make_unique<ServerNews>(threads_);
  return Apply(model, secrets);
}

const Proxies::Server& Proxies::ServerOf(const ServerName& name) {
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
  known->second = {next_id_++,
                   std::make_shared<l7::ServerCounters>(threads_.size())};
  return known->second;
}

uint32_t Proxies::TableOf(const ServiceKey& service, const std::string& sub) {
  const auto number = static_cast<uint32_t>(tables_.size() + 1);
  return tables_.emplace(std::pair(service, sub), number).first->second;
}

std::shared_ptr<const l7::ServicePlan> Proxies::MakePlan(
    const config::Model& model, const config::VirtualService& config) {
  const ServiceKey key(config.address, config.port);
  auto plan = std::make_shared<l7::ServicePlan>();
  plan->config = config;
  for (const auto& [name, pool] : PoolsOf(config)) {
    auto& ids = plan->ids.emplace_back();
    auto& counters = plan->counters.emplace_back();
    // Entries of sub services that share them lead to servers by address.
    const bool shared = model.l7.share_sub_service_persistence;
    for (const config::RealServer& server : pool->servers) {
      const Server& known =
          ServerOf({key, shared ? std::string() : name, server.endpoint});
      ids.push_back(known.id);
      counters.push_back(known.counters);
    }
    plan->tables.push_back(TableOf(key, shared ? std::string() : name));
    if (config.l7->sub_services.empty()) continue;
    auto& own = sub_counters_[{key, name}];
    if (own == nullptr) {
      own = std::make_shared<l7::ServerCounters>(threads_.size());
    }
    plan->sub_counters.push_back(own);
  }
  plan->persistence = UnitSettingsOf(model.l7);
  plan->real_servers_are_local = model.l7.real_servers_are_local;
  plan->secret = persistence_secret_;
  plan->cookie_secrets = cookie_secrets_;
  plan->service_id =
      l4::ServiceId(config.protocol, config.address, config.port);
  plan->store = options_.store;
  return plan;
}

absl::Status Proxies::Apply(const config::Model& model,
                            const Secrets& secrets) {
  BALLAST_CHECK(!secrets.empty());
  BALLAST_RETURN_IF_ERROR(CheckSources(model, *networks_));
  SetSecrets(secrets);
  struct Prepared {
    const config::VirtualService* config;
    std::string error_page;
    std::shared_ptr<const tls::ServerContext> tls;
    std::shared_ptr<const ServersTls> servers_tls;
    std::vector<std::vector<UniqueFd>>
        listeners;  // By thread; none: as before.
  };
  std::vector<Prepared> prepared;
  for (const config::VirtualService& service : model.services) {
    if (!service.l7.has_value() || !service.enabled) continue;
    Prepared& one = prepared.emplace_back();
    one.config = &service;
    if (!service.l7->error_page_file.empty()) {
      BALLAST_ASSIGN_OR_RETURN(
          const auto page,
          ReadFile(service.l7->error_page_file, kErrorPageBytesMax));
      one.error_page.assign(page.begin(), page.end());
    }
    if (service.l7->tls.has_value()) {
      BALLAST_ASSIGN_OR_RETURN(one.tls, MakeClientsTls(service, ticket_keys_));
    }
    const auto running = services_.find({service.address, service.port});
    if (service.l7->reencrypt.has_value()) {
      BALLAST_ASSIGN_OR_RETURN(
          one.servers_tls, ServersTls::Make(service,
                                            running == services_.end()
                                                ? nullptr
                                                : running->second.servers_tls,
                                            ++tls_settings_));
    }
    if (running != services_.end() &&
        running->second.plan->config.extra_ports == service.extra_ports) {
      continue;
    }
    one.listeners.resize(threads_.size());
    for (auto& listeners : one.listeners) {
      for (const Endpoint& port : PortsOf(service)) {
        BALLAST_ASSIGN_OR_RETURN(
            UniqueFd fd, ListenTcp(port, {.foreign = !service.l7->host_address,
                                          .shared = true}));
        listeners.push_back(std::move(fd));
      }
    }
  }

  ProxiedServices services;
  std::vector<std::vector<ProxyThread::Placed>> placed(threads_.size());
  for (Prepared& one : prepared) {
    const ServiceKey key(one.config->address, one.config->port);
    auto plan =
        std::make_shared<l7::ServicePlan>(*MakePlan(model, *one.config));
    plan->error_page = std::move(one.error_page);
    ProxiedService& service = services[key];
    if (const auto before = services_.find(key); before != services_.end()) {
      service = before->second;
    }
    service.plan = plan;
    if (service.limits == nullptr) service.limits = limiter_->NewService();
    service.limits->Set(reactor_.Now(), one.config->l7->limits);
    if (service.servers_tls != one.servers_tls) {
      service.servers_tls = one.servers_tls;
      service.server_tls.clear();
    }
    for (size_t i = 0; i < threads_.size(); ++i) {
      if (service.choosers.size() == i) {
        service.choosers.push_back(
            std::make_shared<l7::ServiceChooser>(applications_[i].get(), i));
        service.choosers.back()->SetNetworks(networks_);
        service.counted.push_back(std::make_shared<ProxyService::Counted>());
      }
      auto proxied = std::make_shared<ProxyService>();
      proxied->id = plan->service_id;
      proxied->http = one.config->l7->type == config::L7Type::kHttp;
      proxied->settings = SettingsOf(model, *one.config);
      proxied->qos = one.config->l7->qos;
      proxied->tls = one.tls;
      if (service.servers_tls != nullptr) {
        if (service.server_tls.size() == i) {
          service.server_tls.push_back(service.servers_tls->MakeForThread());
        }
        proxied->server_tls = service.server_tls[i];
      }
      proxied->chooser = service.choosers[i];
      proxied->counted = service.counted[i];
      proxied->limits = service.limits;
      placed[i].push_back({std::move(proxied), {}});
      if (!one.listeners.empty()) {
        placed[i].back().listeners = std::move(one.listeners[i]);
      }
    }
  }
  services_ = std::move(services);
  limiter_->Set(reactor_.Now(), model.l7.limits);
  std::vector<std::future<void>> applied;
  for (size_t i = 0; i < threads_.size(); ++i) {
    struct Part {
      std::shared_ptr<l7::ServiceChooser> chooser;
      std::shared_ptr<const l7::ServicePlan> plan;
    };
    std::vector<Part> parts;
    for (const auto& [key, service] : services_) {
      parts.push_back({service.choosers[i], service.plan});
    }
    applied.push_back(threads_[i]->PostAlways(
        [parts = std::move(parts),
         placed = std::move(placed[i])](ProxyThread& thread) mutable {
          for (const Part& part : parts) {
            part.chooser->Apply(thread.Now(), part.plan);
          }
          thread.SetServices(std::move(placed));
        }));
  }
  const auto patience = std::chrono::steady_clock::now() +
                        absl::ToChronoMilliseconds(kApplyPatience);
  for (const auto& one : applied) one.wait_until(patience);
  ForgetOthers();
  drop_on_fail_ = model.drop_on_fail;
  SetHealthTargets();
  WatchDrains(reactor_.Now());
  return absl::OkStatus();
}

void Proxies::ForgetOthers() {
  std::map<ServerName, Server> kept;
  for (auto& [name, server] : servers_) {
    const auto service = services_.find(std::get<0>(name));
    if (service == services_.end()) continue;
    for (const auto& ids : service->second.plan->ids) {
      if (std::find(ids.begin(), ids.end(), server.id) != ids.end()) {
        kept[name] = server;
      }
    }
  }
  servers_ = std::move(kept);
  std::erase_if(sub_counters_, [this](const auto& one) {
    const auto service = services_.find(one.first.first);
    if (service == services_.end()) return true;
    const auto& used = service->second.plan->sub_counters;
    return std::find(used.begin(), used.end(), one.second) == used.end();
  });
}

void Proxies::SetNetworks(std::shared_ptr<const l7::LocalNetworks> networks) {
  if (*networks == *networks_) return;
  networks_ = std::move(networks);
  networks_owed_.assign(threads_.size(), true);
  TellNetworks();
}

void Proxies::TellNetworks() {
  for (size_t i = 0; i < networks_owed_.size(); ++i) {
    if (!networks_owed_[i]) continue;
    std::vector<std::shared_ptr<l7::ServiceChooser>> choosers;
    for (const auto& [key, service] : services_) {
      choosers.push_back(service.choosers[i]);
    }
    networks_owed_[i] = !threads_[i]->Post(
        [choosers = std::move(choosers), networks = networks_](ProxyThread&) {
          for (const auto& chooser : choosers) chooser->SetNetworks(networks);
        });
  }
}

void Proxies::AddTables(std::vector<L7Sync::Table>& tables) const {
  for (const auto& [key, service] : services_) {
    for (L7Sync::Table& table : L7Sync::TablesOf(*service.plan)) {
      tables.push_back(std::move(table));
    }
  }
}

void Proxies::Leave() {
  for (const auto& thread : threads_) {
    leaving_.push_back(
        thread->PostAlways([](ProxyThread& self) { self.Leave(); }));
  }
}

bool Proxies::left() const {
  size_t connections = 0;
  for (size_t i = 0; i < leaving_.size(); ++i) {
    if (leaving_[i].wait_for(std::chrono::seconds(0)) !=
        std::future_status::ready) {
      return false;
    }
    connections += threads_[i]->stats().connections;
  }
  return connections == 0;
}

void Proxies::SetHealthTargets() {
  std::vector<HealthChecker::Target> targets;
  std::vector<WeightWatch::Pool> moving_pools;
  std::set<uint16_t> known;
  std::set<uint16_t> weighed;
  for (const auto& [key, service] : services_) {
    const auto pools = PoolsOf(service.plan->config);
    for (size_t i = 0; i < pools.size(); ++i) {
      const config::ServerPool& pool = *pools[i].second;
      WeightWatch::Pool moving{
          .name = absl::StrCat("layer 7 ",
                               Endpoint{key.first, key.second}.ToString(), " ",
                               pools[i].first),
          .schedule = pool.schedule,
          .adaptive = pool.adaptive,
          .members = {}};
      for (size_t j = 0; j < pool.servers.size(); ++j) {
        Endpoint endpoint = pool.servers[j].endpoint;
        if (pool.check.port != 0) {
          endpoint.port = pool.check.port;
        } else if (endpoint.port == 0) {
          endpoint.port = key.second;
        }
        const auto id = static_cast<uint16_t>(service.plan->ids[i][j]);
        // Sub services that share their entries share their servers.
        if (config::WeightsMove(pool.schedule) && weighed.insert(id).second) {
          moving.members.push_back(
              {id, endpoint.address, pool.servers[j].weight});
        }
        if (!known.insert(id).second) continue;
        targets.push_back({id, endpoint, pool.check,
                           config::ServerIdentity{service.plan->config.protocol,
                                                  {key.first, key.second},
                                                  pools[i].first,
                                                  pool.servers[j].endpoint},
                           pool.servers[j].follow});
      }
      if (!moving.members.empty()) moving_pools.push_back(std::move(moving));
    }
  }
  health_->SetTargets(targets);
  weights_->SetPools(std::move(moving_pools));
  TellWeights();
  // A server that never answered is not reported as down.
  for (const auto& entry : services_) {
    const ProxiedService& service = entry.second;
    service.ForEachServer(
        [&](size_t, size_t, uint32_t id, const config::RealServer& server) {
          const bool up = health_->up(static_cast<uint16_t>(id));
          const ServerNews::Server news = NewsOf(service, id, server.endpoint);
          news_->Health(news, up);
          if (!up && drop_on_fail_) news_->Cut(news);
        });
  }
  news_->Send();
}

ServerNews::Server Proxies::NewsOf(const ProxiedService& service, uint32_t id,
                                   const Endpoint& endpoint) {
  return {.id = id,
          .endpoint = endpoint,
          .service = service.plan->service_id,
          .choosers = service.choosers};
}

void Proxies::TellWeights() {
  for (const auto& entry : services_) {
    const ProxiedService& service = entry.second;
    service.ForEachServer([&](size_t, size_t, uint32_t id,
                              const config::RealServer& server) {
      news_->Weight(
          NewsOf(service, id, server.endpoint),
          weights_->weight(static_cast<uint16_t>(id)).value_or(server.weight));
    });
  }
}

void Proxies::OnHealth(uint16_t id, bool up) {
  for (const auto& [name, server] : servers_) {
    if (server.id != id) continue;
    const auto& [key, sub, endpoint] = name;
    options_.log(
        absl::StrCat("layer 7 ", Endpoint{key.first, key.second}.ToString(),
                     " ", sub, ": server ", endpoint.ToString(),
                     up ? " up: " : " down: ", health_->status(id)->text));
    const auto service = services_.find(key);
    if (service == services_.end()) return;
    const ServerNews::Server news = NewsOf(service->second, id, endpoint);
    news_->Health(news, up);
    if (!up && drop_on_fail_) news_->Cut(news);
    news_->Send();
    return;
  }
}

void Proxies::WatchDrains(Instant now) {
  std::vector<l7::DrainWatch::Server> servers;
  for (const auto& [key, service] : services_) {
    service.ForEachServer(
        [&](size_t, size_t, uint32_t id, const config::RealServer& server) {
          servers.push_back({id, &server});
        });
  }
  const std::vector<uint32_t> due = drains_.Due(
      now, servers,
      [this](uint32_t id) { return options_.store->CountOf(id) > 0; });
  for (const auto& [name, server] : servers_) {
    if (std::find(due.begin(), due.end(), server.id) == due.end()) continue;
    const auto& [key, sub, endpoint] = name;
    options_.log(absl::StrCat(
        "layer 7 ", Endpoint{key.first, key.second}.ToString(), " ", sub,
        ": server ", endpoint.ToString(), " drained: its connections are cut"));
    news_->Cut(NewsOf(services_.at(key), server.id, endpoint));
  }
  news_->Send();
}

void Proxies::Tick(Instant now) {
  if (const auto line = notices_.Take()) {
    options_.log(absl::StrCat("layer 7: ", *line));
  }
  TellNetworks();
  WatchDrains(now);
  statistics_.Sample(now, services_);
}

void Proxies::Collect(Statistics* statistics) const {
  statistics_.Collect(
      services_, threads_, *limiter_, *options_.store,
      [this](uint32_t id) {
        const auto status = health_->status(static_cast<uint16_t>(id));
        if (!status.has_value()) return ServerHealth();
        return HealthShown(*status, reactor_.Now(),
                           weights_->weight(static_cast<uint16_t>(id)));
      },
      statistics);
}

}  // namespace ballast::run
