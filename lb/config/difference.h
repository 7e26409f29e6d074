// What one configuration has that another has not, by field path, as an
// operator reads it:
//
//   ~ virtual_services[192.0.2.10:80].schedule: RR -> LC
//   - virtual_services[192.0.2.10:80].real_servers[10.0.0.1:80]: weight: 500
//   + floating_addresses[10.0.0.254]: interface: "eth1"
//   ~ virtual_services: in another order
//   ~ hash_key: "(secret 1)" -> "(secret 2)"
//
// Services, servers, links and the like are compared with those of the same
// address or name, wherever they stand. Secrets are told apart, not shown;
// values are cut at kShownMax bytes. `generation` is left out.
//
// Cost     linear in both, but for sorting the elements of lists.
// Threads  a pure function.
#ifndef LB_CONFIG_DIFFERENCE_H_
#define LB_CONFIG_DIFFERENCE_H_

#include <cstddef>
#include <string>

#include "lb/config/ballast.pb.h"

namespace ballast::config {

inline constexpr size_t kShownMax = 400;

// Lines, each with its newline; empty: they are the same.
std::string Difference(const proto::Config& from, const proto::Config& to);

// Whether they are the same but for their generation.
bool SameConfig(const proto::Config& a, const proto::Config& b);

}  // namespace ballast::config

#endif  // LB_CONFIG_DIFFERENCE_H_
