// One header field of a SIP message in a datagram.
//
// Strict where it decides who reads what: lines end in CRLF, and a lone CR or
// LF in the headers, a line that is no field, or a datagram that is no SIP
// message ends the reading without an answer. Lenient where it does not matter
// here: values are not parsed (quoted strings may hold any other byte), so that
// messages whose URIs or methods are wrong still reach one server, which says
// so.
//
// Names    in any letter case, and by their compact forms both ways: "Call-ID"
//          finds "i:", "i" finds "Call-ID:". Blanks before the colon are
//          allowed.
// Values   of the first such field: folded lines joined by one space, without
//          blanks around them (RFC 3261 §7.3.1).
// Bounds   kSipHeaderMax bytes of headers, kSipFieldsMax fields.
// Source   RFC 3261 §7, §25.1; compact forms: IANA's SIP header fields.
#ifndef PERSIST_SIP_FIELD_H_
#define PERSIST_SIP_FIELD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace ballast::persist {

inline constexpr size_t kSipHeaderMax = 16 * 1024;
inline constexpr size_t kSipFieldsMax = 256;

// The view is of `datagram`, or of `scratch` if the value was folded.
std::optional<absl::string_view> SipField(std::span<const uint8_t> datagram,
                                          absl::string_view name,
                                          std::string& scratch);

}  // namespace ballast::persist

#endif  // PERSIST_SIP_FIELD_H_
