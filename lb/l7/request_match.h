// Whether a request is a sub service's: config::RequestMatch against a head.
#ifndef LB_L7_REQUEST_MATCH_H_
#define LB_L7_REQUEST_MATCH_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "lb/config/l7_model.h"
#include "lb/http/head.h"

namespace ballast::l7 {

// The host of "host:port", "[v6]:port" or without a port.
absl::string_view HostWithoutPort(absl::string_view host);

// All that `match` says holds. The path is compared as it was received: neither
// decoded nor simplified, as the server will get it.
bool Matches(const config::RequestMatch& match,
             const http::RequestHead& request);
// Any of them; none are given: yes.
bool MatchesAny(const std::vector<config::RequestMatch>& matches,
                const http::RequestHead& request);

}  // namespace ballast::l7

#endif  // LB_L7_REQUEST_MATCH_H_
