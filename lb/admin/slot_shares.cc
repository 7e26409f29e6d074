#include "lb/admin/slot_shares.h"

#include <cmath>
#include <cstddef>

#include "lb/l4/plan.h"
#include "sched/source_hash_table.h"

namespace ballast::admin {
namespace {

sched::Fill ToSched(config::proto::Fill fill) {
  switch (fill) {
    case config::proto::EVEN:
      return sched::Fill::kEven;
    case config::proto::MAGLEV:
      return sched::Fill::kMaglev;
    default:
      return sched::Fill::kLoadMaster;
  }
}

}  // namespace

std::vector<SlotsOf> SlotShares(const ServiceStatistics& service,
                                config::proto::Fill fill) {
  std::vector<SlotsOf> shares(service.servers.size());
  std::vector<sched::SourceHashTable::Server> dealt;
  std::vector<size_t> places;
  sched::ServerSet down;
  double total = 0;
  for (size_t i = 0; i < service.servers.size(); ++i) {
    const ServerStatistics& server = service.servers[i];
    if (server.sorry || server.removed) continue;
    if (dealt.size() == sched::kServerCountMax) break;
    if (server.up && server.state == config::AdminState::kEnabled) {
      total += server.weight;
    } else {
      down.Set(static_cast<uint16_t>(dealt.size()), true);
    }
    dealt.push_back(
        {.id = l4::ServerId(server.endpoint), .weight = server.weight});
    places.push_back(i);
  }
  const auto table = sched::SourceHashTable::Build(ToSched(fill), dealt);
  if (!table.ok() || total == 0) return shares;
  const auto counts = sched::CountSlots(table->Without(down), dealt.size());
  for (size_t i = 0; i < dealt.size(); ++i) {
    SlotsOf& share = shares[places[i]];
    share.slots = counts[i];
    if (down.Contains(static_cast<uint16_t>(i))) continue;
    share.fair = static_cast<uint32_t>(
        std::lround(sched::kSlotCount * dealt[i].weight / total));
  }
  return shares;
}

}  // namespace ballast::admin
