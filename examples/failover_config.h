// What the units of //examples:failover_demo are configured to do: four virtual
// services on the testbed's two servers, by NAT and by direct return, IPv4 and
// IPv6.
#ifndef EXAMPLES_FAILOVER_CONFIG_H_
#define EXAMPLES_FAILOVER_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "examples/testbed.h"
#include "io/base/address.h"

namespace ballast::failover {

inline constexpr int kServers = 2;
inline constexpr uint16_t kPort = 7000;

// A virtual address on the clients' link; `number` is at most 99.
inline Endpoint Vip(testbed::Family family, int number) {
  return {testbed::ClientAddress(family, 100 + number), kPort};
}
inline const Endpoint kNat4 = Vip(testbed::Family::kV4, 1);
inline const Endpoint kNat6 = Vip(testbed::Family::kV6, 2);
inline const Endpoint kDirect4 = Vip(testbed::Family::kV4, 3);
inline const Endpoint kDirect6 = Vip(testbed::Family::kV6, 4);

// A virtual service, as text of the configuration.
std::string Service(const Endpoint& vip, bool direct);

// The whole configuration of the pair's unit `index`: 0 is First, 1 Second.
// `folder` is its state_dir, `key` the pair's, in hex, and `more` is added at
// the end.
std::string UnitConfig(int index, absl::string_view folder,
                       absl::string_view key, absl::string_view more = "");

}  // namespace ballast::failover

#endif  // EXAMPLES_FAILOVER_CONFIG_H_
