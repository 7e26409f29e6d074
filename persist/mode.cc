#include "persist/mode.h"

#include <array>
#include <cstddef>

#include "absl/strings/match.h"

namespace ballast::persist {
namespace {

constexpr std::array<absl::string_view, kModeCount> kNames = {
    "none",          "src",
    "super",         "super-src",
    "cookie",        "cookie-src",
    "active-cookie", "active-cook-src",
    "cookie-hash",   "cookie-hash-src",
    "url",           "host",
    "query-hash",    "header",
    "ssl",           "udpsip"};

}  // namespace

absl::string_view ModeName(Mode mode) {
  return kNames[static_cast<size_t>(mode)];
}

std::optional<Mode> ParseMode(absl::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (absl::EqualsIgnoreCase(name, kNames[i])) return static_cast<Mode>(i);
  }
  return std::nullopt;
}

Mode KindOf(Mode mode) {
  switch (mode) {
    case Mode::kServerCookieOrSourceIp:
      return Mode::kServerCookie;
    case Mode::kActiveCookieOrSourceIp:
      return Mode::kActiveCookie;
    case Mode::kHashAllCookiesOrSourceIp:
      return Mode::kHashAllCookies;
    default:
      return mode;
  }
}

bool HasSourceIpForm(Mode mode) { return KindOf(mode) != mode; }

bool IsHttpMode(Mode mode) {
  switch (mode) {
    case Mode::kNone:
    case Mode::kSourceIp:
    case Mode::kSslSessionId:
    case Mode::kUdpSip:
      return false;
    default:
      return true;
  }
}

}  // namespace ballast::persist
