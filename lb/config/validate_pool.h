// The part of validation that looks at servers and how they are chosen and
// checked: of a virtual service, or of a sub service.
#ifndef LB_CONFIG_VALIDATE_POOL_H_
#define LB_CONFIG_VALIDATE_POOL_H_

#include <cstdint>
#include <optional>
#include <string>

#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "lb/config/ballast.pb.h"
#include "lb/config/l7_model.h"
#include "lb/config/problems.h"
#include "lb/config/server_pool.h"
#include "lb/config/validate_service.h"

namespace ballast::config {

// What a pool has to fit to.
struct PoolOwner {
  std::optional<Address> address;  // Of the service; nullopt: is wrong.
  uint16_t port = 0;
  bool one_port = true;  // `port` is all it has.
  Protocol protocol = Protocol::kTcp;
  std::optional<L7Type> l7;
  bool terminates_tls = false;
  bool reencrypts = false;
  bool translates = false;  // Servers may be of the other address family.
};

// `path` is the owner's. The result means nothing once `problems` has errors.
void ValidatePool(const std::string& path, const proto::VirtualService& from,
                  const ServiceDefaults& defaults, const PoolOwner& owner,
                  ServerPool& pool, Problems& problems);
void ValidatePool(const std::string& path, const proto::SubService& from,
                  const ServiceDefaults& defaults, const PoolOwner& owner,
                  ServerPool& pool, Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_POOL_H_
