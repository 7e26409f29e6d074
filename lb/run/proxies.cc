#include "lb/run/proxies.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "io/tcp_socket.h"

namespace ballast::run {
namespace {

constexpr size_t kErrorPageBytesMax = 1 << 20;

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

}  // namespace

bool Proxies::Wanted(const config::Model& model) {
  return std::any_of(
      model.services.begin(), model.services.end(),
      [](const auto& service) { return service.l7.has_value(); });
}

Proxies::Proxies(Reactor& reactor, Options options, size_t threads)
    : reactor_(reactor),
      options_(std::move(options)),
      networks_(options_.networks),
      plans_(options_.store, threads) {}

absl::StatusOr<std::unique_ptr<Proxies>> Proxies::Create(
    Reactor& reactor, Options options, const config::Model& model,
    const Secrets& secrets) {
  BALLAST_CHECK(options.store != nullptr);
  std::unique_ptr<Proxies> proxies(new Proxies(
      reactor, std::move(options), static_cast<size_t>(model.threads)));
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
  const auto threads = static_cast<size_t>(model.threads);
  for (size_t i = 0; i < threads; ++i) {
    ProxyThread::Options options;
    options.connections_max = model.limits.l7_connections / threads;
    options.pool.per_key_max = model.l7.idle_server_connections;
    options.reactor.log = [this](absl::string_view line) {
      options_.log({LogLevel::kWarning, "no_io_uring", std::string(line)});
    };
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
  health_ = std::make_unique<ProxyHealth>(
      reactor_,
      ProxyHealth::Options{options_.store, options_.log, options_.following},
      services_, threads_);
  return Apply(model, secrets);
}

absl::Status Proxies::Apply(const config::Model& model,
                            const Secrets& secrets) {
  BALLAST_RETURN_IF_ERROR(CheckSources(model, *networks_));
  const ProxySecrets derived = DeriveProxySecrets(secrets);
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
      BALLAST_ASSIGN_OR_RETURN(one.tls,
                               MakeClientsTls(service, derived.tickets));
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
    const std::pair key(one.config->address, one.config->port);
    auto plan = plans_.Make(model, *one.config, derived);
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
      proxied->endpoint = {one.config->address, one.config->port};
      proxied->http = one.config->l7->type == config::L7Type::kHttp;
      service.settings = SettingsOf(model, *one.config);
      proxied->settings = service.settings;
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
  plans_.KeepOnly(services_);
  health_->OnServices(model);
  return absl::OkStatus();
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

void Proxies::Tick(Instant now) {
  if (const auto line = notices_.Take()) {
    options_.log({LogLevel::kWarning, "server_tls_failed",
                  absl::StrCat("layer 7: ", *line)});
  }
  TellNetworks();
  health_->Tick(now);
  statistics_.Sample(now, services_);
}

void Proxies::Collect(Statistics* statistics) const {
  statistics_.Collect(
      services_, threads_, *limiter_, *options_.store,
      [this](uint32_t id) { return health_->Of(id); }, statistics);
}

}  // namespace ballast::run
