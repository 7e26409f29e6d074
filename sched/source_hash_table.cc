#include "sched/source_hash_table.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sched/loadmaster_fill.h"

namespace ballast::sched {

absl::StatusOr<SourceHashTable> SourceHashTable::Build(
    Fill fill, std::span<const Server> servers) {
  if (servers.size() > kServerCountMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("source hash: ", servers.size(), " servers, at most ",
                     kServerCountMax));
  }
  if (fill != Fill::kLoadMaster) {
    return absl::UnimplementedError("source hash: fill");
  }
  SourceHashTable table(fill, servers);
  table.slots_ = table.Without(ServerSet());
  return table;
}

Slots SourceHashTable::Without(const ServerSet& down) const {
  std::vector<uint32_t> weights(servers_.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!down.Contains(i)) weights[i] = servers_[i].weight;
  }
  return DealLoadMaster(weights);
}

}  // namespace ballast::sched
