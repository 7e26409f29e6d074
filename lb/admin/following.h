// Servers that follow another's health: by the followed one's number in the API
// (RsIndex), by its name and its service's in the configuration.
//
// Source  LoadMaster behaviour, 5.1.
#ifndef LB_ADMIN_FOLLOWING_H_
#define LB_ADMIN_FOLLOWING_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lb/admin/directory.h"

namespace ballast::admin {

// The number of the server that `server` of `service` follows; 0: none.
uint32_t FollowedIndex(const Service& service,
                       const config::proto::RealServer& server);

// Has `server` follow the one with the number `text`; 0 or its own: none. A
// followed server that has no name is given one, "RS-7". kInvalidArgument: no
// number, no such server, or it is of another service that has no name.
absl::Status SetFollowed(const Service& service, absl::string_view text,
                         config::proto::RealServer* server);

// The name of the service or sub service.
const std::string& NameOf(const Service& service);
// It was `old_name`: whoever follows a server of it goes on doing so.
void Renamed(const Service& service, absl::string_view old_name);

}  // namespace ballast::admin

#endif  // LB_ADMIN_FOLLOWING_H_
