// The sockets that probes go out by.
#ifndef LB_RUN_PROBE_SOCKET_H_
#define LB_RUN_PROBE_SOCKET_H_

#include <optional>

#include "io/base/address.h"
#include "io/unique_fd.h"

namespace ballast::run {

// Not blocking, of `source` if there is one; a stream's is reset when it is
// closed. Invalid, and errno says why.
UniqueFd OpenProbeStream(const Address& to,
                         const std::optional<Address>& source);
UniqueFd OpenProbeDatagram(const Address& to,
                           const std::optional<Address>& source);

}  // namespace ballast::run

#endif  // LB_RUN_PROBE_SOCKET_H_
