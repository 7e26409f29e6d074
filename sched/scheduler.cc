#include "sched/scheduler.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "sched/fixed_weighting.h"
#include "sched/least_connection.h"
#include "sched/round_robin.h"
#include "sched/source_ip_hash.h"
#include "sched/url_hash.h"
#include "sched/weighted_round_robin.h"

namespace ballast::sched {
namespace {

absl::Status Validate(const Options& options,
                      std::span<const ServerState> servers) {
  if (servers.size() > kServerCountMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "servers: ", servers.size(), ", at most ", kServerCountMax));
  }
  for (size_t i = 0; i < servers.size(); ++i) {
    if (servers[i].weight > kWeightMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("servers[", i, "].weight: ", servers[i].weight,
                       ", at most ", kWeightMax));
    }
  }
  if (options.slow_start < absl::ZeroDuration() ||
      options.slow_start > kSlowStartMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("slow_start: ", absl::FormatDuration(options.slow_start),
                     ", must be 0 to ", absl::FormatDuration(kSlowStartMax)));
  }
  return absl::OkStatus();
}

// The table of `options`, or one made for `servers`.
absl::StatusOr<std::shared_ptr<const SourceHashTable>> TableFor(
    const Options& options, std::span<const ServerState> servers) {
  std::vector<SourceHashTable::Server> wanted;
  wanted.reserve(servers.size());
  for (const ServerState& server : servers) {
    wanted.push_back({server.id, server.weight});
  }
  if (options.table == nullptr) {
    BALLAST_ASSIGN_OR_RETURN(auto table,
                             SourceHashTable::Build(options.fill, wanted));
    return std::make_shared<const SourceHashTable>(std::move(table));
  }
  if (options.table->servers() != wanted) {
    return absl::InvalidArgumentError(
        "table: built for other servers or weights than these");
  }
  return options.table;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Scheduler>> Scheduler::Create(
    const Options& options, std::span<const ServerState> servers) {
  BALLAST_RETURN_IF_ERROR(Validate(options, servers));
  std::unique_ptr<Scheduler> scheduler;
  switch (options.method) {
    case Method::kRoundRobin:
      scheduler = std::make_unique<RoundRobin>(options, servers);
      break;
    case Method::kWeightedRoundRobin:
      scheduler = std::make_unique<WeightedRoundRobin>(options, servers);
      break;
    case Method::kLeastConnection:
    case Method::kWeightedLeastConnection:
      scheduler = std::make_unique<LeastConnection>(options, servers);
      break;
    case Method::kFixedWeighting:
      scheduler = std::make_unique<FixedWeighting>(options, servers);
      break;
    case Method::kSourceIpHash: {
      BALLAST_ASSIGN_OR_RETURN(auto table, TableFor(options, servers));
      scheduler =
          std::make_unique<SourceIpHash>(options, servers, std::move(table));
      break;
    }
    case Method::kUrlHash:
      scheduler = std::make_unique<UrlHash>(options, servers);
      break;
  }
  BALLAST_CHECK(scheduler != nullptr);
  scheduler->Reset();
  return scheduler;
}

Scheduler::Scheduler(const Options& options,
                     std::span<const ServerState> servers)
    : method_(options.method) {
  servers_.reserve(servers.size());
  for (const ServerState& server : servers) {
    servers_.push_back({.weight = server.weight,
                        .up = server.up,
                        .id = server.id,
                        .configured_weight = server.weight});
    available_.Set(static_cast<uint16_t>(servers_.size() - 1),
                   servers_.back().available());
  }
}

void Scheduler::Changed(uint16_t /*server*/, Change /*change*/) {}
void Scheduler::CarryTurn(const Scheduler& /*previous*/,
                          std::span<const uint16_t> /*now_at*/) {}

uint32_t Scheduler::Server::connections() const {
  const uint64_t sum = uint64_t{own} + foreign;
  return static_cast<uint32_t>(
      std::min<uint64_t>(sum, std::numeric_limits<uint32_t>::max()));
}

Scheduler::Server& Scheduler::At(uint16_t server) {
  BALLAST_CHECK(server < servers_.size());
  return servers_[server];
}

void Scheduler::Update(uint16_t server, Change change) {
  available_.Set(server, servers_[server].available());
  Changed(server, change);
}

void Scheduler::OnOpen(uint16_t server) {
  ++At(server).own;
  Changed(server, Change::kConnections);
}

void Scheduler::OnClose(uint16_t server) {
  BALLAST_CHECK(At(server).own > 0);
  --servers_[server].own;
  Changed(server, Change::kConnections);
}

void Scheduler::SetForeignConnections(uint16_t server, uint32_t count) {
  if (At(server).foreign == count) return;
  servers_[server].foreign = count;
  Changed(server, Change::kConnections);
}

void Scheduler::SetFull(uint16_t server, bool full) {
  if (At(server).full == full) return;
  servers_[server].full = full;
  Update(server, Change::kFull);
}

void Scheduler::SetUp(Instant now, uint16_t server, bool up) {
  if (At(server).up == up) return;
  servers_[server].up = up;
  servers_[server].up_since = up ? now : Instant::Never();
  Update(server, Change::kUp);
}

void Scheduler::SetEffectiveWeight(uint16_t server, uint32_t weight) {
  BALLAST_CHECK(weight <= kWeightMax);
  if (At(server).weight == weight) return;
  servers_[server].weight = weight;
  Update(server, Change::kWeight);
}

void Scheduler::CarryOver(Instant now, const Scheduler& previous) {
  absl::flat_hash_map<uint64_t, uint16_t> position;
  position.reserve(previous.servers_.size());
  for (uint16_t i = 0; i < previous.server_count(); ++i) {
    position.emplace(previous.servers_[i].id, i);
  }
  std::vector<uint16_t> now_at(previous.servers_.size(), kNoServer);
  for (uint16_t i = 0; i < server_count(); ++i) {
    Server& server = servers_[i];
    const auto found = position.find(server.id);
    if (found == position.end()) {
      if (server.up) server.up_since = now;
      continue;
    }
    now_at[found->second] = i;
    const Server& before = previous.servers_[found->second];
    server.own = before.own;
    server.foreign = before.foreign;
    if (server.up) server.up_since = before.up ? before.up_since : now;
    if (server.configured_weight == before.configured_weight) {
      server.weight = before.weight;
      available_.Set(i, server.available());
    }
  }
  Reset();
  if (method_ == previous.method_) CarryTurn(previous, now_at);
}

uint32_t Scheduler::connections(uint16_t server) const {
  BALLAST_CHECK(server < servers_.size());
  return servers_[server].connections();
}

uint32_t Scheduler::effective_weight(uint16_t server) const {
  BALLAST_CHECK(server < servers_.size());
  return servers_[server].weight;
}

}  // namespace ballast::sched
