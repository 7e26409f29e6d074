// What the errno of a probe's connect() or sendto() says of the server.
#ifndef LB_RUN_PROBE_ERROR_H_
#define LB_RUN_PROBE_ERROR_H_

#include <cerrno>

#include "lb/health/check_state.h"

namespace ballast::run {

inline health::ProbeResult ProbeError(int error) {
  switch (error) {
    case ECONNREFUSED:  // RST, or ICMP port unreachable.
    case ECONNRESET:
      return health::ProbeResult::kRefused;
    case EHOSTUNREACH:  // ICMP, no neighbour, or an "unreachable" route.
    case EHOSTDOWN:
    case ENETUNREACH:  // No route.
    case ENETDOWN:
    case ENOPROTOOPT:  // ICMP protocol unreachable.
    case EACCES:       // ICMPv6 administratively prohibited.
      return health::ProbeResult::kUnreachable;
    default:
      return health::ProbeResult::kLocalError;
  }
}

}  // namespace ballast::run

#endif  // LB_RUN_PROBE_ERROR_H_
