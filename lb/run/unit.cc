#include "lb/run/unit.h"

#include <poll.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "lb/config/schedule_method.h"
#include "lb/run/l7_secrets.h"
#include "lb/run/stderr_log.h"

namespace ballast {

absl::StatusOr<std::unique_ptr<Balancer>> Balancer::Create(Options options) {
  return run::Unit::Create(std::move(options));
}

namespace run {
namespace {

// Bursts of network changes become one new view.
constexpr absl::Duration kNetworkPause = absl::Milliseconds(10);
constexpr int kRefreshSeconds = 5;
// Expired persistence entries freed each second: a few milliseconds' worth.
constexpr size_t kKeysAdvanced = 50'000;
const char* NewsText(l4::AddressClaim::News::Kind kind) {
  switch (kind) {
    case l4::AddressClaim::News::Kind::kInUse:
      return ": in use by another host: not claimed until that is gone";
    case l4::AddressClaim::News::Kind::kDefended:
      return ": another host claims it too: announced again";
    case l4::AddressClaim::News::Kind::kClaimedAfterUse:
      return ": free now, claimed";
  }
  return "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Balancer>> Unit::Create(Options options) {
  if (options.model == nullptr) {
    return absl::InvalidArgumentError("model: none given");
  }
  if (options.packets_on_control_thread && options.model->threads != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads: ", options.model->threads,
                     ", must be 1 with packets_on_control_thread"));
  }
  std::unique_ptr<Unit> unit(new Unit(std::move(options)));
  BALLAST_RETURN_IF_ERROR(unit->Start());
  return std::unique_ptr<Balancer>(std::move(unit));
}

absl::Status Unit::Start() {
  log_ = LogOrStandardError(options_.log);
  model_ = options_.model;
  BALLAST_RETURN_IF_ERROR(ReadKeys());
  ReactorOptions reactor_options;
  reactor_options.log = [this](absl::string_view line) {
    log_({LogLevel::kWarning, "no_io_uring", std::string(line)});
  };
  reactor_options.buffer_count = 16;  // Health checks alone receive streams.
  if (options_.force_epoll) {
    reactor_options.backend = ReactorOptions::Backend::kEpoll;
  }
  BALLAST_ASSIGN_OR_RETURN(reactor_, MakeReactor(reactor_options));
  BALLAST_ASSIGN_OR_RETURN(
      key_store_, persist::KeyStore::Create(
                      {.limit = model_->limits.l7_persistence_entries}));
  BALLAST_ASSIGN_OR_RETURN(network_, Network::Open(*model_, log_));
  health_ = std::make_unique<HealthChecker>(
      *reactor_,
      [this](uint16_t slot, bool up, health::Reason) {
        const l4::PlanServer* server = plan_->server(slot);
        if (server == nullptr) return;
        const config::VirtualService& service =
            plan_->service(server->service)->config;
        const std::string name =
            absl::StrCat(ProtocolName(service.protocol), " ",
                         Endpoint{service.address, service.port}.ToString());
        const std::string why = health_->status(slot)->text;
        log_({up ? LogLevel::kInfo : LogLevel::kWarning,
              up ? "server_up" : "server_down",
              absl::StrCat(name, " ", service.name, ": server ",
                           server->endpoint.ToString(),
                           up ? " up: " : " down: ", why),
              {{"service", name},
               {"service_name", service.name},
               {"server", server->endpoint.ToString()},
               {"reason", why}}});
        PostHealth();
      },
      HealthChecker::Options{
          .source = {},
          .following = &following_,
          .on_answer = [this](uint16_t slot, absl::Duration time) {
            weights_->OnAnswered(slot, time);
          }});
  weights_ = std::make_unique<WeightWatch>(
      *reactor_, WeightWatch::Options(), [this] { PostHealth(); }, log_);
  BALLAST_ASSIGN_OR_RETURN(plan_, BuildPlan(model_));
  SetHealthTargets();
  active_ = model_->ha.mode == ha::Mode::kNone;
  network_->SetFloating(*model_, active_);
  // The kernel looks for the servers before the first flow needs them.
  if (!model_->interfaces.empty()) BALLAST_RETURN_IF_ERROR(MakeLanes());
  BALLAST_RETURN_IF_ERROR(ApplyToProxies(*model_));

  reactor_->Poll(&network_op_, network_->fd(), POLLIN);
  reactor_->Timeout(&second_, MonotonicNow() + absl::Seconds(1));
  reactor_->AwaitWake(&wake_);
  if (options_.packets_on_control_thread && !lanes_.empty()) {
    reactor_->Poll(&packets_op_, lanes_[0]->fd(), POLLIN);
    reactor_->Timeout(&packet_tick_, MonotonicNow());
  }
  table_ = std::make_unique<LanesStateTable>(lanes_);
  table_->SetSteering(network_->Steering(*model_));
  if (!active_) BALLAST_RETURN_IF_ERROR(OpenPair());
  return OpenConnectionSync(*model_);
}

Unit::~Unit() {
  ending_ = true;
  // Nobody wakes the reactor any more; then nothing polls the lanes' sockets.
  // What it still delivers while it ends finds `ending_`.
  for (const auto& lane : lanes_) lane->Stop();
  ClosePair();
  proxies_.reset();
  health_.reset();
  weights_.reset();
  reactor_.reset();
  lanes_.clear();
}

absl::StatusOr<std::shared_ptr<const l4::Plan>> Unit::BuildPlan(
    std::shared_ptr<const config::Model> model) {
  return builder_.Build(
      std::move(model), MonotonicNow(), [this](l4::Slot slot) {
        for (const l4::AllCounters* counters : Counters()) {
          const l4::ServerCounters* server = counters->servers.Get(slot);
          if (server != nullptr && server->open.value() > 0) return true;
        }
        return false;
      });
}

void Unit::SetHealthTargets() {
  std::vector<HealthChecker::Target> targets;
  std::vector<WeightWatch::Pool> pools;
  for (l4::Slot slot = 0; slot < plan_->service_slots(); ++slot) {
    const l4::PlanService* service = plan_->service(slot);
    if (service == nullptr) continue;
    const config::VirtualService& config = service->config;
    WeightWatch::Pool* moving = nullptr;
    if (config::WeightsMove(config.schedule)) {
      moving = &pools.emplace_back();
      moving->name = absl::StrCat(
          ProtocolName(config.protocol), " ",
          Endpoint{config.address, config.port}.ToString(), " ", config.name);
      moving->schedule = config.schedule;
      moving->adaptive = config.adaptive;
    }
    for (size_t i = 0; i < service->servers.size(); ++i) {
      const l4::Slot server_slot = service->servers[i];
      Endpoint endpoint = plan_->server(server_slot)->endpoint;
      if (moving != nullptr) {
        moving->members.push_back(
            {server_slot, endpoint.address, config.servers[i].weight});
      }
      if (config.check.port != 0) {
        endpoint.port = config.check.port;
      } else if (endpoint.port == 0) {
        endpoint.port = config.port;
      }
      targets.push_back({server_slot, endpoint, config.check,
                         config::ServerIdentity{config.protocol,
                                                {config.address, config.port},
                                                "",
                                                config.servers[i].endpoint},
                         config.servers[i].follow});
    }
  }
  health_->SetTargets(targets);
  weights_->SetPools(std::move(pools));
}

std::vector<Unit::Standing> Unit::StandingOfAll() const {
  std::vector<Standing> all;
  for (l4::Slot slot = 0; slot < plan_->server_slots(); ++slot) {
    const l4::PlanServer* server = plan_->server(slot);
    if (server == nullptr) continue;
    all.push_back(
        {slot, IsUp(slot), weights_->weight(slot).value_or(server->weight)});
  }
  return all;
}

bool Unit::IsUp(l4::Slot slot) const { return health_->up(slot); }

ServerHealth Unit::HealthOf(l4::Slot slot) const {
  const auto status = health_->status(slot);
  // Sorry servers are assumed up; a removed one takes nothing any more.
  if (!status.has_value()) {
    const l4::PlanServer* server = plan_->server(slot);
    return server != nullptr && server->sorry
               ? ServerHealth{true, "not checked"}
               : ServerHealth{false, "removed"};
  }
  return HealthShown(*status, reactor_->Now(), weights_->weight(slot));
}

absl::Status Unit::CheckApply(const config::Model& model) const {
  if (partner_ != nullptr && !OnlyOwnPartDiffers(model)) {
    BALLAST_RETURN_IF_ERROR(partner_->MayChangeConfig());
  }
  return CheckUnchanged(model);
}

absl::Status Unit::Apply(std::shared_ptr<const config::Model> model) {
  BALLAST_RETURN_IF_ERROR(CheckApply(*model));
  return ApplyAny(std::move(model));
}

absl::Status Unit::CheckUnchanged(const config::Model& model) const {
  const auto fixed = [&](bool same, const char* field) -> absl::Status {
    if (same) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        field, ": cannot change while running; restart to apply it"));
  };
  BALLAST_RETURN_IF_ERROR(
      fixed(model.interfaces == model_->interfaces, "interfaces"));
  BALLAST_RETURN_IF_ERROR(fixed(model.threads == model_->threads, "threads"));
  BALLAST_RETURN_IF_ERROR(fixed(model.limits == model_->limits, "limits"));
  BALLAST_RETURN_IF_ERROR(
      fixed(model.punt_interface == model_->punt_interface, "punt_interface"));
  BALLAST_RETURN_IF_ERROR(
      fixed(model.state_dir == model_->state_dir, "state_dir"));
  BALLAST_RETURN_IF_ERROR(fixed(
      model.l7.idle_server_connections == model_->l7.idle_server_connections,
      "l7.idle_server_connections"));
  if (active_) {  // Its clients would be placed anew.
    BALLAST_RETURN_IF_ERROR(
        fixed(model.hash_key == model_->hash_key, "hash_key"));
  }
  return CheckPairUnchanged(model);
}

absl::Status Unit::ApplyAny(std::shared_ptr<const config::Model> model) {
  BALLAST_RETURN_IF_ERROR(CheckUnchanged(*model));
  ReadNetwork();  // Addresses may have been added for this configuration.
  BALLAST_ASSIGN_OR_RETURN(auto plan, BuildPlan(model));
  BALLAST_RETURN_IF_ERROR(ApplyToProxies(*model));
  BALLAST_RETURN_IF_ERROR(ApplyConnectionSync(*model));
  plan_ = std::move(plan);
  model_ = std::move(model);
  source_key_ = model_->hash_key.value_or(source_key_);
  SetHealthTargets();
  network_->SetFloating(*model_, active_);
  NameEntries();
  ApplyToPair();
  return Distribute();
}

absl::Status Unit::ApplyToProxies(const config::Model& model) {
  BALLAST_RETURN_IF_ERROR(network_->SetTransparent(model));
  if (proxies_ == nullptr && !Proxies::Wanted(model)) return absl::OkStatus();
  Proxies::Secrets secrets = model.l7.secrets;
  if (secrets.empty()) {
    if (!l7_secret_.has_value()) {
      BALLAST_ASSIGN_OR_RETURN(l7_secret_, ReadL7Secret(model));
    }
    secrets.push_back(*l7_secret_);
  }
  if (proxies_ != nullptr) {
    BALLAST_RETURN_IF_ERROR(proxies_->Apply(model, secrets));
  } else {
    Proxies::Options options;
    options.store = key_store_;
    options.log = log_;
    options.application = options_.application;
    options.networks = network_->local();
    options.following = &following_;
    options.force_epoll = options_.force_epoll;
    BALLAST_ASSIGN_OR_RETURN(
        proxies_,
        Proxies::Create(*reactor_, std::move(options), model, secrets));
  }
  return absl::OkStatus();
}

absl::Status Unit::SetServerState(const Endpoint& service, Protocol protocol,
                                  const Endpoint& server,
                                  config::AdminState state) {
  auto model = std::make_shared<config::Model>(*model_);
  for (config::VirtualService& candidate : model->services) {
    if (candidate.address != service.address ||
        candidate.port != service.port || candidate.protocol != protocol) {
      continue;
    }
    for (config::RealServer& real : candidate.servers) {
      if (real.endpoint != server) continue;
      real.state = state;
      return Apply(std::move(model));
    }
    return absl::NotFoundError(absl::StrCat(
        "real_servers: no ", server.ToString(), " in ", service.ToString()));
  }
  return absl::NotFoundError(absl::StrCat("virtual_services: no ",
                                          ProtocolName(protocol), " ",
                                          service.ToString()));
}

void Unit::OnNetwork(Completion completion) {
  if (ending_ || !completion.more) return;
  if (!network_timer_.pending()) {
    reactor_->Timeout(&network_timer_, reactor_->Now() + kNetworkPause);
  }
}

void Unit::OnNetworkTimer(Completion completion) {
  if (!ending_ && completion.result == 0) UpdateNetwork();
}

// The rest is UpdateNetwork()'s, soon: a configuration may come out of the
// partner's calls, and links are the partner's news.
void Unit::ReadNetwork() {
  network_owed_ |= network_->Update();
  if (!network_timer_.pending()) {
    reactor_->Timeout(&network_timer_, reactor_->Now() + kNetworkPause);
  }
  if (proxies_ != nullptr) proxies_->SetNetworks(network_->local());
}

void Unit::UpdateNetwork() {
  network_owed_ |= network_->Update();
  const bool changed = std::exchange(network_owed_, false);
  UpdateLinks();
  if (!changed) return;
  network_->SetFloating(*model_, active_);
  if (proxies_ != nullptr) proxies_->SetNetworks(network_->local());
  PostView();
}

void Unit::OnWake(Completion completion) {
  if (ending_ || !completion.more) return;
  std::vector<l4::NeighbourKey> keys;
  std::vector<l4::Slot> refused;
  std::vector<l4::AddressClaim::News> news;
  {
    const std::lock_guard lock(heard_mutex_);
    keys.swap(wanted_hops_);
    refused.swap(refused_);
    news.swap(address_news_);
  }
  if (changes_heard_.exchange(false) && partner_ != nullptr) {
    partner_->OnTableChanged();
  }
  for (const l4::NeighbourKey& key : keys) network_->Resolve(key);
  for (const l4::Slot slot : refused) health_->OnFlowRefused(slot);
  for (const auto& [kind, address] : news) {
    const bool good = kind == l4::AddressClaim::News::Kind::kClaimedAfterUse;
    log_({good ? LogLevel::kInfo : LogLevel::kWarning,
          good ? "address_claimed" : "address_conflict",
          absl::StrCat(address.ToString(), NewsText(kind)),
          {{"address", address.ToString()}}});
  }
}

void Unit::OnSecond(Completion completion) {
  if (ending_ || completion.result != 0) return;
  statistics_.Sample(MonotonicNow(), *plan_, Counters());
  if (++seconds_ % kRefreshSeconds == 0) network_->Refresh();
  WatchPair();
  key_store_->Advance(MonotonicNow(), kKeysAdvanced);
  if (view_owed_) PostView();
  if (health_owed_) PostHealth();
  if (proxies_ != nullptr) proxies_->Tick(MonotonicNow());
  reactor_->Timeout(&second_, reactor_->Now() + absl::Seconds(1));
}

void Unit::RunOnce() { reactor_->RunOnce(Instant()); }

Statistics Unit::GetStatistics() const {
  std::vector<PacketIoStats> io;
  for (const auto& lane : lanes_) io.push_back(lane->io_stats());
  Statistics statistics = statistics_.Collect(
      *plan_, Counters(), io, [this](l4::Slot slot) { return HealthOf(slot); });
  if (proxies_ != nullptr) proxies_->Collect(&statistics);
  statistics.persistence_keys = key_store_->size();
  statistics.persistence_keys_refused = key_store_->stats().refused_full;
  statistics.active = active_;
  if (partner_ != nullptr) partner_->Collect(&statistics.pair);
  if (connection_sync_ != nullptr) {
    connection_sync_->Collect(&statistics.connection_sync);
  }
  if (l7_sync_ != nullptr) {
    PairStatistics& pair = statistics.pair;
    pair.l7_told = l7_sync_->stats().told;
    pair.l7_taken = l7_sync_->stats().taken;
    pair.l7_stale = l7_sync_->stats().stale;
    pair.l7_dropped = l7_sync_->stats().dropped;
    pair.l7_waiting = l7_sync_->waiting();
  }
  return statistics;
}

}  // namespace run
}  // namespace ballast
