// Two directors of one configuration, for tests: `a` leads, `b` follows, and
// what one has to tell goes to the other when the test says so.
#ifndef LB_L4_DIRECTOR_PAIR_H_
#define LB_L4_DIRECTOR_PAIR_H_

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "ha/state_table.h"
#include "ha/sync_policy.h"
#include "ha/sync_record.h"
#include "lb/l4/director_state_table.h"
#include "lb/l4/director_world.h"

namespace ballast::l4 {

inline constexpr char kDirectVip[] = "192.0.2.11:80";
inline constexpr char kUdpVip[] = "192.0.2.10:53";
inline constexpr char kServer[] = "10.0.0.1:8080";

inline Endpoint E(const char* text) { return *Endpoint::Parse(text); }

inline config::VirtualService Direct(const char* vip, const char* server) {
  auto service = Service(vip, {server});
  service.servers[0].forwarding = config::Forwarding::kRoute;
  return service;
}

inline DirectorWorld::Options Several() {
  return {.services = {Service(kVip, {kServer, "10.0.0.2:8080"}),
                       Direct(kDirectVip, "10.0.0.2:80"),
                       Service(kUdpVip, {"10.0.0.1:53"}, Protocol::kUdp),
                       Service(kVip6, {"[2001:db8:5::1]:8080"})}};
}
inline DirectorWorld::Options Standby(DirectorWorld::Options options) {
  options.active = false;
  return options;
}

// A Linux master's record of an established connection.
inline ha::SyncRecord Record(const char* client = kClient,
                             const char* vip = kVip,
                             const char* server = kServer) {
  ha::SyncRecord record;
  record.protocol = 6;
  record.v6 = !E(client).address.is_v4();
  record.state = 1;
  record.timeout_s = 900;
  record.client = E(client);
  record.virtual_service = E(vip);
  record.server = E(server);
  return record;
}
inline ha::SyncRecord Gone(const ha::SyncRecord& record) {
  ha::SyncRecord gone;
  gone.kind = ha::SyncRecord::Kind::kGone;
  gone.protocol = record.protocol;
  gone.v6 = record.v6;
  gone.client = record.client;
  gone.virtual_service = record.virtual_service;
  return gone;
}

inline ha::ApplyCounts Apply(DirectorWorld& world,
                             const ha::SyncRecord& record) {
  return world.director->Apply(world.now, {&record, 1});
}
inline void TakeOver(DirectorWorld& world) {
  world.director->SetFollowing(world.now, false);
  world.director->SetActive(world.now, true, /*at_once=*/true);
  world.Emit();
}
inline std::optional<FlowView> Flow(DirectorWorld& world,
                                    const char* client = kClient,
                                    const char* vip = kVip) {
  return world.director->FindFlow({E(client), E(vip), Protocol::kTcp});
}
inline const ServerCounters& Counters(DirectorWorld& world,
                                      const char* server = kServer) {
  return *world.director->counters().servers.Get(world.ServerSlot(server));
}

// All that TakeChanges() gives, up to a mark if there is one.
inline std::vector<ha::SyncRecord> TakeChanges(DirectorWorld& world) {
  DirectorStateTable table(*world.director);
  std::vector<ha::SyncRecord> all;
  std::array<ha::SyncRecord, 7> some;
  while (const size_t count = table.TakeChanges(world.now, some)) {
    all.insert(all.end(), some.begin(), some.begin() + count);
  }
  return all;
}

// All that Export() gives, `piece` records at a time.
inline std::vector<ha::SyncRecord> ExportAll(DirectorWorld& world,
                                             size_t piece = 5,
                                             bool only_untold = false) {
  DirectorStateTable table(*world.director);
  std::vector<ha::SyncRecord> all, some(piece);
  ha::StateTable::Cursor cursor;
  cursor.only_untold = only_untold;
  while (!cursor.done) {
    const size_t count = table.Export(world.now, cursor, some);
    all.insert(all.end(), some.begin(), some.begin() + count);
  }
  return all;
}

struct DirectorPair {
  explicit DirectorPair(DirectorWorld::Options options,
                        ha::SyncSettings settings = {3, 50, 0}) {
    options.active = true;
    a = std::make_unique<DirectorWorld>(options);
    options.active = false;
    b = std::make_unique<DirectorWorld>(options);
    for (DirectorWorld* world : {a.get(), b.get()}) {
      world->director->SetSync({.settings = settings});
    }
    b->director->SetFollowing(b->now, true);
  }

  ha::ApplyCounts Apply(const std::vector<ha::SyncRecord>& records) {
    return DirectorStateTable(*b->director).Apply(b->now, records);
  }
  // a's changes to b.
  ha::ApplyCounts Replicate() { return Apply(TakeChanges(*a)); }
  // a's whole table to b, which then replaces its own.
  ha::ApplyCounts Transfer() {
    DirectorStateTable from(*a->director), to(*b->director);
    from.StartTelling(a->now);
    to.BeginReplace(b->now);
    const ha::ApplyCounts counts = Apply(ExportAll(*a));
    to.EndReplace(b->now, true);
    return counts;
  }
  // Equal sums of what a has told and b was told?
  testing::AssertionResult SumsAgree() {
    const ha::TableSummary told = a->director->Mark(a->now);
    Replicate();
    const ha::TableSummary known = b->director->Mark(b->now);
    TakeChanges(*b);
    if (told == known) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << "a told " << told.count << " (" << told.digest << "), b knows "
           << known.count << " (" << known.digest << ")";
  }
  void Advance(absl::Duration duration) {
    for (DirectorWorld* world : {a.get(), b.get()}) {
      world->Advance(duration);
      world->Emit();
    }
  }
  // b takes over. Then it is `a`.
  void TakeOver() {
    a->director->StopTelling(a->now);
    a->director->SetActive(a->now, false);
    b->director->SetFollowing(b->now, false);
    b->director->SetActive(b->now, true, /*at_once=*/true);
    a->director->SetFollowing(a->now, true);
    a->Emit();
    b->Emit();
    std::swap(a, b);
  }

  std::unique_ptr<DirectorWorld> a, b;
};

}  // namespace ballast::l4

#endif  // LB_L4_DIRECTOR_PAIR_H_
