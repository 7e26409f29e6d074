// A stream with a second message hidden in it, and why it is refused: what the
// tests of smuggling have in common.
#ifndef LB_HTTP_ATTACK_H_
#define LB_HTTP_ATTACK_H_

#include <ostream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lb/http/refusal.h"

namespace ballast::http {

struct Attack {
  const char* name;
  std::string fields;  // After the first line, and a request's Host.
  std::string rest;    // After the head.
  Refusal refusal;
  // In reports, which are XML, any byte must be printable.
  friend std::ostream& operator<<(std::ostream& out, const Attack& attack) {
    return out << absl::CHexEscape(attack.fields + attack.rest);
  }
};

// One whose first lines say it all.
struct FirstLine {
  const char* name;
  std::string stream;
  Refusal refusal;
  friend std::ostream& operator<<(std::ostream& out, const FirstLine& line) {
    return out << absl::CHexEscape(line.stream);
  }
};

inline constexpr char kHidden[] = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
inline constexpr char kChunked[] = "Transfer-Encoding: chunked\r\n";
inline constexpr char kHost[] = "\r\nHost: a\r\n\r\n";

// The attack as a request, with the hidden one behind it.
inline std::string RequestWith(const Attack& attack) {
  return absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\n", attack.fields, "\r\n",
                      attack.rest, kHidden);
}

inline std::string Bytes(absl::string_view text) { return std::string(text); }

}  // namespace ballast::http

#endif  // LB_HTTP_ATTACK_H_
