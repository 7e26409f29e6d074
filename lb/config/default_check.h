// How a service's servers are checked where its configuration does not say: by
// what its port is for.
//
// Source  LoadMaster behaviour, 5.3. HTTP or HTTPS is what servers speak, since
//         layer 7 may end TLS or make it.
#ifndef LB_CONFIG_DEFAULT_CHECK_H_
#define LB_CONFIG_DEFAULT_CHECK_H_

#include <cstdint>

#include "io/base/flow_key.h"
#include "lb/config/server_pool.h"

namespace ballast::config {

// `port`: 0 with a wildcard. Whether TLS of clients ends here, and whether
// there is TLS to servers: both false at layer 4.
CheckType DefaultCheckType(Protocol protocol, uint16_t port,
                           bool terminates_tls, bool reencrypts);

}  // namespace ballast::config

#endif  // LB_CONFIG_DEFAULT_CHECK_H_
