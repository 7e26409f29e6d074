// The vendor's deal of the source hash slots: consecutive runs as long as the
// weight, in list order, round again until the table is full.
#ifndef SCHED_LOADMASTER_FILL_H_
#define SCHED_LOADMASTER_FILL_H_

#include <algorithm>
#include <cstdint>
#include <span>

#include "sched/source_hash_table.h"

namespace ballast::sched {

// Weight 0 leaves a server out. All slots are kNoServer when all are out.
inline Slots DealLoadMaster(std::span<const uint32_t> weights) {
  Slots slots;
  slots.fill(kNoServer);
  if (std::all_of(weights.begin(), weights.end(),
                  [](uint32_t weight) { return weight == 0; })) {
    return slots;
  }
  // Each round fills at least one slot, so this ends.
  for (size_t filled = 0, server = 0; filled < kSlotCount; ++server) {
    if (server == weights.size()) server = 0;
    const size_t run = std::min<size_t>(weights[server], kSlotCount - filled);
    std::fill_n(slots.begin() + filled, run, static_cast<uint16_t>(server));
    filled += run;
  }
  return slots;
}

}  // namespace ballast::sched

#endif  // SCHED_LOADMASTER_FILL_H_
