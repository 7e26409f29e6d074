#include "lb/l7/pool_chooser.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "lb/config/schedule_method.h"
#include "lb/health/service_up.h"

namespace ballast::l7 {
namespace {

bool IsEnabled(const config::RealServer& server) {
  return server.state == config::AdminState::kEnabled;
}

}  // namespace

void PoolChooser::Apply(Instant now, const config::ServerPool& pool,
                        std::span<const uint32_t> ids,
                        const Counters& counters) {
  BALLAST_CHECK(ids.size() == pool.servers.size());
  BALLAST_CHECK(counters.empty() || counters.size() == ids.size());
  std::vector<Server> servers(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto known = positions_.find(ids[i]);
    bool was_enabled = true;
    if (known != positions_.end()) {
      servers[i] = servers_[known->second];
      was_enabled = IsEnabled(config_.servers[known->second]);
    }
    servers[i].id = ids[i];
    if (!counters.empty()) {
      servers[i].counters = counters[i];
    } else if (servers[i].counters == nullptr) {
      servers[i].counters = std::make_shared<ServerCounters>(thread_ + 1);
    }
    const config::RealServer& configured = pool.servers[i];
    if (configured.state != config::AdminState::kDraining) {
      servers[i].drains_since.reset();
    } else if (was_enabled) {
      servers[i].drains_since = now;
    }
  }
  Uncount(ids);
  config_ = pool;
  servers_ = std::move(servers);
  positions_.clear();
  std::vector<sched::ServerState> states;
  for (size_t i = 0; i < servers_.size(); ++i) {
    positions_.emplace(servers_[i].id, i);
    states.push_back({.weight = config_.servers[i].weight,
                      .up = Schedulable(i),
                      .id = servers_[i].id});
  }
  auto scheduler =
      sched::Scheduler::Create({.method = config::MethodOf(config_.schedule),
                                .slow_start = config_.slow_start},
                               states);
  // Validation has checked every limit the schedulers have.
  BALLAST_CHECK(scheduler.ok());
  if (scheduler_ != nullptr) (*scheduler)->CarryOver(now, *scheduler_);
  scheduler_ = *std::move(scheduler);
  const bool others = !servers_.empty() && servers_[0].counters->threads() > 1;
  next_foreign_ = others ? now : Instant::Never();
  for (size_t i = 0; i < servers_.size(); ++i) UpdateFull(i);
  UpdateUp();
}

PoolChooser PoolChooser::Clone() const {
  PoolChooser copy(thread_);
  copy.config_ = config_;
  copy.servers_ = servers_;
  for (Server& server : copy.servers_) {
    server.counters = server.counters->Clone();
  }
  copy.positions_ = positions_;
  if (scheduler_ != nullptr) copy.scheduler_ = scheduler_->Clone();
  copy.up_ = up_;
  copy.avoid_deadline_ = avoid_deadline_;
  copy.next_foreign_ = next_foreign_;
  return copy;
}

std::vector<std::string> PoolChooser::Obstacles() const {
  std::vector<std::string> all;
  for (size_t i = 0; i < servers_.size(); ++i) {
    const config::RealServer& server = config_.servers[i];
    std::string why;
    if (server.state == config::AdminState::kDisabled) {
      why = "disabled";
    } else if (server.state == config::AdminState::kDraining) {
      why = "draining";
    } else if (!servers_[i].healthy) {
      why = "down";
    } else if (servers_[i].avoid_until != Instant::FromNanos(0)) {
      why = "could not be reached a moment ago";
    } else if (WeightOf(i) == 0) {
      why = "of weight 0";
    } else if (Full(i)) {
      why = absl::StrCat("at its limit, ", servers_[i].open + OpenElsewhere(i),
                         " of ", server.connection_limit, " connections");
    } else {
      continue;
    }
    all.push_back(absl::StrCat(server.endpoint.ToString(), ": ", why));
  }
  return all;
}

void PoolChooser::Uncount(std::span<const uint32_t> ids) {
  for (const Server& server : servers_) {
    if (std::find(ids.begin(), ids.end(), server.id) != ids.end()) continue;
    server.counters->of(thread_).open.Sub(server.open);
  }
}

void PoolChooser::UpdateForeign(Instant now) {
  next_foreign_ = now + kForeignPause;
  const bool least =
      config_.schedule == config::Schedule::kLeastConnection ||
      config_.schedule == config::Schedule::kWeightedLeastConnection;
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (config_.servers[i].connection_limit != 0) UpdateFull(i);
    if (!least) continue;
    scheduler_->SetForeignConnections(static_cast<uint16_t>(i),
                                      static_cast<uint32_t>(OpenElsewhere(i)));
  }
}

bool PoolChooser::Schedulable(size_t position) const {
  const Server& server = servers_[position];
  return IsEnabled(config_.servers[position]) && server.healthy &&
         server.avoid_until == Instant::FromNanos(0);
}

bool PoolChooser::Full(size_t position) const {
  const uint32_t limit = config_.servers[position].connection_limit;
  return limit != 0 &&
         servers_[position].open + OpenElsewhere(position) >= limit;
}

void PoolChooser::UpdateFull(size_t position) {
  scheduler_->SetFull(static_cast<uint16_t>(position), Full(position));
}

void PoolChooser::UpdateUp() {
  std::vector<health::Member> members;
  for (size_t i = 0; i < servers_.size(); ++i) {
    members.push_back({.enabled = IsEnabled(config_.servers[i]),
                       .healthy = servers_[i].healthy,
                       .critical = config_.servers[i].critical,
                       .weight = WeightOf(i)});
  }
  up_ = health::ServiceUp(members, config_.servers_min);
}

std::optional<PoolChooser::Picked> PoolChooser::Pick(Instant now,
                                                     uint32_t hash) {
  if (now >= avoid_deadline_) EndAvoiding(now);
  if (now >= next_foreign_) UpdateForeign(now);
  while (up_) {
    const auto position = scheduler_->Pick(now, hash);
    if (!position) break;
    if (Full(*position)) {  // Other threads have filled it just now.
      UpdateFull(*position);
    } else {
      return Picked{servers_[*position].id,
                    config_.servers[*position].endpoint};
    }
  }
  if (!config_.sorry_server) return std::nullopt;
  return Picked{0, config_.sorry_server->endpoint};
}

void PoolChooser::ListCandidates(Instant now,
                                 std::vector<Candidate>* candidates) {
  if (now >= avoid_deadline_) EndAvoiding(now);
  candidates->clear();
  for (size_t i = 0; i < servers_.size(); ++i) {
    const config::RealServer& server = config_.servers[i];
    candidates->push_back(
        {.name = server.name,
         .endpoint = server.endpoint,
         .weight = WeightOf(i),
         .open = servers_[i].open,
         .available = scheduler_->available(static_cast<uint16_t>(i))});
  }
}

std::optional<PoolChooser::Picked> PoolChooser::PickAt(size_t position) const {
  if (position >= servers_.size() ||
      !scheduler_->available(static_cast<uint16_t>(position)) ||
      Full(position)) {
    return std::nullopt;
  }
  return Picked{servers_[position].id, config_.servers[position].endpoint};
}

std::optional<PoolChooser::Picked> PoolChooser::PickOther(
    Instant now, uint32_t hash, std::span<const uint32_t> ids) {
  for (const uint32_t id : ids) {
    const auto found = positions_.find(id);
    if (found == positions_.end()) continue;
    scheduler_->SetFull(static_cast<uint16_t>(found->second), true);
  }
  auto picked = Pick(now, hash);
  for (const uint32_t id : ids) {
    const auto found = positions_.find(id);
    if (found != positions_.end()) UpdateFull(found->second);
  }
  if (picked && picked->id == 0) picked.reset();
  return picked;
}

persist::ServerStanding PoolChooser::Standing(uint32_t id) const {
  const auto found = positions_.find(id);
  if (found == positions_.end()) return {.up = false};
  const size_t position = found->second;
  const Server& server = servers_[position];
  const config::RealServer& configured = config_.servers[position];
  return {.up = server.healthy && server.avoid_until == Instant::FromNanos(0),
          .enabled = IsEnabled(configured),
          .full = Full(position),
          .drain_end = server.drains_since.has_value()
                           ? *server.drains_since + configured.drain_time
                           : Instant::FromNanos(0)};
}

Endpoint PoolChooser::EndpointOf(uint32_t id) const {
  return config_.servers[positions_.at(id)].endpoint;
}

void PoolChooser::OnOpen(uint32_t id) {
  const auto found = positions_.find(id);
  if (found == positions_.end()) return;
  Server& server = servers_[found->second];
  ++server.open;
  server.counters->of(thread_).open.Add(1);
  server.counters->of(thread_).requests.Add(1);
  scheduler_->OnOpen(static_cast<uint16_t>(found->second));
  UpdateFull(found->second);
}

void PoolChooser::OnClose(uint32_t id) {
  const auto found = positions_.find(id);
  // It may have been taken out and put back under way.
  if (found == positions_.end() || servers_[found->second].open == 0) return;
  --servers_[found->second].open;
  servers_[found->second].counters->of(thread_).open.Sub(1);
  scheduler_->OnClose(static_cast<uint16_t>(found->second));
  UpdateFull(found->second);
}

void PoolChooser::OnUnreachable(Instant now, uint32_t id) {
  const auto found = positions_.find(id);
  if (found == positions_.end()) return;
  bool another = false;
  for (size_t i = 0; i < servers_.size(); ++i) {
    another |=
        i != found->second && scheduler_->available(static_cast<uint16_t>(i));
  }
  if (!another) return;
  servers_[found->second].avoid_until = now + kAvoid;
  avoid_deadline_ = std::min(avoid_deadline_, now + kAvoid);
  scheduler_->SetUp(now, static_cast<uint16_t>(found->second), false);
}

void PoolChooser::EndAvoiding(Instant now) {
  avoid_deadline_ = Instant::Never();
  for (size_t i = 0; i < servers_.size(); ++i) {
    Instant& until = servers_[i].avoid_until;
    if (until == Instant::FromNanos(0)) continue;
    if (now < until) {
      avoid_deadline_ = std::min(avoid_deadline_, until);
      continue;
    }
    until = Instant::FromNanos(0);
    scheduler_->SetUp(now, static_cast<uint16_t>(i), Schedulable(i));
  }
}

void PoolChooser::SetHealthy(Instant now, uint32_t id, bool healthy) {
  const auto found = positions_.find(id);
  if (found == positions_.end()) return;
  servers_[found->second].healthy = healthy;
  scheduler_->SetUp(now, static_cast<uint16_t>(found->second),
                    Schedulable(found->second));
  UpdateUp();
}

bool PoolChooser::SetWeight(uint32_t id, uint32_t weight) {
  const auto found = positions_.find(id);
  if (found == positions_.end()) return false;
  const size_t position = found->second;
  // Another pool that has this server too may be the one whose weights move.
  if (!config::WeightsMove(config_.schedule)) {
    weight = config_.servers[position].weight;
  }
  const uint32_t before = WeightOf(position);
  if (before == weight) return false;
  scheduler_->SetEffectiveWeight(static_cast<uint16_t>(position), weight);
  if ((before == 0) == (weight == 0)) return false;
  const bool was_up = up_;
  UpdateUp();
  return up_ != was_up;
}

std::shared_ptr<ServerCounters> PoolChooser::counters(uint32_t id) const {
  const auto found = positions_.find(id);
  return found == positions_.end() ? nullptr : servers_[found->second].counters;
}

}  // namespace ballast::l7
