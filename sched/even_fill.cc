#include "sched/even_fill.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "io/base/check.h"
#include "sched/winner_tree.h"

namespace ballast::sched {
namespace {

constexpr int64_t kSlots = kSlotCount;
constexpr int64_t kFurthest = int64_t{1} << 62;

// How many slots a server has and may have.
struct Quota {
  int64_t weight;
  int64_t count;
  int64_t least, most;
};

// Moves counts by `step` (1 or -1), one at a time where the distance from the
// share is greatest, until `missing` is 0 or nobody may move.
void Move(std::vector<Quota>& quotas, int64_t total, int64_t step,
          int64_t& missing) {
  WinnerTree tree(quotas.size());
  const auto weigh = [&](uint16_t i) {
    const Quota& q = quotas[i];
    const bool may_move = step > 0 ? q.count < q.most : q.count > q.least;
    // In units of 1 / total slots, so that it is a whole number. Below 2^41.
    const int64_t distance = step * (kSlots * q.weight - q.count * total);
    tree.Set(i, may_move ? kFurthest - distance : WinnerTree::kNever);
  };
  for (uint16_t i = 0; i < quotas.size(); ++i) weigh(i);
  while (missing != 0 && tree.WinningScore() != WinnerTree::kNever) {
    const uint16_t winner = tree.Winner();
    quotas[winner].count += step;
    missing -= step;
    weigh(winner);
  }
}

// How many slots each server shall have.
std::vector<Quota> Apportion(const EvenDeal& from,
                             std::span<const uint32_t> to) {
  std::vector<int64_t> holds(to.size());
  for (const uint16_t server : from.slots) {
    if (server != kNoServer) ++holds[server];
  }
  const int64_t total = std::accumulate(to.begin(), to.end(), int64_t{0});
  const int64_t total_from = std::max<int64_t>(from.total, 1);
  std::vector<Quota> quotas(to.size());
  int64_t missing = kSlots;
  for (size_t i = 0; i < to.size(); ++i) {
    Quota& q = quotas[i];
    q.weight = to[i];
    q.least = 0;
    q.most = kSlots;
    const int64_t before = from.weights[i] * total;
    const int64_t now = to[i] * total_from;
    if (now >= before) q.least = holds[i];
    if (now <= before) q.most = holds[i];
    if (to[i] == 0) q.least = q.most = 0;
    // As near to what it holds as its share, rounded down or up, allows.
    const int64_t floor = kSlots * q.weight / total;
    const int64_t ceiling = (kSlots * q.weight + total - 1) / total;
    q.count = std::clamp(std::clamp(holds[i], floor, ceiling), q.least, q.most);
    missing -= q.count;
  }
  Move(quotas, total, missing > 0 ? 1 : -1, missing);
  BALLAST_CHECK(missing == 0);
  return quotas;
}

}  // namespace

Slots DealEven(const EvenDeal& from, std::span<const uint32_t> to) {
  BALLAST_CHECK(from.weights.size() == to.size());
  Slots dealt;
  dealt.fill(kNoServer);
  if (std::all_of(to.begin(), to.end(), [](uint32_t w) { return w == 0; })) {
    return dealt;
  }
  std::vector<Quota> quotas = Apportion(from, to);
  for (size_t i = 0; i < kSlotCount; ++i) {
    const uint16_t server = from.slots[i];
    if (server == kNoServer || quotas[server].count == 0) continue;
    dealt[i] = server;
    --quotas[server].count;
  }
  size_t gains = 0;
  for (uint16_t& slot : dealt) {
    if (slot != kNoServer) continue;
    while (quotas[gains].count == 0) ++gains;
    slot = static_cast<uint16_t>(gains);
    --quotas[gains].count;
  }
  return dealt;
}

}  // namespace ballast::sched
