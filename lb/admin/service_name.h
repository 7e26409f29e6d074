// What services are called by what shows them.
#ifndef LB_ADMIN_SERVICE_NAME_H_
#define LB_ADMIN_SERVICE_NAME_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"

namespace ballast::admin {

// "192.0.2.10:80/tcp", "[2001:db8::1]:0/udp" with a wildcard port.
inline std::string ServiceName(const Address& address, uint16_t port,
                               Protocol protocol) {
  return absl::StrCat(Endpoint{address, port}.ToString(), "/",
                      ProtocolName(protocol));
}

}  // namespace ballast::admin

#endif  // LB_ADMIN_SERVICE_NAME_H_
