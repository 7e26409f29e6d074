// The persistence modes of a service, by the vendor's names (REST `Persist`).
//
// The numbers travel between units (they are the `mode` of an L7 record), and
// go into every key's digest: they never change.
// Source  LoadMaster behaviour §4.5.
#ifndef PERSIST_MODE_H_
#define PERSIST_MODE_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace ballast::persist {

enum class Mode : uint8_t {
  kNone = 0,                      // none
  kSourceIp = 1,                  // src
  kSuperHttp = 2,                 // super
  kSuperHttpAndSourceIp = 3,      // super-src
  kServerCookie = 4,              // cookie
  kServerCookieOrSourceIp = 5,    // cookie-src
  kActiveCookie = 6,              // active-cookie
  kActiveCookieOrSourceIp = 7,    // active-cook-src
  kHashAllCookies = 8,            // cookie-hash
  kHashAllCookiesOrSourceIp = 9,  // cookie-hash-src
  kUrlHash = 10,                  // url
  kHostHeader = 11,               // host
  kQueryItemHash = 12,            // query-hash
  kSelectedHeader = 13,           // header
  kSslSessionId = 14,             // ssl
  kUdpSip = 15,                   // udpsip
};
inline constexpr int kModeCount = 16;

// "active-cook-src".
absl::string_view ModeName(Mode mode);
// Letter case does not matter. nullopt: no such mode, or rdp, rdp-src, rdp-sb,
// rdp-sb-src, which there are not here.
std::optional<Mode> ParseMode(absl::string_view name);
// "Server Cookie or Source IP" is of kind Server Cookie, and so on: which kind
// of key the mode looks for first. Others are their own kind.
Mode KindOf(Mode mode);
// Whether a request that lacks the key goes by its source address.
bool HasSourceIpForm(Mode mode);
// Whether the key is made of an HTTP request.
bool IsHttpMode(Mode mode);

}  // namespace ballast::persist

#endif  // PERSIST_MODE_H_
