#include "lb/run/unit.h"

#include <poll.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "lb/config/schedule_method.h"
#include "lb/run/l7_secrets.h"

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
// Frames of one turn on the control thread before other work gets its chance.
constexpr int kRoundsMax = 16;

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
  log_ = options_.log;
  if (log_ == nullptr) {
    log_ = [](absl::string_view line) {
      std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()),
                   line.data());
    };
  }
  model_ = options_.model;
  BALLAST_RETURN_IF_ERROR(ReadKeys());
  ReactorOptions reactor_options;
  reactor_options.log = log_;
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
        log_(absl::StrCat(
            ProtocolName(service.protocol), " ",
            Endpoint{service.address, service.port}.ToString(), " ",
            service.name, ": server ", server->endpoint.ToString(),
            up ? " up: " : " down: ", health_->status(slot)->text));
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
  return active_ ? absl::OkStatus() : OpenPair();
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

absl::Status Unit::MakeLanes() {
  const uint32_t threads = static_cast<uint32_t>(model_->threads);
  const PacketSteering steering = network_->Steering(*model_);
  const AfPacketOptions packet_options = network_->PacketOptions();
  std::vector<std::unique_ptr<AfPacketIo>> ios;
  if (threads == 1) {
    BALLAST_ASSIGN_OR_RETURN(auto io, AfPacketIo::Create(packet_options));
    ios.push_back(std::move(io));
  } else {
    BALLAST_ASSIGN_OR_RETURN(ios,
                             AfPacketIo::CreateGroup(packet_options, steering));
  }
  const auto share = [threads](uint32_t limit) {
    return std::max<uint32_t>(1, (limit + threads - 1) / threads);
  };
  for (uint32_t i = 0; i < threads; ++i) {
    BALLAST_ASSIGN_OR_RETURN(
        auto director,
        l4::Director::Create(
            {.connections_max = share(model_->limits.connections),
             .persistence_entries_max =
                 share(model_->limits.persistence_entries),
             .fragments_max = share(model_->limits.fragments),
             .pending_frames_max = share(model_->limits.pending_frames),
             .table_key = table_key_,
             .source_key = source_key_,
             .answers_neighbours = i == 0,
             .keys = key_store_},
            plan_, network_->view(), MonotonicNow()));
    lanes_.push_back(
        std::make_unique<Lane>(std::move(ios[i]), std::move(director)));
  }
  RestoreFlows(steering);
  for (uint32_t i = 0; i < threads; ++i) {
    l4::Director& director = lanes_[i]->director();
    const Instant now = MonotonicNow();
    for (const Standing& server : StandingOfAll()) {
      director.SetHealthy(now, server.slot, server.up);
      director.SetWeight(server.slot, server.weight);
    }
    if (active_) {
      director.SetActive(now, true, options_.claim_at_once);
    } else {
      director.SetSync(MakeSyncOptions());
      director.SetFollowing(now, HearsEnds());
    }
  }
  // All counters first: a thread that starts reads the others'.
  const std::vector<const l4::AllCounters*> all = Counters();
  for (uint32_t i = 0; i < threads; ++i) {
    PacketRunner::Hooks hooks;
    hooks.on_wanted_hops = [this](std::vector<l4::NeighbourKey> keys) {
      const std::lock_guard lock(heard_mutex_);
      wanted_hops_.insert(wanted_hops_.end(), keys.begin(), keys.end());
      reactor_->Wake();
    };
    hooks.on_refused = [this](std::vector<l4::Slot> slots) {
      const std::lock_guard lock(heard_mutex_);
      refused_.insert(refused_.end(), slots.begin(), slots.end());
      reactor_->Wake();
    };
    hooks.on_address_news = [this](std::vector<l4::AddressClaim::News> news) {
      const std::lock_guard lock(heard_mutex_);
      address_news_.insert(address_news_.end(), news.begin(), news.end());
      reactor_->Wake();
    };
    if (!active_) {
      hooks.on_changes = [this, &has = lanes_[i]->has_changes()] {
        if (has.exchange(true)) return;
        changes_heard_ = true;
        reactor_->Wake();
      };
      hooks.lease_ns = &lease_ns_;
      hooks.clock = MonotonicNow;
    }
    for (uint32_t other = 0; other < threads; ++other) {
      if (other != i) hooks.others.push_back(all[other]);
    }
    if (options_.packets_on_control_thread) {
      lanes_[i]->StartHere(std::move(hooks));
    } else {
      BALLAST_RETURN_IF_ERROR(lanes_[i]->StartThread(std::move(hooks)));
    }
  }
  return absl::OkStatus();
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

std::vector<const l4::AllCounters*> Unit::Counters() const {
  std::vector<const l4::AllCounters*> counters;
  for (const auto& lane : lanes_) counters.push_back(&lane->counters());
  return counters;
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

absl::Status Unit::Distribute() {
  const std::vector<Standing> servers = StandingOfAll();
  const PacketSteering steering = network_->Steering(*model_);
  for (size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    absl::Status status;
    const bool done = lane.Call([&, i](Instant now, l4::Director& director) {
      director.SetSourceKey(source_key_);
      director.Apply(now, plan_);
      for (const Standing& server : servers) {
        director.SetHealthy(now, server.slot, server.up);
        director.SetWeight(server.slot, server.weight);
      }
      if (i == 0 && lanes_.size() > 1) {
        status = lane.af_packet().SetSteering(steering);
      }
    });
    if (!done) {
      return absl::UnavailableError(
          absl::StrCat("packet thread ", i,
                       " takes no orders; it runs the former "
                       "configuration until a next reload"));
    }
    BALLAST_RETURN_IF_ERROR(status);
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

void Unit::PostView() {
  view_owed_ = false;
  for (const auto& lane : lanes_) {
    const bool posted = lane->Post(
        [view = network_->view()](Instant now, l4::Director& director) {
          director.SetView(now, view);
        });
    view_owed_ |= !posted;
  }
}

void Unit::PostHealth() {
  health_owed_ = false;
  const std::vector<Standing> servers = StandingOfAll();
  for (const auto& lane : lanes_) {
    const bool posted =
        lane->Post([servers](Instant now, l4::Director& director) {
          for (const Standing& server : servers) {
            if (director.choice().healthy(server.slot) != server.up) {
              director.SetHealthy(now, server.slot, server.up);
            }
            director.SetWeight(server.slot, server.weight);
          }
        });
    health_owed_ |= !posted;
  }
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
    log_(absl::StrCat(address.ToString(), NewsText(kind)));
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

void Unit::RunPackets() {
  PacketRunner& runner = *lanes_[0]->runner();
  for (int round = 0; round < kRoundsMax; ++round) {
    if (runner.RunOnce(MonotonicNow()) == 0) return;
  }
  // There is more: go on in the next turn.
  if (packet_tick_.pending()) {
    reactor_->Cancel(&packet_tick_);
  } else {
    reactor_->Timeout(&packet_tick_, Instant());
  }
}

void Unit::OnPackets(Completion completion) {
  if (!ending_ && completion.more) RunPackets();
}

void Unit::OnPacketTick(Completion completion) {
  (void)completion;  // RunPackets() cancels it to be called at once.
  if (ending_) return;
  RunPackets();
  if (!packet_tick_.pending()) {
    reactor_->Timeout(&packet_tick_, reactor_->Now() + PacketRunner::kTick);
  }
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

std::vector<std::string> Unit::ListConnections(size_t count_max) {
  std::vector<std::string> lines;
  for (const auto& lane : lanes_) {
    // A refused order leaves this lane's out.
    (void)lane->Call([&](Instant now, l4::Director& director) {
      l4::Director::ExportCursor cursor;
      std::array<l4::FlowRecord, 256> records;
      while (!cursor.done && lines.size() < count_max) {
        const size_t count = director.Export(now, cursor, records);
        for (size_t i = 0; i < count && lines.size() < count_max; ++i) {
          const l4::FlowRecord& record = records[i];
          if (record.kind != l4::FlowRecord::Kind::kFlow) continue;
          const bool tcp = record.client_side.protocol == Protocol::kTcp;
          lines.push_back(absl::StrCat(
              record.client_side.ToString(), " -> ", record.server.ToString(),
              " ", tcp ? l4::TcpStateName(record.state) : "-", " idle ",
              record.idle_ms / 1000, "s"));
        }
      }
    });
  }
  return lines;
}

}  // namespace run
}  // namespace ballast
