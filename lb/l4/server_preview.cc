// ServerChoice as it is shown: what would be chosen, and its entries.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/l4/persistence_key.h"
#include "lb/l4/server_choice.h"
#include "sched/source_hash_table.h"

namespace ballast::l4 {

ServerChoice::Preview ServerChoice::WouldChoose(Instant now,
                                                const PlanService& service,
                                                const Address& client) const {
  Preview preview;
  if (service.config.persistence.enabled) {
    preview.found = FindEntry(now, service, client);
    if (preview.found.entry != nullptr &&
        preview.found.follow == persist::Follow::kGo) {
      static_cast<Choice&>(preview) = {preview.found.server->slot,
                                       DropReason::kNone};
      return preview;
    }
  }
  static_cast<Choice&>(preview) = WouldSchedule(now, service, client);
  return preview;
}

ServerChoice::Choice ServerChoice::WouldSchedule(Instant now,
                                                 const PlanService& service,
                                                 const Address& client) const {
  return ScheduleBy(service, [&](const sched::Scheduler& scheduler) {
    return scheduler.WouldPick(now, SourceHashOf(client));
  });
}

uint32_t ServerChoice::SourceSlotOf(const Address& client) const {
  return SourceHashOf(client) & (sched::kSlotCount - 1);
}

std::string ServerChoice::ObstacleOf(const PlanServer& server) const {
  const Server& running = servers_[server.slot];
  if (server.removed) return "removed";
  if (server.sorry) return "";
  if (server.state == config::AdminState::kDisabled) return "disabled";
  if (server.state == config::AdminState::kDraining) return "draining";
  if (!running.healthy) return "down";
  if (running.avoid_until != Instant::FromNanos(0)) {
    return "refused a connection a moment ago";
  }
  if (WeightOf(server) == 0) return "of weight 0";
  const uint32_t open = running.open + running.foreign;
  if (server.connection_limit != 0 && open >= server.connection_limit) {
    return absl::StrCat("at its limit, ", open, " of ", server.connection_limit,
                        " connections");
  }
  return "";
}

uint32_t ServerChoice::List(Instant now, uint32_t cursor, uint32_t count,
                            const EntryFilter& filter, size_t count_max,
                            std::vector<EntryView>& entries) {
  return store_.Walk(cursor, count, [&](const persist::Entry& entry) {
    if (entries.size() >= count_max || entry.expires() <= now) return false;
    const PlanServer* server = ServerOf(*plan_, entry);
    if (server == nullptr) return false;
    const PlanService& service = *plan_->service(server->service);
    const persist::SourceKey key = store_.KeyOf(entry);
    if (key.service != TagOf(service) ||
        (filter.service != kNoSlot && filter.service != service.slot) ||
        (filter.client.has_value() && *filter.client != key.client)) {
      return false;
    }
    entries.push_back(
        {key.client, service.slot, server->slot, entry.expires() - now});
    return filter.erase;
  });
}

}  // namespace ballast::l4
