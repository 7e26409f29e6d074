#include "lb/l7/service_chooser.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lb/l7/request_match.h"
#include "persist/extract.h"
#include "persist/follow.h"
#include "persist/request_view.h"

namespace ballast::l7 {
namespace {

persist::Settings SettingsOf(const config::Persistence& from) {
  persist::Settings settings;
  if (!from.enabled) return settings;
  // The same order, without "none".
  settings.mode = static_cast<persist::Mode>(static_cast<int>(from.mode) + 1);
  settings.timeout = from.timeout;
  (settings.mode == persist::Mode::kQueryItemHash ? settings.query_item
                                                  : settings.name) = from.name;
  settings.refresh = from.refresh;
  settings.tls13 = static_cast<persist::Tls13Key>(from.tls13);
  return settings;
}
static_assert(static_cast<int>(config::PersistenceMode::kUdpSip) + 1 ==
              static_cast<int>(persist::Mode::kUdpSip));

static_assert(static_cast<int>(config::Tls13Key::kSourceIp) ==
              static_cast<int>(persist::Tls13Key::kSourceIp));

// Host and path decide, so that objects named by either are told apart; the
// query does not (§4.9).
// The halves decide independently: the high one among sub services, the low one
// among servers.
uint64_t UrlHash(const SipKey& secret, const http::RequestHead& request) {
  const absl::string_view path =
      request.path().substr(0, request.path().find('?'));
  const std::string text =
      absl::StrCat(absl::AsciiStrToLower(request.host()), "\n", path);
  return SipHash13(
      secret, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

// Long connections' entries are renewed daily at most.
constexpr absl::Duration kRefreshPause = absl::Hours(1);

// The fields of a head, as persistence looks them up.
struct FieldsOf {
  const http::Fields& fields;
  void operator()(absl::string_view name, persist::FieldVisitor visit) const {
    for (size_t i = 0; i < fields.size(); ++i) {
      const http::Field field = fields[i];
      if (absl::EqualsIgnoreCase(field.name, name)) visit(field.value);
    }
  }
};

std::span<const uint8_t> BytesOf(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

// -- ServiceChooser -----------------------------------------------------------

const config::ServerPool& ServiceChooser::PoolConfig(size_t pool) const {
  const config::VirtualService& config = plan_->config;
  if (config.l7->sub_services.empty()) return config;
  return config.l7->sub_services[pool];
}

persist::Attachment::Service ServiceChooser::Tied(size_t pool) const {
  return {.table = plan_->tables[pool],
          .key_secret = plan_->secret,
          .timeout = pools_[pool].persistence.timeout,
          .refresh = pools_[pool].persistence.refresh,
          .rehearsal = rehearsal_};
}

void ServiceChooser::Apply(Instant now,
                           std::shared_ptr<const ServicePlan> plan) {
  // Sub services go by their names, so that servers keep what they have open.
  const auto before = std::exchange(plan_, std::move(plan));
  std::vector<Pool> old = std::move(pools_);
  server_addresses_.clear();
  pools_.clear();
  for (size_t i = 0; i < plan_->ids.size(); ++i) {
    pools_.emplace_back().chooser = PoolChooser(thread_);
  }
  const auto& subs = plan_->config.l7->sub_services;
  for (size_t i = 0; i < pools_.size(); ++i) {
    for (size_t j = 0; before != nullptr && j < old.size(); ++j) {
      const auto& old_subs = before->config.l7->sub_services;
      if (subs.empty() == old_subs.empty() &&
          (subs.empty() || subs[i].name == old_subs[j].name)) {
        pools_[i].number = old[j].number;
        pools_[i].chooser = std::move(old[j].chooser);
      }
    }
    if (pools_[i].number == 0) pools_[i].number = ++last_number_;
    const config::ServerPool& config = PoolConfig(i);
    if (plan_->config.l7->transparent && plan_->real_servers_are_local) {
      for (const config::RealServer& server : config.servers) {
        server_addresses_.insert(server.endpoint.address);
      }
    }
    pools_[i].chooser.Apply(
        now, config, plan_->ids[i],
        plan_->counters.empty() ? PoolChooser::Counters() : plan_->counters[i]);
    pools_[i].persistence = SettingsOf(config.persistence);
    if (persist::KindOf(pools_[i].persistence.mode) ==
        persist::Mode::kActiveCookie) {
      pools_[i].cookies.emplace(plan_->service_id, plan_->cookie_secrets);
    }
  }
  for (Pool& gone : old) gone.chooser.Leave();
  config::ServerPool shared;
  shared.schedule = plan_->config.schedule;
  std::vector<uint32_t> ids;
  PoolChooser::Counters counters;
  for (size_t i = 0; i < subs.size(); ++i) {
    if (!subs[i].matches.empty()) continue;
    config::RealServer server;
    server.weight = subs[i].weight;
    server.connection_limit = subs[i].connection_limit;
    if (!subs[i].enabled) server.state = config::AdminState::kDisabled;
    shared.servers.push_back(server);
    ids.push_back(pools_[i].number);
    if (!plan_->sub_counters.empty()) {
      counters.push_back(plan_->sub_counters[i]);
    }
  }
  shared_.Apply(now, shared, ids, counters);
  UpdateShared(now);
}

void ServiceChooser::UpdateShared(Instant now) {
  for (size_t i = 0; i < pools_.size(); ++i) {
    const PoolChooser& pool = pools_[i].chooser;
    shared_.SetHealthy(now, pools_[i].number,
                       pool.up() || PoolConfig(i).sorry_server.has_value());
  }
  up_.store(AnyUp(), std::memory_order_relaxed);
}

void ServiceChooser::SetHealthy(Instant now, uint32_t id, bool healthy) {
  for (Pool& pool : pools_) pool.chooser.SetHealthy(now, id, healthy);
  UpdateShared(now);
}

void ServiceChooser::SetWeight(Instant now, uint32_t id, uint32_t weight) {
  bool changed = false;
  for (Pool& pool : pools_) changed |= pool.chooser.SetWeight(id, weight);
  if (changed) UpdateShared(now);
}

bool ServiceChooser::AnyUp() const {
  const auto& subs = plan_->config.l7->sub_services;
  bool any = false;
  for (size_t i = 0; i < pools_.size(); ++i) {
    const bool up = pools_[i].chooser.up() && (subs.empty() || subs[i].enabled);
    if (!up && !subs.empty() && subs[i].critical) return false;
    any |= up;
  }
  return any;
}

std::shared_ptr<ServerCounters> ServiceChooser::counters(uint32_t id) const {
  for (const Pool& pool : pools_) {
    if (auto counters = pool.chooser.counters(id)) return counters;
  }
  return nullptr;
}

std::optional<size_t> ServiceChooser::PoolFor(
    Instant now, const http::RequestHead& request) {
  const auto& subs = plan_->config.l7->sub_services;
  if (subs.empty()) return 0;
  for (size_t i = 0; i < subs.size(); ++i) {
    if (subs[i].matches.empty() || !subs[i].enabled || subs[i].weight == 0) {
      continue;
    }
    if (!pools_[i].chooser.up() && !subs[i].sorry_server) continue;
    if (MatchesAny(subs[i].matches, request)) return i;
  }
  const bool by_url = plan_->config.schedule == config::Schedule::kUrlHash;
  const uint64_t hash = by_url ? UrlHash(plan_->secret, request) : 0;
  const auto picked = shared_.Pick(now, static_cast<uint32_t>(hash >> 32));
  if (!picked) return std::nullopt;
  return PlaceOf(picked->id);
}

std::optional<size_t> ServiceChooser::PlaceOf(uint32_t number) const {
  for (size_t i = 0; i < pools_.size(); ++i) {
    if (pools_[i].number == number) return i;
  }
  return std::nullopt;
}

std::unique_ptr<ServiceChooser> ServiceChooser::Rehearsal() const {
  auto copy = std::make_unique<ServiceChooser>(nullptr, thread_);
  copy->rehearsal_ = true;
  copy->plan_ = plan_;
  for (const Pool& pool : pools_) {
    copy->pools_.push_back({.number = pool.number,
                            .chooser = pool.chooser.Clone(),
                            .persistence = pool.persistence,
                            .cookies = pool.cookies});
  }
  copy->shared_ = shared_.Clone();
  copy->last_number_ = last_number_;
  copy->networks_ = networks_;
  copy->server_addresses_ = server_addresses_;
  copy->next_source_ = next_source_;
  return copy;
}

std::string ServiceChooser::SubServiceOf(uint64_t tag) const {
  const auto place = PlaceOf(static_cast<uint32_t>(tag >> 32));
  const auto& subs = plan_->config.l7->sub_services;
  return place && !subs.empty() ? subs[*place].name : "";
}

// -- ConnectionChooser --------------------------------------------------------

std::variant<ServerChoice, Denial> ConnectionChooser::Choose(
    Instant now, const Client& client, uint32_t attempt,
    http::RequestHead* request) {
  const ServicePlan& plan = *service_.plan_;
  if (attempt == 0) service_.stats_.requests.Add(1);
  const Asked asked{plan.config.name, client, *request, attempt};
  if (attempt == 0) {
    if (auto answer = service_.application_.OnRequest(asked, request)) {
      return *std::move(answer);
    }
  }
  if (attempt == 0) failed_.clear();
  const auto pool = service_.PoolFor(now, *request);
  if (!pool) return Refuse();
  const ServiceChooser::Pool& served = service_.pools_[*pool];
  // Another sub service is another table: as if it were a new connection.
  if (attempt == 0) first_ = requests_++ == 0 || *pool != last_pool_;
  const auto frequency = plan.persistence.check_frequency;
  const bool persists = served.persistence.mode != persist::Mode::kNone;
  looked_up_ = persists && persist::LooksUp(frequency, first_);
  stores_ = persists && persist::Stores(frequency, first_);
  if (looked_up_) {
    const FieldsOf fields{request->fields};
    const persist::RequestView view = {.method = request->method_text(),
                                       .target = request->target(),
                                       .host = request->host(),
                                       .fields = fields,
                                       .client = client.address.address};
    tie_ = persist::Attachment(
        *plan.store, service_.Tied(*pool),
        persist::ExtractKey(served.persistence,
                            served.cookies ? &*served.cookies : nullptr, view,
                            scratch_));
  }
  const bool by_url =
      service_.PoolConfig(*pool).schedule == config::Schedule::kUrlHash;
  return Decide(now, client, &asked, *pool,
                by_url ? UrlHash(plan.secret, *request) : 0, looked_up_);
}

std::variant<ServerChoice, Denial> ConnectionChooser::Choose(
    Instant now, const Client& client, uint32_t attempt,
    absl::string_view /*first_bytes*/) {
  if (attempt == 0) service_.stats_.requests.Add(1);
  const persist::Extraction key = KeyOfStream(client);
  looked_up_ = key.key.kind != persist::Mode::kNone;
  stores_ = looked_up_ && key.key.kind != persist::Mode::kSslSessionId;
  // ReadServer() may learn where there was nothing to look up.
  tie_ = persist::Attachment(*service_.plan_->store, service_.Tied(0), key);
  auto choice = Decide(now, client, nullptr, 0, 0, looked_up_);
  // Nobody tells when a stream's connection is established: it begins now.
  if (stores_ && last_server_ != 0) tie_.Established(now, last_server_, true);
  return choice;
}

persist::Extraction ConnectionChooser::KeyOfStream(const Client& client) {
  const persist::Settings& settings = service_.pools_[0].persistence;
  tls::ClientHello none;
  const bool read = hellos_ != nullptr && hellos_->client_read;
  const tls::ClientHello& hello = read ? hellos_->client.hello() : none;
  return persist::ExtractKey(
      settings,
      persist::ClientHelloView{.session_id = hello.session_id.span(),
                               .server_name = hello.server_name,
                               .offers_tls13 = hello.version() >= tls::kTls13,
                               .client = client.address.address},
      scratch_);
}

bool ConnectionChooser::ReadClient(absl::string_view bytes) {
  if (service_.pools_[0].persistence.mode != persist::Mode::kSslSessionId) {
    return false;
  }
  if (hellos_ == nullptr) hellos_ = std::make_unique<Hellos>();
  const tls::HelloState state = hellos_->client.Push(BytesOf(bytes));
  hellos_->client_read = state == tls::HelloState::kDone;
  return state == tls::HelloState::kMore;
}

bool ConnectionChooser::ReadServer(Instant now, const ServerChoice& choice,
                                   absl::string_view bytes) {
  if (hellos_ == nullptr || !hellos_->client_read || choice.tag == 0) {
    hellos_.reset();
    return false;
  }
  const tls::HelloState state = hellos_->server.Push(BytesOf(bytes));
  if (state == tls::HelloState::kDone) {
    const tls::ServerHello& hello = hellos_->server.hello();
    const persist::ServerHelloView view = {
        .session_id = hello.session_id.span(),
        .is_tls13 = hello.version >= tls::kTls13};
    tie_.Learn(now, persist::LearnKey(service_.pools_[0].persistence, view).key,
               static_cast<uint32_t>(choice.tag));
  }
  if (state == tls::HelloState::kMore) return true;
  hellos_.reset();  // No other server will be chosen.
  return false;
}

std::variant<ServerChoice, Denial> ConnectionChooser::Decide(
    Instant now, const Client& client, const Asked* asked, size_t pool,
    uint32_t hash, bool looked_up) {
  PoolChooser& chooser = service_.pools_[pool].chooser;
  const auto standing = [&](uint32_t id) { return chooser.Standing(id); };
  const auto at = [&](uint32_t id) {
    return PoolChooser::Picked{id, chooser.EndpointOf(id)};
  };
  if (looked_up) {
    if (const auto server = tie_.Find(now, standing)) {
      service_.stats_.persisted.Add(1);
      chooser.counters(*server)->of(service_.thread_).persisted.Add(1);
      return Give(client, pool, at(*server));
    }
  } else if (pool == last_pool_ && last_server_ != 0 &&
             service_.pools_[pool].persistence.mode != persist::Mode::kNone &&
             persist::FollowEntry(now, true, standing(last_server_)) ==
                 persist::Follow::kGo) {
    return Give(client, pool, at(last_server_));
  }
  last_server_ = 0;
  auto picked = service_.application_.Pick(now, asked, &chooser);
  if (!picked) picked = Pick(now, chooser, hash);
  if (!picked) return Refuse();
  if (looked_up && stores_ && picked->id != 0) {
    const uint32_t winner = tie_.Claim(now, picked->id);
    if (winner != picked->id && chooser.Has(winner)) picked = at(winner);
  }
  return Give(client, pool, *picked);
}

std::optional<PoolChooser::Picked> ConnectionChooser::Pick(
    Instant now, PoolChooser& pool, uint32_t hash) const {
  if (!failed_.empty()) {  // V6
    if (const auto other = pool.PickOther(now, hash, failed_)) return other;
  }
  return pool.Pick(now, hash);
}

ServerChoice ConnectionChooser::Give(const Client& client, size_t pool,
                                     const PoolChooser::Picked& picked) {
  last_pool_ = pool;
  last_server_ = picked.id;
  if (picked.id == 0) service_.stats_.sorry.Add(1);
  ServiceChooser::Pool& served = service_.pools_[pool];
  served.chooser.OnOpen(picked.id);
  service_.shared_.OnOpen(served.number);
  ServerChoice choice;
  choice.server = picked.endpoint;
  // The port the client asked for.
  if (choice.server.port == 0) choice.server.port = client.local.port;
  choice.source = SourceFor(client, choice.server);
  const config::L7Service& l7 = *service_.plan_->config.l7;
  const config::QualityOfService& qos =
      l7.sub_services.empty() ? l7.qos : l7.sub_services[pool].qos;
  choice.tos = qos.pass_through ? client.tos : qos.tos;
  choice.tag = uint64_t{served.number} << 32 | picked.id;
  return choice;
}

bool ConnectionChooser::OnResponse(Instant now, const Client& client,
                                   const ServerChoice& choice,
                                   const http::RequestHead& request,
                                   http::ResponseHead* response) {
  Persist(now, client, choice, response);
  return service_.application_.OnResponse(
      {service_.plan_->config.name, client, request}, choice.server, response);
}

void ConnectionChooser::Persist(Instant now, const Client& client,
                                const ServerChoice& choice,
                                http::ResponseHead* response) {
  const auto server = static_cast<uint32_t>(choice.tag);
  if (server == 0 || last_pool_ >= service_.pools_.size()) return;
  const ServicePlan& plan = *service_.plan_;
  const ServiceChooser::Pool& served = service_.pools_[last_pool_];
  if (looked_up_ && stores_) tie_.Established(now, server, first_);
  if (persist::KindOf(served.persistence.mode) ==
      persist::Mode::kServerCookie) {
    // Of whatever response: a login's, say.
    const FieldsOf fields{response->fields};
    tie_.Learn(now, persist::LearnKey(served.persistence, fields, scratch_).key,
               server);
  }
  if (looked_up_ && tie_.issue_cookie() && served.cookies) {
    const uint16_t port =
        plan.persistence.add_cookie_port ? client.address.port : 0;
    const std::string value = served.cookies->Make(
        client.address.address, port, random_ ^ ++service_.cookies_made_);
    tie_.Learn(now, {persist::Mode::kActiveCookie, value}, server);
    response->fields.Add("Set-Cookie", persist::ActiveCookieField(
                                           served.persistence.name, value));
  }
  if (now >= next_refresh_) tie_.Refresh(now, server);
  if (first_ || now >= next_refresh_) next_refresh_ = now + kRefreshPause;
}

void ConnectionChooser::OnEnd(Instant now, const ServerChoice& choice,
                              Outcome outcome) {
  const auto server = static_cast<uint32_t>(choice.tag);
  const bool unreachable = outcome == Outcome::kConnectFailed ||
                           outcome == Outcome::kConnectTimeout ||
                           outcome == Outcome::kTlsFailed;
  const bool not_for_us = outcome == Outcome::kTlsNameFailed;
  if (server != 0 && (unreachable || not_for_us)) {
    if (looked_up_) tie_.Failed(server);
    if (not_for_us) {
      failed_.push_back(server);
      last_server_ = 0;
    }
  }
  const auto number = static_cast<uint32_t>(choice.tag >> 32);
  service_.shared_.OnClose(number);
  for (ServiceChooser::Pool& pool : service_.pools_) {
    if (pool.number == number) pool.chooser.OnClose(server);
    if (unreachable) pool.chooser.OnUnreachable(now, server);
  }
}

Endpoint ConnectionChooser::SourceFor(const Client& client,
                                      const Endpoint& server) const {
  const ServicePlan& plan = *service_.plan_;
  const config::L7Service& l7 = *plan.config.l7;
  if (l7.transparent) {
    const Address& address = client.address.address;
    const bool local = (service_.networks_ != nullptr &&
                        service_.networks_->Direct(address, server.address)) ||
                       service_.server_addresses_.contains(address);
    if (!local && address.is_v4() == server.address.is_v4()) {
      return {address, 0};  // A3
    }
  } else if (!l7.alternate_sources.empty()) {
    const size_t count = l7.alternate_sources.size();
    for (size_t i = 0; i < count; ++i) {
      const Address& source =
          l7.alternate_sources[service_.next_source_++ % count];
      if (source.is_v4() == server.address.is_v4()) return {source, 0};  // A1
    }
  }
  if (l7.subnet_originating ||
      client.local.address.is_v4() != server.address.is_v4()) {
    return {};  // A4, A5: the kernel's choice is the interface's address.
  }
  return {client.local.address, 0};  // A6
}

Denial ConnectionChooser::Refuse() {
  service_.stats_.none.Add(1);
  const config::L7Service& l7 = *service_.plan_->config.l7;
  Denial denial;
  denial.status = l7.type == config::L7Type::kHttp
                      ? static_cast<uint16_t>(l7.error_code)
                      : 0;
  denial.location = l7.error_url;
  denial.body = service_.plan_->error_page;
  return denial;
}

}  // namespace ballast::l7
