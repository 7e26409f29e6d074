// The `maglev` fill of the source hash slots: every server claims slots in an
// order of its own, drawn from its id, in turns as frequent as its weight says.
// A change moves the slots of whoever changed and a few percent of the others,
// and needs no memory of earlier tables.
//
// Source   Eisenbud et al., "Maglev" (NSDI 2016), section 3.4, whose table size
//          is prime. 4096 is not: the skip is odd instead, which makes
//          (offset + i * skip) mod 4096 a permutation as well. Weighted turns
//          by earliest next turn, (turns taken + 1) / weight; of equals the
//          lowest id, so that list order does not matter.
// Cost     about 4096 * ln(4096) slot probes: some 100 us.
#ifndef SCHED_MAGLEV_FILL_H_
#define SCHED_MAGLEV_FILL_H_

#include <cstdint>
#include <span>

#include "sched/source_hash_table.h"

namespace ballast::sched {

// Weight 0 leaves a server out. Ids are distinct. Weights are up to 2^16.
Slots DealMaglev(std::span<const SourceHashTable::Server> servers);

}  // namespace ballast::sched

#endif  // SCHED_MAGLEV_FILL_H_
