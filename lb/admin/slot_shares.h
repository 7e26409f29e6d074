// How the slots of schedule SH are dealt over a service's servers now.
#ifndef LB_ADMIN_SLOT_SHARES_H_
#define LB_ADMIN_SLOT_SHARES_H_

#include <cstdint>
#include <vector>

#include "lb/config/ballast.pb.h"
#include "lb/statistics.h"

namespace ballast::admin {

struct SlotsOf {
  uint32_t slots = 0;
  uint32_t fair = 0;  // By weight, of those that are available; rounded.
  bool starved() const { return slots * 2 < fair; }
};

// One for each of service.servers; sorry and removed ones have none. Fill EVEN
// depends on the tables before: right within a slot or two. Cost: as
// SourceHashTable.
std::vector<SlotsOf> SlotShares(const ServiceStatistics& service,
                                config::proto::Fill fill);

}  // namespace ballast::admin

#endif  // LB_ADMIN_SLOT_SHARES_H_
