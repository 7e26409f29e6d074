// The part of validation about links and addresses: which the director has,
// and that no two services and no server claim the same.
#ifndef LB_CONFIG_VALIDATE_NETWORK_H_
#define LB_CONFIG_VALIDATE_NETWORK_H_

#include <cstddef>
#include <string>

#include "lb/config/ballast.pb.h"
#include "lb/config/model.h"
#include "lb/config/problems.h"

namespace ballast::config {

// "virtual_services[7]".
std::string ServicePath(size_t index);

// Reports what cannot be the name of a link.
void ValidateLinkName(const std::string& path, const std::string& name,
                      Problems& problems);

// Fills model.interfaces.
void ValidateInterfaces(const proto::Config& from, Model& model,
                        Problems& problems);

// Fills model.floating_addresses; the interfaces and services are there.
void ValidateFloating(const proto::Config& from, Model& model,
                      Problems& problems);

// A server behind an address of the director's own would be a loop.
void RefuseOwnAddresses(const Model& model, Problems& problems);

// No two services may claim the same (address, port, protocol). A wildcard has
// what the others leave, so it collides only with another wildcard.
void RefuseCollisions(const proto::Config& from, const Model& model,
                      Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_NETWORK_H_
