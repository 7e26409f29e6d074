// The addresses of this host that probes are sent from.
#ifndef LB_RUN_PROBE_SOURCE_H_
#define LB_RUN_PROBE_SOURCE_H_

#include <optional>

#include "io/base/address.h"

namespace ballast::run {

struct ProbeSource {
  // nullopt: as the route says.
  std::optional<Address> v4{};
  std::optional<Address> v6{};

  const std::optional<Address>& ForTarget(const Address& target) const {
    return target.is_v4() ? v4 : v6;
  }
};

}  // namespace ballast::run

#endif  // LB_RUN_PROBE_SOURCE_H_
