#include "lb/l7/limiter.h"

#include <algorithm>
#include <utility>

namespace ballast::l7 {
namespace {

// Of the reasons of a level.
constexpr size_t kReasonsPerLevel = 3;
enum Kind : size_t { kFull, kTooFast, kTooManyRequests };

bool HasAny(const config::TrafficLimit& limit) {
  return limit != config::TrafficLimit();
}

}  // namespace

absl::string_view LimitReasonName(LimitReason reason) {
  switch (reason) {
    case LimitReason::kClientConnections:
      return "client_connections";
    case LimitReason::kClientConnectionRate:
      return "client_connections_per_second";
    case LimitReason::kClientRequestRate:
      return "client_requests_per_second";
    case LimitReason::kUnitClientConnections:
      return "l7.client_connections";
    case LimitReason::kUnitClientConnectionRate:
      return "l7.client_connections_per_second";
    case LimitReason::kUnitClientRequestRate:
      return "l7.client_requests_per_second";
    case LimitReason::kConnections:
      return "connections";
    case LimitReason::kConnectionRate:
      return "connections_per_second";
    case LimitReason::kRequestRate:
      return "requests_per_second";
    case LimitReason::kUnitConnections:
      return "l7.connections";
    case LimitReason::kUnitConnectionRate:
      return "l7.connections_per_second";
    case LimitReason::kUnitRequestRate:
      return "l7.requests_per_second";
    case LimitReason::kCount:
      break;
  }
  return "?";
}

// -- Limiter ------------------------------------------------------------------

void Limiter::Domain::Set(Instant now, const config::TrafficLimits& limits,
                          ClientMeters* clients) {
  all.Set(limits.all);
  client.Set(limits.client);
  excess.store(limits.excess, std::memory_order_relaxed);
  meter.Cap(now, all);
  if (clients == nullptr) return;
  clients->ForEach(number, [&](TrafficMeter& one) { one.Cap(now, client); });
}

ClientMeters* Limiter::ClientsFor(const config::TrafficLimits& limits) {
  if (clients_owned_ == nullptr && HasAny(limits.client)) {
    clients_owned_ =
        std::make_unique<ClientMeters>(options_.clients_max, options_.key);
    clients_.store(clients_owned_.get(), std::memory_order_release);
  }
  return clients_owned_.get();
}

void Limiter::Set(Instant now, const config::TrafficLimits& limits) {
  unit_.Set(now, limits, ClientsFor(limits));
}

std::shared_ptr<LimitedService> Limiter::NewService() {
  return std::shared_ptr<LimitedService>(
      new LimitedService(shared_from_this(), next_number_++));
}

uint64_t Limiter::clients_full() const {
  const ClientMeters* clients = clients_.load(std::memory_order_acquire);
  return clients == nullptr ? 0 : clients->full();
}

void LimitedService::Set(Instant now, const config::TrafficLimits& limits) {
  domain_.Set(now, limits, limiter_->ClientsFor(limits));
}

std::optional<LimitRefusal> LimitedService::WouldRefuse(Instant now,
                                                        const Address& client,
                                                        bool request) const {
  // As Ticket::Open() has them.
  const Limiter::Domain& unit = limiter_->unit_;
  const struct {
    const Limiter::Domain& domain;
    bool of_client;
  } levels[] = {{domain_, true}, {unit, true}, {domain_, false}, {unit, false}};
  ClientMeters* const clients =
      limiter_->clients_.load(std::memory_order_acquire);
  std::optional<LimitRefusal> refusal;
  for (const bool asks : {false, true}) {
    if (asks && !request) break;
    for (size_t i = 0; i < std::size(levels); ++i) {
      const Limiter::Domain& domain = levels[i].domain;
      const bool of_client = levels[i].of_client;
      const LiveLimit& limit = of_client ? domain.client : domain.all;
      const auto look = [&](const TrafficMeter& meter) {
        size_t kind = kFull;
        if (asks) {
          if (meter.WouldTakeRequest(now, limit.request_rate())) return;
          kind = kTooManyRequests;
        } else if (meter.WouldTakeConnection(limit.connections())) {
          if (meter.WouldTakeConnectionRate(now, limit.connection_rate())) {
            return;
          }
          kind = kTooFast;
        }
        refusal = {
            .reason = static_cast<LimitReason>(i * kReasonsPerLevel + kind),
            .excess = domain.excess.load(std::memory_order_relaxed)};
      };
      if (!of_client) {
        look(domain.meter);
      } else if (clients != nullptr && limit.any()) {
        clients->With(domain.number, client, look);
      }
      if (refusal.has_value()) return refusal;
    }
  }
  return std::nullopt;
}

// -- Ticket -------------------------------------------------------------------

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  if (this == &other) return *this;
  Close();
  service_ = std::move(other.service_);
  client_ = other.client_;
  levels_ = std::exchange(other.levels_, {});
  held_ = std::exchange(other.held_, {});
  open_ = std::exchange(other.open_, false);
  refused_ = std::exchange(other.refused_, std::nullopt);
  return *this;
}

void Ticket::FindClient(Instant now, size_t level,
                        const Limiter::Domain& domain) {
  ClientMeters* const clients =
      service_->limiter_->clients_.load(std::memory_order_acquire);
  if (clients == nullptr || !domain.client.any()) return;
  held_[level] = clients->Acquire(now, domain.number, client_);
  if (held_[level] != nullptr) levels_[level].meter = &held_[level]->meter;
}

std::optional<LimitRefusal> Ticket::Refuse(size_t level, size_t kind) {
  const size_t reason = level * kReasonsPerLevel + kind;
  service_->refused_[reason].fetch_add(1, std::memory_order_relaxed);
  return LimitRefusal{
      .reason = static_cast<LimitReason>(reason),
      .excess = levels_[level].excess->load(std::memory_order_relaxed)};
}

std::optional<LimitRefusal> Ticket::Open(
    Instant now, std::shared_ptr<LimitedService> service,
    const Address& client) {
  Close();
  refused_.reset();
  service_ = std::move(service);
  client_ = client;
  Limiter::Domain& own = service_->domain_;
  Limiter::Domain& unit = service_->limiter_->unit_;
  levels_ = {{{&own.client, nullptr, &own.excess},
              {&unit.client, nullptr, &unit.excess},
              {&own.all, &own.meter, &own.excess},
              {&unit.all, &unit.meter, &unit.excess}}};
  FindClient(now, 0, own);
  FindClient(now, 1, unit);
  std::array<uint32_t, kLevels> rates{};
  for (size_t i = 0; i < kLevels; ++i) {
    const auto& [limit, meter, excess] = levels_[i];
    if (meter == nullptr) continue;
    rates[i] = limit->connection_rate();
    size_t kind = kFull;
    if (meter->TakeConnection(limit->connections())) {
      if (meter->TakeConnectionRate(now, rates[i])) continue;
      meter->EndConnection();
      kind = kTooFast;
    }
    refused_ = Refuse(i, kind);
    while (i-- > 0) {
      if (levels_[i].meter == nullptr) continue;
      levels_[i].meter->EndConnection();
      levels_[i].meter->GiveConnectionRateBack(rates[i]);
    }
    Close();
    return refused_;
  }
  open_ = true;
  return std::nullopt;
}

void Ticket::Close() {
  if (open_) {
    for (const Level& level : levels_) {
      if (level.meter != nullptr) level.meter->EndConnection();
    }
  }
  for (ClientMeters::Held*& held : held_) {
    if (held != nullptr) ClientMeters::Release(std::exchange(held, nullptr));
  }
  open_ = false;
  levels_ = {};
}

std::optional<LimitRefusal> Ticket::Request(Instant now) {
  if (!open_) return refused_;
  std::array<uint32_t, kLevels> rates{};
  for (size_t i = 0; i < kLevels; ++i) {
    const auto& [limit, meter, excess] = levels_[i];
    if (meter == nullptr) continue;
    rates[i] = limit->request_rate();
    if (meter->TakeRequest(now, rates[i])) continue;
    const auto refusal = Refuse(i, kTooManyRequests);
    while (i-- > 0) {
      if (levels_[i].meter != nullptr) {
        levels_[i].meter->GiveRequestBack(rates[i]);
      }
    }
    return refusal;
  }
  return std::nullopt;
}

Instant Ticket::Charge(Instant now, size_t bytes) {
  Instant next = now;
  if (!open_) return next;
  for (const auto& [limit, meter, excess] : levels_) {
    if (meter == nullptr) continue;
    next = std::max(next, meter->Charge(now, bytes, limit->bandwidth()));
  }
  return next;
}

uint32_t Ticket::bandwidth() const {
  uint32_t least = 0;
  for (const Level& level : levels_) {
    if (level.meter == nullptr) continue;
    const uint32_t limit = level.limit->bandwidth();
    if (limit != 0 && (least == 0 || limit < least)) least = limit;
  }
  return least;
}

void Ticket::Adopt(Instant now) {
  if (!open_) return;
  for (size_t i = 0; i < 2; ++i) {
    if (levels_[i].meter != nullptr) continue;
    FindClient(now, i, i == 0 ? service_->domain_ : service_->limiter_->unit_);
    if (levels_[i].meter != nullptr) levels_[i].meter->TakeConnection(0);
  }
}

}  // namespace ballast::l7
