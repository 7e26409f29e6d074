// What a unit counts, as Prometheus scrapes it: every name begins with
// "ballast_", counters end in _total, sizes are bytes.
//
// Labels   service  "192.0.2.10:80/tcp"; service_name its label, if any
//          server   "192.0.2.21:80"; server_name; sub_service; kind is "real",
//                   "sorry" or "removed" (flows remain)
//          reason, event, limit: of a bounded set, fixed in this program
// Traffic  is told for servers, and for services of layer 7, whose clients'
//          connections are not their servers'. What passes through a service of
//          layer 4 is the sum over its servers: a counter of it would fall when
//          a removed server's last flow ends.
// Reasons  of dropped frames are all there from the start, at 0.
// Cost     about 1 KiB and 4 us a server.
// Source   Prometheus, "Metric and label naming"; `promtool check metrics`.
#ifndef LB_ADMIN_METRICS_H_
#define LB_ADMIN_METRICS_H_

#include <string>

#include "lb/statistics.h"

namespace ballast::admin {

// kExpositionType (exposition.h).
std::string MetricsText(const Statistics& statistics);

}  // namespace ballast::admin

#endif  // LB_ADMIN_METRICS_H_
