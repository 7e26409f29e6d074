// The key of a request under a service's persistence mode: one extractor a
// mode, pure functions of what was received.
//
// What the modes look at (LoadMaster behaviour §4.5; D: our choice there):
//   src              the client's address, as 16 bytes
//   super            User-Agent, or Authorization if that holds "MSRPC"; absent
//                    is the empty key, which such clients share
//   super-src        the same and the address as text
//   cookie           the first cookie of that name
//   active-cookie    the first cookie of that name that we have made
//   cookie-hash      all cookies' values in order, each behind its length (else
//                    "ab","c" and "a","bc" would be one), names left out
//   url              path and query as received
//   host             Host in lower case, with its port
//   query-hash       the first item of that name, percent-decoded
//   header           the field's value; several fields are one list (RFC 9110
//                    §5.3)
//   ssl              the TLS session ID; see Tls13Key
//   udpsip           the SIP field's value (sip_field.h)
// An empty value is no key, but with super (D).
//
// Cost     no allocation once `scratch` has grown; see bench/RESULTS.md.
// Errors   none: what cannot be read has no key.
#ifndef PERSIST_EXTRACT_H_
#define PERSIST_EXTRACT_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "persist/active_cookie.h"
#include "persist/key.h"
#include "persist/request_view.h"
#include "persist/settings.h"

namespace ballast::persist {

struct Extraction {
  enum class Outcome : uint8_t {
    kNone,      // No persistence for this request; `key` is empty.
    kKey,       // What the mode looks for.
    kFallback,  // The request lacks that: its source address.
  };
  Outcome outcome = Outcome::kNone;
  Key key;  // Its bytes lie in what was received or in the scratch string.
  // Active cookies: whatever the outcome, the response shall set a new one, to
  // be entered for the server that this request gets, beside `key` if there is
  // one. Also do so when a key of kind kActiveCookie has no entry: it has
  // expired, and a new value replaces it.
  bool issue_cookie = false;
};

// For the HTTP modes and source IP; others have no key here. `cookies` may be
// null unless the mode is one of active cookies.
Extraction ExtractKey(const Settings& settings, const ActiveCookies* cookies,
                      const RequestView& request, std::string& scratch);

// The server cookie that a response sets, with mode cookie or cookie-src: to be
// entered for the server that sent it. `fields` are the response's. kNone: it
// sets none. Of several of that name the last counts, as it does for a client.
Extraction LearnKey(const Settings& settings, FieldLookup fields,
                    std::string& scratch);

// Modes ssl and source IP.
Extraction ExtractKey(const Settings& settings, const ClientHelloView& hello,
                      std::string& scratch);
// The session ID that a server has given, to be entered for it. kNone with TLS
// 1.3, whose servers only echo the client's.
Extraction LearnKey(const Settings& settings, const ServerHelloView& hello);

// Modes udpsip and source IP.
Extraction ExtractKey(const Settings& settings,
                      std::span<const uint8_t> datagram, const Address& client,
                      std::string& scratch);

}  // namespace ballast::persist

#endif  // PERSIST_EXTRACT_H_
