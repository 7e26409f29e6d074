// Cookies of requests and of responses, as RFC 6265 has user agents write and
// read them. No allocation.
//
// A ';' ends a pair wherever it stands, in quotes too; the first '=' ends the
// name; blanks around name and value are not theirs; quotes are part of a
// value. So a value is the very bytes that the server set and the client sends
// back. What has no '=', no name, or a control character is no cookie, and the
// others count all the same.
//
// Bounds  kCookiesMax pairs of a field, kCookieMax bytes of a pair; what is
//         beyond is passed over.
// Source  RFC 6265 §5.2, §5.4; limits: rfc6265bis §5.6, and more pairs than any
//         browser sends.
#ifndef PERSIST_COOKIE_H_
#define PERSIST_COOKIE_H_

#include <cstddef>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace ballast::persist {

inline constexpr size_t kCookiesMax = 256;
inline constexpr size_t kCookieMax = 4096;

// Visits the cookies of a Cookie field's value in order, until `visit` returns
// false.
void ForEachCookie(
    absl::string_view field,
    absl::FunctionRef<bool(absl::string_view name, absl::string_view value)>
        visit);

struct SetCookie {
  absl::string_view name;
  absl::string_view value;
  // Max-Age says that the client shall forget it. (Expires is not read: a
  // cookie that has expired is not sent again, and so does no harm.)
  bool forget = false;
};

// A Set-Cookie field's value. nullopt: it sets none.
std::optional<SetCookie> ParseSetCookie(absl::string_view field);

}  // namespace ballast::persist

#endif  // PERSIST_COOKIE_H_
