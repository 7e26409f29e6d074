// The `even` fill of the source hash slots: every server its share of 4096 by
// largest remainder, and a change moves only the slots it has to.
//
// Counts   a server whose share did not shrink keeps all its slots, one whose
//          share did not grow gains none. Within that, counts are the share
//          rounded down or up, the largest remainders up, first in list order
//          of equals. So adding a server moves just the slots it gets, and
//          removing one just those it had. (The plain largest-remainder rule
//          would at times move a slot between two servers that both gained.)
// Slots    a server that shrinks gives up its last slots; free slots go, in
//          ascending order, to the servers that gain, in list order.
// Cost     O((servers + slots moved) log servers + 4096).
#ifndef SCHED_EVEN_FILL_H_
#define SCHED_EVEN_FILL_H_

#include <cstdint>
#include <span>

#include "sched/source_hash_table.h"

namespace ballast::sched {

// A dealt table and who wanted how much of it. Weights are up to 2^16.
struct EvenDeal {
  // Slots of servers that are no longer there are kNoServer.
  const Slots& slots;
  // By today's positions; 0 for a server that was not there.
  std::span<const uint32_t> weights;
  // Of all servers then, those no longer there included.
  uint64_t total;
};

// The slots for servers of weights `to` (0: takes none), after `from`.
Slots DealEven(const EvenDeal& from, std::span<const uint32_t> to);

}  // namespace ballast::sched

#endif  // SCHED_EVEN_FILL_H_
