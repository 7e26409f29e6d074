// What the host does besides, as `stats` has it.
//
// Source  LoadMaster behaviour, 6; what is within CPU, Memory and DiskUsage,
//         of which it has the names alone, is as public clients read it:
//         percent, kibibytes and gibibytes. in and out are bits a second.
#ifndef LB_ADMIN_HOST_NODES_H_
#define LB_ADMIN_HOST_NODES_H_

#include <vector>

#include "lb/admin/document.h"
#include "lb/statistics.h"

namespace ballast::admin {

// CPU, Memory, Network, DiskUsage.
std::vector<Node> ShowHost(const HostStatistics& host);

}  // namespace ballast::admin

#endif  // LB_ADMIN_HOST_NODES_H_
