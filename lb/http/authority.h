// The parts of a request target and of Host that a proxy must understand alike
// with every server: who is asked, and for what.
//
// Source  RFC 3986 §3.2 (authority), RFC 9112 §3.2 (forms of the target).
#ifndef LB_HTTP_AUTHORITY_H_
#define LB_HTTP_AUTHORITY_H_

#include "absl/strings/string_view.h"

namespace ballast::http {

// uri-host [":" port]: a reg-name (not empty), IPv4 address or "[" IPv6 "]",
// and an empty port or one of 0..65535. No user information.
bool IsAuthority(absl::string_view text);
// The same, and the port is there (CONNECT).
bool IsAuthorityWithPort(absl::string_view text);

// Visible ASCII without '#': what may stand in a target. (RFC 3986 allows a
// little less; '|' and '{' in queries are common and nobody reads them twice.)
bool IsTargetText(absl::string_view text);

// An absolute http or https target, taken apart. False if it is none.
struct AbsoluteTarget {
  absl::string_view authority;
  absl::string_view path;  // From '/' on; from '?' on if there is no path.
};
bool ParseAbsolute(absl::string_view target, AbsoluteTarget* out);

}  // namespace ballast::http

#endif  // LB_HTTP_AUTHORITY_H_
