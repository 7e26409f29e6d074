// How services and servers are, by the statistics, in the API's words.
#ifndef LB_ADMIN_STATUS_OF_H_
#define LB_ADMIN_STATUS_OF_H_

#include "lb/admin/directory.h"
#include "lb/statistics.h"

namespace ballast::admin {

// Of the service, by address, port and protocol; null: not known (yet).
const ServiceStatistics* StatisticsOf(const Statistics& statistics,
                                      const Service& service);
// Of server `place` of service.servers(); `statistics` as above.
const ServerStatistics* StatisticsOf(const ServiceStatistics* statistics,
                                     const Service& service, int place);

// "Up", "Down" or "Disabled".
const char* StatusOf(const ServiceStatistics* statistics,
                     const Service& service);
const char* StatusOf(const ServerStatistics* server);

}  // namespace ballast::admin

#endif  // LB_ADMIN_STATUS_OF_H_
