#include "persist/extract.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "persist/cookie.h"
#include "persist/mode.h"
#include "persist/sip_field.h"
#include "persist/target.h"

namespace ballast::persist {
namespace {

using Outcome = Extraction::Outcome;

absl::string_view View(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void Assign(std::string& scratch, absl::string_view text) {
  scratch.clear();
  absl::StrAppend(&scratch, text);
}

// Copied: a view's address may not live as long as the key.
Extraction SourceIp(const Address& client, Outcome outcome,
                    std::string& scratch) {
  Assign(scratch, View(client.bytes()));
  return {outcome, {Mode::kSourceIp, scratch}};
}

Extraction Found(Mode kind, absl::string_view bytes) {
  return {Outcome::kKey, {kind, bytes}};
}

Extraction FoundUnlessEmpty(Mode kind, absl::string_view bytes) {
  return bytes.empty() ? Extraction{} : Found(kind, bytes);
}

// All fields of that name as one value; several are joined in `scratch`.
std::optional<absl::string_view> FieldValue(FieldLookup fields,
                                            absl::string_view name,
                                            std::string& scratch) {
  absl::string_view value;
  int count = 0;
  fields(name, [&](absl::string_view next) {
    if (++count == 1) {
      value = next;
      return;
    }
    if (count == 2) Assign(scratch, value);
    absl::StrAppend(&scratch, ", ", next);
  });
  if (count == 0) return std::nullopt;
  return count == 1 ? value : absl::string_view(scratch);
}

absl::string_view SuperHttp(const RequestView& request, std::string& scratch) {
  const absl::string_view agent =
      FieldValue(request.fields, "User-Agent", scratch).value_or("");
  if (!absl::StrContains(agent, "MSRPC")) return agent;
  return FieldValue(request.fields, "Authorization", scratch).value_or("");
}

Extraction SuperHttpAndSourceIp(const RequestView& request,
                                std::string& scratch) {
  const absl::string_view value = SuperHttp(request, scratch);
  // (Else it is the scratch string.)
  if (value.data() != scratch.data()) Assign(scratch, value);
  scratch += request.client.ToString();
  return Found(Mode::kSuperHttpAndSourceIp, scratch);
}

// Visits all cookies of a request until `visit` returns false.
void ForEachCookieOf(
    const RequestView& request,
    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) {
  bool go_on = true;
  request.fields("Cookie", [&](absl::string_view field) {
    if (!go_on) return;
    ForEachCookie(field, [&](absl::string_view name, absl::string_view value) {
      return go_on = visit(name, value);
    });
  });
}

Extraction ServerCookie(const Settings& settings, const RequestView& request) {
  Extraction found;
  ForEachCookieOf(request,
                  [&](absl::string_view name, absl::string_view value) {
                    if (name != settings.name) return true;
                    found = FoundUnlessEmpty(Mode::kServerCookie, value);
                    return false;
                  });
  return found;
}

absl::string_view ActiveCookieName(const Settings& settings) {
  return settings.name.empty() ? kActiveCookieNameDefault
                               : absl::string_view(settings.name);
}

Extraction ActiveCookie(const Settings& settings, const ActiveCookies& cookies,
                        const RequestView& request) {
  using Standing = ActiveCookies::Standing;
  Extraction found{.issue_cookie = true};
  ForEachCookieOf(request,
                  [&](absl::string_view name, absl::string_view value) {
                    if (name != ActiveCookieName(settings)) return true;
                    const Standing standing = cookies.Examine(value);
                    if (standing == Standing::kForeign) return true;
                    found = Found(Mode::kActiveCookie, value);
                    found.issue_cookie = standing == Standing::kEarlier;
                    return false;
                  });
  return found;
}

Extraction HashAllCookies(const RequestView& request, std::string& scratch) {
  scratch.clear();
  ForEachCookieOf(request, [&](absl::string_view, absl::string_view value) {
    absl::StrAppend(&scratch, value.size(), ":", value);
    return true;
  });
  return FoundUnlessEmpty(Mode::kHashAllCookies, scratch);
}

Extraction Host(absl::string_view host, std::string& scratch) {
  Assign(scratch, host);
  absl::AsciiStrToLower(&scratch);
  return FoundUnlessEmpty(Mode::kHostHeader, scratch);
}

Extraction Own(const Settings& settings, const ActiveCookies* cookies,
               const RequestView& request, std::string& scratch) {
  switch (KindOf(settings.mode)) {
    case Mode::kSourceIp:
      return SourceIp(request.client, Outcome::kKey, scratch);
    case Mode::kSuperHttp:
      return Found(Mode::kSuperHttp, SuperHttp(request, scratch));
    case Mode::kSuperHttpAndSourceIp:
      return SuperHttpAndSourceIp(request, scratch);
    case Mode::kServerCookie:
      return ServerCookie(settings, request);
    case Mode::kActiveCookie:
      BALLAST_CHECK(cookies != nullptr);
      return ActiveCookie(settings, *cookies, request);
    case Mode::kHashAllCookies:
      return HashAllCookies(request, scratch);
    case Mode::kUrlHash:
      return FoundUnlessEmpty(Mode::kUrlHash,
                              PathAndQuery(request.target, scratch));
    case Mode::kHostHeader:
      return Host(request.host, scratch);
    case Mode::kQueryItemHash:
      return FoundUnlessEmpty(
          Mode::kQueryItemHash,
          QueryItem(request.target, settings.query_item, scratch).value_or(""));
    case Mode::kSelectedHeader:
      return FoundUnlessEmpty(
          Mode::kSelectedHeader,
          FieldValue(request.fields, settings.name, scratch).value_or(""));
    default:
      return {};
  }
}

}  // namespace

Extraction ExtractKey(const Settings& settings, const ActiveCookies* cookies,
                      const RequestView& request, std::string& scratch) {
  Extraction found = Own(settings, cookies, request, scratch);
  if (found.outcome == Outcome::kNone && HasSourceIpForm(settings.mode)) {
    const bool issue_cookie = found.issue_cookie;
    found = SourceIp(request.client, Outcome::kFallback, scratch);
    found.issue_cookie = issue_cookie;
  }
  return found;
}

Extraction LearnKey(const Settings& settings, FieldLookup fields,
                    std::string& scratch) {
  Extraction learned;
  if (KindOf(settings.mode) != Mode::kServerCookie) return learned;
  fields("Set-Cookie", [&](absl::string_view field) {
    const auto cookie = ParseSetCookie(field);
    if (!cookie.has_value() || cookie->name != settings.name) return;
    learned = {};
    if (cookie->forget || cookie->value.empty()) return;
    Assign(scratch, cookie->value);
    learned = Found(Mode::kServerCookie, scratch);
  });
  return learned;
}

Extraction ExtractKey(const Settings& settings, const ClientHelloView& hello,
                      std::string& scratch) {
  if (settings.mode == Mode::kSourceIp) {
    return SourceIp(hello.client, Outcome::kKey, scratch);
  }
  if (settings.mode != Mode::kSslSessionId) return {};
  if (hello.offers_tls13 && settings.tls13 == Tls13Key::kSourceIp) {
    return SourceIp(hello.client, Outcome::kFallback, scratch);
  }
  if (hello.offers_tls13 && settings.tls13 == Tls13Key::kServerName) {
    Extraction found = Host(hello.server_name, scratch);
    if (found.outcome == Outcome::kKey) found.outcome = Outcome::kFallback;
    return found;
  }
  return FoundUnlessEmpty(Mode::kSslSessionId, View(hello.session_id));
}

Extraction LearnKey(const Settings& settings, const ServerHelloView& hello) {
  if (settings.mode != Mode::kSslSessionId || hello.is_tls13) return {};
  return FoundUnlessEmpty(Mode::kSslSessionId, View(hello.session_id));
}

Extraction ExtractKey(const Settings& settings,
                      std::span<const uint8_t> datagram, const Address& client,
                      std::string& scratch) {
  if (settings.mode == Mode::kSourceIp)
    return SourceIp(client, Outcome::kKey, scratch);
  if (settings.mode != Mode::kUdpSip) return {};
  const absl::string_view name = settings.name.empty()
                                     ? kSipFieldDefault
                                     : absl::string_view(settings.name);
  return FoundUnlessEmpty(Mode::kUdpSip,
                          SipField(datagram, name, scratch).value_or(""));
}

}  // namespace ballast::persist
