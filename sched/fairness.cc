#include "sched/fairness.h"

#include "absl/strings/str_format.h"

namespace ballast::sched {

std::vector<ServerShare> Shares(const SourceHashTable& table) {
  const auto& servers = table.servers();
  const auto counts = CountSlots(table.slots(), servers.size());
  double total = 0;
  for (const auto& server : servers) total += server.weight;
  std::vector<ServerShare> shares(servers.size());
  for (size_t i = 0; i < servers.size(); ++i) {
    shares[i].slots = counts[i];
    shares[i].share = counts[i] / double{kSlotCount};
    if (total > 0) shares[i].fair_share = servers[i].weight / total;
  }
  return shares;
}

std::vector<FairnessWarning> FairnessWarnings(const SourceHashTable& table) {
  std::vector<FairnessWarning> warnings;
  const auto shares = Shares(table);
  for (uint16_t i = 0; i < shares.size(); ++i) {
    const ServerShare& s = shares[i];
    if (s.share * 2 >= s.fair_share) continue;
    warnings.push_back(
        {i, absl::StrFormat(
                "weight %d gets %d of 4096 source hash slots (%.1f%%), under "
                "half its fair share of %.1f%%: %s",
                table.servers()[i].weight, s.slots, s.share * 100,
                s.fair_share * 100,
                table.fill() == Fill::kLoadMaster
                    ? "use fill even, or weights that sum to a divisor of "
                      "4096 (1, 2, 4 ... 4096)"
                    : "its share is too small for 4096 slots, raise its "
                      "weight")});
  }
  return warnings;
}

}  // namespace ballast::sched
