#include "sched/maglev_fill.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "io/base/siphash.h"
#include "sched/winner_tree.h"

namespace ballast::sched {
namespace {

// The slots in the order a server wants them.
struct Preference {
  uint32_t next;
  uint32_t skip;
};

Preference PreferenceOf(uint64_t id) {
  SipHasher<1, 3> hasher({0, 0x6d61676c6576});  // Both units alike: no secret.
  hasher.Word(id);
  const uint64_t hash = hasher.Finish(sizeof id);
  return {static_cast<uint32_t>(hash % kSlotCount),
          static_cast<uint32_t>((hash >> 32) % kSlotCount) | 1};
}

}  // namespace

Slots DealMaglev(std::span<const SourceHashTable::Server> servers) {
  std::vector<uint16_t> by_id;
  for (uint16_t i = 0; i < servers.size(); ++i) {
    if (servers[i].weight > 0) by_id.push_back(i);
  }
  std::sort(by_id.begin(), by_id.end(), [&](uint16_t a, uint16_t b) {
    return servers[a].id < servers[b].id;
  });
  Slots slots;
  slots.fill(kNoServer);
  if (by_id.empty()) return slots;
  WinnerTree next_turn(by_id.size());
  std::vector<uint64_t> turns(by_id.size());
  std::vector<Preference> preferences;
  for (uint16_t i = 0; i < by_id.size(); ++i) {
    const SourceHashTable::Server& server = servers[by_id[i]];
    next_turn.Set(i, WinnerTree::Fraction(1, server.weight));
    preferences.push_back(PreferenceOf(server.id));
  }
  for (size_t filled = 0; filled < kSlotCount; ++filled) {
    const uint16_t winner = next_turn.Winner();
    Preference& wants = preferences[winner];
    // An odd skip visits every slot, and one is still free.
    while (slots[wants.next] != kNoServer) {
      wants.next = (wants.next + wants.skip) % kSlotCount;
    }
    slots[wants.next] = by_id[winner];
    const uint32_t weight = servers[by_id[winner]].weight;
    next_turn.Set(winner, WinnerTree::Fraction(++turns[winner] + 1, weight));
  }
  return slots;
}

}  // namespace ballast::sched
