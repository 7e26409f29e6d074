#include "sched/maglev_fill.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "io/base/siphash.h"
#include "sched/winner_tree.h"

namespace ballast::sched {
namespace {

struct NextTurn {
  uint64_t turns_taken = 0;
  uint64_t weight = 0;  // 0: never.

  static bool Beats(const NextTurn& a, const NextTurn& b, bool a_is_first) {
    if (a.weight == 0 || b.weight == 0) {
      return a.weight != 0 || (b.weight == 0 && a_is_first);
    }
    return (a.turns_taken + 1) * b.weight <
           (b.turns_taken + 1) * a.weight + (a_is_first ? 1 : 0);
  }
};

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
  WinnerTree<NextTurn> turns(by_id.size());
  std::vector<Preference> preferences;
  for (uint16_t i = 0; i < by_id.size(); ++i) {
    const SourceHashTable::Server& server = servers[by_id[i]];
    turns.Set(i, {0, server.weight});
    preferences.push_back(PreferenceOf(server.id));
  }
  for (size_t filled = 0; filled < kSlotCount; ++filled) {
    const uint16_t winner = turns.Winner();
    Preference& wants = preferences[winner];
    // An odd skip visits every slot, and one is still free.
    while (slots[wants.next] != kNoServer) {
      wants.next = (wants.next + wants.skip) % kSlotCount;
    }
    slots[wants.next] = by_id[winner];
    const NextTurn& turn = turns.key(winner);
    turns.Set(winner, {turn.turns_taken + 1, turn.weight});
  }
  return slots;
}

}  // namespace ballast::sched
