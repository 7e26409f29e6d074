#include "sched/source_hash_table.h"

#include <numeric>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "sched/even_fill.h"
#include "sched/loadmaster_fill.h"
#include "sched/maglev_fill.h"

namespace ballast::sched {
namespace {

using Server = SourceHashTable::Server;

absl::Status Validate(Fill fill, std::span<const Server> servers) {
  if (servers.size() > kServerCountMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "servers: ", servers.size(), ", at most ", kServerCountMax));
  }
  absl::flat_hash_map<uint64_t, size_t> seen;
  for (size_t i = 0; i < servers.size(); ++i) {
    if (servers[i].weight > kWeightMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("servers[", i, "].weight: ", servers[i].weight,
                       ", at most ", kWeightMax));
    }
    if (fill == Fill::kLoadMaster) continue;
    if (const auto [at, is_new] = seen.emplace(servers[i].id, i); !is_new) {
      return absl::InvalidArgumentError(absl::StrCat(
          "servers[", i, "].id: ", servers[i].id, " is also that of servers[",
          at->second, "]; fill ", FillName(fill), " tells servers by it"));
    }
  }
  return absl::OkStatus();
}

std::vector<uint32_t> Weights(std::span<const Server> servers,
                              const ServerSet& down) {
  std::vector<uint32_t> weights(servers.size());
  for (uint16_t i = 0; i < weights.size(); ++i) {
    if (!down.Contains(i)) weights[i] = servers[i].weight;
  }
  return weights;
}

}  // namespace

absl::string_view FillName(Fill fill) {
  switch (fill) {
    case Fill::kLoadMaster:
      return "loadmaster";
    case Fill::kEven:
      return "even";
    case Fill::kMaglev:
      return "maglev";
  }
  return "?";
}

absl::StatusOr<Fill> ParseFill(absl::string_view name) {
  for (const Fill fill : {Fill::kLoadMaster, Fill::kEven, Fill::kMaglev}) {
    if (name == FillName(fill)) return fill;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("fill: \"", name, "\", must be loadmaster, even or maglev"));
}

absl::StatusOr<SourceHashTable> SourceHashTable::Build(
    Fill fill, std::span<const Server> servers,
    const SourceHashTable* previous) {
  BALLAST_RETURN_IF_ERROR(Validate(fill, servers));
  SourceHashTable table(fill, servers);
  table.slots_ = fill == Fill::kEven ? table.DealEvenAfter(previous)
                                     : table.Without(ServerSet());
  return table;
}

absl::StatusOr<SourceHashTable> SourceHashTable::Restore(
    Fill fill, std::span<const Server> servers, const Slots& slots) {
  BALLAST_ASSIGN_OR_RETURN(SourceHashTable table, Build(fill, servers));
  if (fill != Fill::kEven) {
    if (table.slots_ != slots) {
      return absl::InvalidArgumentError(absl::StrCat(
          "slots: not what fill ", FillName(fill), " gives these servers"));
    }
    return table;
  }
  const bool empty = table.slots_[0] == kNoServer;
  for (size_t i = 0; i < kSlotCount; ++i) {
    const uint16_t server = slots[i];
    if (empty ? server != kNoServer
              : server >= servers.size() || servers[server].weight == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "slots[", i, "]: ", server, ", not a server with a weight above 0"));
    }
  }
  table.slots_ = slots;
  return table;
}

Slots SourceHashTable::DealEvenAfter(const SourceHashTable* previous) const {
  Slots before;
  before.fill(kNoServer);
  std::vector<uint32_t> weights(servers_.size());
  uint64_t total = 0;
  if (previous != nullptr && previous->fill_ == Fill::kEven) {
    absl::flat_hash_map<uint64_t, uint16_t> position;
    for (uint16_t i = 0; i < servers_.size(); ++i) {
      position.emplace(servers_[i].id, i);
    }
    std::vector<uint16_t> now_at;  // Of each of the previous servers.
    for (const Server& server : previous->servers_) {
      const auto found = position.find(server.id);
      now_at.push_back(found == position.end() ? kNoServer : found->second);
      if (found != position.end()) weights[found->second] = server.weight;
      total += server.weight;
    }
    for (size_t i = 0; i < kSlotCount; ++i) {
      if (previous->slots_[i] != kNoServer) {
        before[i] = now_at[previous->slots_[i]];
      }
    }
  }
  return DealEven({before, weights, total}, Weights(servers_, ServerSet()));
}

Slots SourceHashTable::Without(const ServerSet& down) const {
  const std::vector<uint32_t> weights = Weights(servers_, down);
  switch (fill_) {
    case Fill::kLoadMaster:
      break;
    case Fill::kEven: {
      const std::vector<uint32_t> all = Weights(servers_, ServerSet());
      const uint64_t total =
          std::accumulate(all.begin(), all.end(), uint64_t{0});
      return DealEven({slots_, all, total}, weights);
    }
    case Fill::kMaglev: {
      std::vector<Server> up = servers_;
      for (size_t i = 0; i < up.size(); ++i) up[i].weight = weights[i];
      return DealMaglev(up);
    }
  }
  return DealLoadMaster(weights);
}

std::vector<uint32_t> CountSlots(const Slots& slots, size_t server_count) {
  std::vector<uint32_t> counts(server_count);
  for (const uint16_t server : slots) {
    if (server != kNoServer) ++counts.at(server);
  }
  return counts;
}

}  // namespace ballast::sched
