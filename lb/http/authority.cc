#include "lb/http/authority.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "io/base/address.h"

namespace ballast::http {
namespace {

// unreserved and sub-delims (RFC 3986 §2.2, §2.3), and '%' of pct-encoded,
// whose two digits are looked at apart.
bool IsRegNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::string_view("-._~!$&'()*+,;=%").find(c) !=
             absl::string_view::npos;
}

bool IsRegName(absl::string_view text) {
  if (text.empty() ||
      !std::all_of(text.begin(), text.end(), IsRegNameCharacter)) {
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (i + 2 >= text.size() ||
        !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) ||
        !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      return false;
    }
  }
  return true;
}

// Splits off ":port". False if what stands after the host is no port.
bool SplitPort(absl::string_view text, absl::string_view* host,
               absl::string_view* port) {
  size_t colon;
  if (!text.empty() && text.front() == '[') {
    const size_t bracket = text.find(']');
    if (bracket == absl::string_view::npos) return false;
    colon = bracket + 1 == text.size() ? absl::string_view::npos : bracket + 1;
    if (colon != absl::string_view::npos && text[colon] != ':') return false;
  } else {
    colon = text.find(':');
  }
  *host = text.substr(0, colon);
  *port = colon == absl::string_view::npos ? absl::string_view()
                                           : text.substr(colon + 1);
  uint32_t number;
  return port->empty() ||
         (port->size() <= 5 &&
          std::all_of(port->begin(), port->end(),
                      [](unsigned char c) { return absl::ascii_isdigit(c); }) &&
          absl::SimpleAtoi(*port, &number) && number <= 65535);
}

bool IsHost(absl::string_view host) {
  if (host.empty() || host.front() != '[') return IsRegName(host);
  const absl::string_view inside = host.substr(1, host.size() - 2);
  if (inside.find(':') == absl::string_view::npos) return false;
  return Address::Parse(inside).ok();
}

}  // namespace

bool IsAuthority(absl::string_view text) {
  absl::string_view host, port;
  return SplitPort(text, &host, &port) && IsHost(host);
}

bool IsAuthorityWithPort(absl::string_view text) {
  absl::string_view host, port;
  return SplitPort(text, &host, &port) && IsHost(host) && !port.empty();
}

bool IsTargetText(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '#';
  });
}

bool ParseAbsolute(absl::string_view target, AbsoluteTarget* out) {
  if (absl::StartsWithIgnoreCase(target, "http://")) {
    target.remove_prefix(7);
  } else if (absl::StartsWithIgnoreCase(target, "https://")) {
    target.remove_prefix(8);
  } else {
    return false;
  }
  const size_t path = std::min(target.find_first_of("/?"), target.size());
  out->authority = target.substr(0, path);
  out->path = target.substr(path);
  return IsAuthority(out->authority);
}

}  // namespace ballast::http
