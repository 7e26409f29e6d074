#include "lb/l7/request_match.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace ballast::l7 {
namespace {

bool HostIs(absl::string_view wanted, absl::string_view host) {
  if (!absl::StartsWith(wanted, "*.")) {
    return absl::EqualsIgnoreCase(wanted, host);
  }
  wanted.remove_prefix(1);  // ".rest"
  return host.size() > wanted.size() && absl::EndsWithIgnoreCase(host, wanted);
}

bool PathIs(absl::string_view wanted, absl::string_view path) {
  if (!absl::StartsWith(path, wanted)) return false;
  return path.size() == wanted.size() || wanted.back() == '/' ||
         path[wanted.size()] == '/' || path[wanted.size()] == '?';
}

bool HasField(const config::RequestMatch& match, const http::Fields& fields) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (!absl::EqualsIgnoreCase(fields[i].name, match.header)) continue;
    if (!match.header_value || fields[i].value == *match.header_value) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::string_view HostWithoutPort(absl::string_view host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.rfind(':');
  if (colon == absl::string_view::npos ||
      (bracket != absl::string_view::npos && colon < bracket)) {
    return host;
  }
  return host.substr(0, colon);
}

bool Matches(const config::RequestMatch& match,
             const http::RequestHead& request) {
  return (match.host.empty() ||
          HostIs(match.host, HostWithoutPort(request.host()))) &&
         (match.path_prefix.empty() ||
          PathIs(match.path_prefix, request.path())) &&
         (match.method.empty() || match.method == request.method_text()) &&
         (match.header.empty() || HasField(match, request.fields));
}

bool MatchesAny(const std::vector<config::RequestMatch>& matches,
                const http::RequestHead& request) {
  return matches.empty() ||
         std::any_of(matches.begin(), matches.end(), [&](const auto& match) {
           return Matches(match, request);
         });
}

}  // namespace ballast::l7
