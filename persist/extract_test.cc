#include "persist/extract.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/base/siphash.h"
#include "persist/active_cookie.h"
#include "persist/key.h"
#include "persist/mode.h"
#include "persist/request_view.h"
#include "persist/settings.h"

namespace ballast::persist {
namespace {

using Outcome = Extraction::Outcome;

// 192.0.2.1 as 16 bytes.
const std::string kClientKey("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01", 16);

struct Request {
  std::vector<FieldList::Field> fields;
  std::string target = "/";
  std::string host;
  Address client = Address::V4(0xc0000201);
};

// What was found, as text that outlives the request.
struct Result {
  Outcome outcome = Outcome::kNone;
  Mode kind = Mode::kNone;
  std::string key;
  bool issue_cookie = false;
  friend bool operator==(const Result&, const Result&) = default;
};
Result ResultOf(const Extraction& extraction) {
  return {extraction.outcome, extraction.key.kind,
          std::string(extraction.key.bytes), extraction.issue_cookie};
}
std::ostream& operator<<(std::ostream& out, const Result& result) {
  return out << static_cast<int>(result.outcome) << " " << ModeName(result.kind)
             << " \"" << result.key << "\" " << result.issue_cookie;
}

constexpr SipKey kFirst = {1, 2};
constexpr SipKey kSecond = {3, 4};
constexpr uint64_t kService = 77;

Result Extract(const Settings& settings, const Request& request,
               std::vector<SipKey> secrets = {kFirst}) {
  const ActiveCookies cookies(kService, secrets);
  const FieldList fields(request.fields);
  std::string scratch = "left over";
  return ResultOf(ExtractKey(settings, &cookies,
                             {.method = "GET",
                              .target = request.target,
                              .host = request.host,
                              .fields = fields,
                              .client = request.client},
                             scratch));
}

Result Key(Mode kind, std::string bytes) {
  return {Outcome::kKey, kind, std::move(bytes)};
}
const Result kNothing = {};
const Result kFallback = {Outcome::kFallback, Mode::kSourceIp, kClientKey};

// Each TEST is a row of the vendor's table, §4.5.

TEST(ExtractTest, SourceIpAddress) {
  const Settings settings{.mode = Mode::kSourceIp};
  EXPECT_EQ(Extract(settings, {}), Key(Mode::kSourceIp, kClientKey));
  // "IPv4-mapped IPv6 equals the IPv4".
  EXPECT_EQ(Extract(settings, {.client = *Address::Parse("::ffff:192.0.2.1")}),
            Key(Mode::kSourceIp, kClientKey));
  EXPECT_NE(Extract(settings, {.client = *Address::Parse("192.0.2.2")}),
            Extract(settings, {}));
}

TEST(ExtractTest, AKeyOutlivesTheViewItWasMadeFrom) {
  const FieldList fields(std::vector<FieldList::Field>{});
  std::string scratch;
  Extraction found;
  {
    const RequestView view = {.fields = fields,
                              .client = Address::V4(0xc0000201)};
    found = ExtractKey({.mode = Mode::kSourceIp}, nullptr, view, scratch);
  }
  EXPECT_EQ(found.key.bytes.data(), scratch.data());
  EXPECT_EQ(found.key.bytes, kClientKey);
}

TEST(ExtractTest, SuperHttp) {
  const Settings settings{.mode = Mode::kSuperHttp};
  const auto key = [&](std::vector<FieldList::Field> fields) {
    return Extract(settings, {.fields = std::move(fields)});
  };
  EXPECT_EQ(key({{"user-agent", "curl/7.88"}, {"Authorization", "Basic x"}}),
            Key(Mode::kSuperHttp, "curl/7.88"));
  EXPECT_EQ(key({{"User-Agent", "x MSRPC y"}, {"AUTHORIZATION", "Basic x"}}),
            Key(Mode::kSuperHttp, "Basic x"));
  EXPECT_EQ(key({{"User-Agent", "msrpc"}, {"Authorization", "Basic x"}}),
            Key(Mode::kSuperHttp, "msrpc"));
  EXPECT_EQ(key({{"User-Agent", "MSRPC"}}), Key(Mode::kSuperHttp, ""));
  EXPECT_EQ(key({{"Authorization", "Basic x"}}), Key(Mode::kSuperHttp, ""));
  EXPECT_EQ(key({}), Key(Mode::kSuperHttp, ""));
}

TEST(ExtractTest, SuperHttpAndSourceIp) {
  const Settings settings{.mode = Mode::kSuperHttpAndSourceIp};
  const Mode kind = Mode::kSuperHttpAndSourceIp;
  EXPECT_EQ(Extract(settings, {.fields = {{"User-Agent", "curl/7.88"}}}),
            Key(kind, "curl/7.88192.0.2.1"));
  EXPECT_EQ(
      Extract(settings, {.fields = {{"User-Agent", "a"}, {"User-Agent", "b"}}}),
      Key(kind, "a, b192.0.2.1"));
  EXPECT_EQ(Extract(settings, {.client = *Address::Parse("2001:db8::1")}),
            Key(kind, "2001:db8::1"));
}

TEST(ExtractTest, ServerCookie) {
  const Settings settings{.mode = Mode::kServerCookie, .name = "sid"};
  const auto key = [&](const char* cookie) {
    return Extract(settings, {.fields = {{"Cookie", cookie}}});
  };
  EXPECT_EQ(key("a=b; sid=31d4d96e; c=d"),
            Key(Mode::kServerCookie, "31d4d96e"));
  EXPECT_EQ(key("sid=1; sid=2"), Key(Mode::kServerCookie, "1"));
  EXPECT_EQ(key("SID=1"), kNothing);  // Case-sensitive.
  EXPECT_EQ(key("xsid=1; sidx=2"), kNothing);
  EXPECT_EQ(key("sid="), kNothing);
  EXPECT_EQ(Extract(settings, {}), kNothing);
  EXPECT_EQ(
      Extract(settings, {.fields = {{"Cookie", "a=b"}, {"cookie", "sid=9"}}}),
      Key(Mode::kServerCookie, "9"));
}

TEST(ExtractTest, ServerCookieOrSourceIp) {
  const Settings settings{.mode = Mode::kServerCookieOrSourceIp, .name = "sid"};
  EXPECT_EQ(Extract(settings, {.fields = {{"Cookie", "sid=9"}}}),
            Key(Mode::kServerCookie, "9"));
  EXPECT_EQ(Extract(settings, {.fields = {{"Cookie", "a=9"}}}), kFallback);
}

TEST(ExtractTest, TheServersCookieIsLearnedFromItsResponse) {
  for (const Mode mode : {Mode::kServerCookie, Mode::kServerCookieOrSourceIp}) {
    const Settings settings{.mode = mode, .name = "sid"};
    const auto learned = [&](std::vector<FieldList::Field> fields) {
      const FieldList list(std::move(fields));
      std::string scratch = "left over";
      return ResultOf(LearnKey(settings, list, scratch));
    };
    EXPECT_EQ(learned({{"set-cookie", "a=b"},
                       {"Set-Cookie", "sid=9; Path=/; HttpOnly"}}),
              Key(Mode::kServerCookie, "9"));
    // A client keeps the last, and returns quotes as they were set.
    EXPECT_EQ(learned({{"Set-Cookie", "sid=1"}, {"Set-Cookie", "sid=\"2\""}}),
              Key(Mode::kServerCookie, "\"2\""));
    EXPECT_EQ(learned({{"Set-Cookie", "sid=1"},
                       {"Set-Cookie", "sid=gone; Max-Age=0"}}),
              kNothing);
    EXPECT_EQ(learned({{"Set-Cookie", "SID=1"}}), kNothing);
    EXPECT_EQ(learned({{"Set-Cookie", "sid="}}), kNothing);
    EXPECT_EQ(learned({{"Cookie", "sid=1"}}), kNothing);
    EXPECT_EQ(learned({}), kNothing);
  }
  const Settings other{.mode = Mode::kActiveCookie, .name = "sid"};
  const FieldList list(std::vector<FieldList::Field>{{"Set-Cookie", "sid=1"}});
  std::string scratch;
  EXPECT_EQ(ResultOf(LearnKey(other, list, scratch)), kNothing);
}

TEST(ExtractTest, ActiveCookie) {
  const Settings settings{.mode = Mode::kActiveCookie};
  const Settings named{.mode = Mode::kActiveCookie, .name = "lb"};
  const std::string value = ActiveCookies(kService, std::array{kFirst})
                                .Make(Address::V4(0xc0000201), 0, 1);
  const auto with = [](absl::string_view cookie) {
    return Request{.fields = {{"Cookie", std::string(cookie)}}};
  };
  const Result known = Key(Mode::kActiveCookie, value);
  const Result issue = {.issue_cookie = true};
  EXPECT_EQ(Extract(settings, with(absl::StrCat("a=b; LMPERSIST=", value))),
            known);
  EXPECT_EQ(Extract(named, with(absl::StrCat("lb=", value))), known);
  EXPECT_EQ(Extract(named, with(absl::StrCat("LMPERSIST=", value))), issue);
  EXPECT_EQ(Extract(settings, {}), issue);
  // A forged one counts for nothing, and does not hide a true one.
  std::string forged = value;
  forged[0] = forged[0] == '0' ? '1' : '0';
  EXPECT_EQ(Extract(settings, with(absl::StrCat("LMPERSIST=", forged))), issue);
  EXPECT_EQ(Extract(settings, with(absl::StrCat("LMPERSIST=", forged,
                                                "; LMPERSIST=", value))),
            known);
  // Under an older secret: known, and replaced.
  Result replaced = known;
  replaced.issue_cookie = true;
  EXPECT_EQ(Extract(settings, with(absl::StrCat("LMPERSIST=", value)),
                    {kSecond, kFirst}),
            replaced);
}

TEST(ExtractTest, ActiveCookieOrSourceIp) {
  const Settings settings{.mode = Mode::kActiveCookieOrSourceIp};
  const std::string value = ActiveCookies(kService, std::array{kFirst})
                                .Make(Address::V4(0xc0000201), 0, 1);
  // "First request: insert the cookie and record the source IP too."
  Result first = kFallback;
  first.issue_cookie = true;
  EXPECT_EQ(Extract(settings, {}), first);
  EXPECT_EQ(Extract(settings, {.fields = {{"Cookie", "LMPERSIST=1"}}}), first);
  EXPECT_EQ(
      Extract(settings,
              {.fields = {{"Cookie", absl::StrCat("LMPERSIST=", value)}}}),
      Key(Mode::kActiveCookie, value));
}

TEST(ExtractTest, HashAllCookies) {
  const Settings settings{.mode = Mode::kHashAllCookies};
  const auto key = [&](const char* cookie) {
    return Extract(settings, {.fields = {{"Cookie", cookie}}});
  };
  EXPECT_EQ(key("a=ab; b=c").outcome, Outcome::kKey);
  EXPECT_EQ(key("a=ab; b=c"), key("x=ab;   y=c"));  // Names don't count.
  EXPECT_NE(key("a=ab; b=c"), key("a=c; b=ab"));    // Their order does.
  EXPECT_NE(key("a=ab; b=c"), key("a=a; b=bc"));
  EXPECT_NE(key("a=ab; b=c"), key("a=ab; b=d"));
  EXPECT_NE(key("a=1:b"), key("a=; b=1:b"));
  EXPECT_EQ(
      key("a=ab; b=c"),
      Extract(settings, {.fields = {{"Cookie", "a=ab"}, {"Cookie", "b=c"}}}));
  EXPECT_EQ(key("no cookie"), kNothing);
  EXPECT_EQ(Extract(settings, {}), kNothing);
}

TEST(ExtractTest, HashAllCookiesOrSourceIp) {
  const Settings settings{.mode = Mode::kHashAllCookiesOrSourceIp};
  EXPECT_EQ(Extract(settings, {.fields = {{"Cookie", "a=b"}}}),
            Extract({.mode = Mode::kHashAllCookies},
                    {.fields = {{"Cookie", "a=b"}}}));
  EXPECT_EQ(Extract(settings, {}), kFallback);
}

TEST(ExtractTest, UrlHash) {
  const Settings settings{.mode = Mode::kUrlHash};
  EXPECT_EQ(Extract(settings, {.target = "/a/b?c=d"}),
            Key(Mode::kUrlHash, "/a/b?c=d"));
  // As received: not decoded, no fragment, no host.
  EXPECT_EQ(Extract(settings, {.target = "http://x/a%2Fb#f", .host = "x"}),
            Key(Mode::kUrlHash, "/a%2Fb"));
  EXPECT_EQ(Extract(settings, {.target = "http://x?q"}),
            Key(Mode::kUrlHash, "/?q"));
}

TEST(ExtractTest, HttpHostHeader) {
  const Settings settings{.mode = Mode::kHostHeader};
  EXPECT_EQ(Extract(settings, {.host = "WWW.Example.com:8080"}),
            Key(Mode::kHostHeader, "www.example.com:8080"));
  EXPECT_EQ(Extract(settings, {}), kNothing);
}

TEST(ExtractTest, HashOfHttpQueryItem) {
  const Settings settings{.mode = Mode::kQueryItemHash, .query_item = "user"};
  EXPECT_EQ(Extract(settings, {.target = "/?x=1&user=a%20b&user=c"}),
            Key(Mode::kQueryItemHash, "a b"));
  EXPECT_EQ(Extract(settings, {.target = "/?User=a"}), kNothing);
  EXPECT_EQ(Extract(settings, {.target = "/?user="}), kNothing);
  EXPECT_EQ(Extract(settings, {.target = "/"}), kNothing);
}

TEST(ExtractTest, SelectedHeader) {
  const Settings settings{.mode = Mode::kSelectedHeader, .name = "X-User"};
  const auto key = [&](std::vector<FieldList::Field> fields) {
    return Extract(settings, {.fields = std::move(fields)});
  };
  EXPECT_EQ(key({{"x-user", "Anna B"}}), Key(Mode::kSelectedHeader, "Anna B"));
  // RFC 9110 §5.3: the same as one line with both.
  EXPECT_EQ(
      key({{"X-User", "a"}, {"Y", "z"}, {"X-User", "b"}, {"X-User", "c"}}),
      Key(Mode::kSelectedHeader, "a, b, c"));
  EXPECT_EQ(key({{"X-User", ""}}), kNothing);
  EXPECT_EQ(key({{"X-Users", "a"}}), kNothing);
}

TEST(ExtractTest, SslSessionId) {
  const std::array<uint8_t, 3> id = {7, 0, 9};
  const std::string id_key("\x07\0\x09", 3);
  const auto key = [&](Tls13Key tls13, const ClientHelloView& hello) {
    const Settings settings{.mode = Mode::kSslSessionId, .tls13 = tls13};
    std::string scratch;
    return ResultOf(ExtractKey(settings, hello, scratch));
  };
  const Address client = Address::V4(0xc0000201);
  const ClientHelloView tls12 = {
      .session_id = id, .server_name = "a.example", .client = client};
  ClientHelloView tls13 = tls12;
  tls13.server_name = "A.example";
  tls13.offers_tls13 = true;
  const Result by_id = Key(Mode::kSslSessionId, id_key);
  for (const Tls13Key choice :
       {Tls13Key::kNothing, Tls13Key::kServerName, Tls13Key::kSourceIp}) {
    EXPECT_EQ(key(choice, tls12), by_id);
    EXPECT_EQ(key(choice, {.client = client}), kNothing);
  }
  EXPECT_EQ(key(Tls13Key::kNothing, tls13), by_id);
  EXPECT_EQ(key(Tls13Key::kSourceIp, tls13), kFallback);
  EXPECT_EQ(key(Tls13Key::kServerName, tls13),
            (Result{Outcome::kFallback, Mode::kHostHeader, "a.example"}));
  tls13.server_name = "";
  EXPECT_EQ(key(Tls13Key::kServerName, tls13), kNothing);

  const Settings settings{.mode = Mode::kSslSessionId};
  EXPECT_EQ(ResultOf(LearnKey(settings, ServerHelloView{.session_id = id})),
            by_id);
  // An echo of what the client made up (RFC 8446 §4.1.3).
  EXPECT_EQ(ResultOf(LearnKey(
                settings, ServerHelloView{.session_id = id, .is_tls13 = true})),
            kNothing);
  EXPECT_EQ(ResultOf(LearnKey(settings, ServerHelloView{})), kNothing);
}

TEST(ExtractTest, UdpSessionInitiationProtocol) {
  const std::string message =
      "INVITE sip:bob@biloxi.com SIP/2.0\r\nf: Alice\r\n"
      "i: a84b4c76e66710@pc33.atlanta.com\r\n\r\n";
  const auto key = [&](std::string name, absl::string_view datagram) {
    std::string scratch;
    return ResultOf(ExtractKey(
        {.mode = Mode::kUdpSip, .name = std::move(name)},
        {reinterpret_cast<const uint8_t*>(datagram.data()), datagram.size()},
        Address::V4(1), scratch));
  };
  EXPECT_EQ(key("Call-ID", message),
            Key(Mode::kUdpSip, "a84b4c76e66710@pc33.atlanta.com"));
  EXPECT_EQ(key("", message), key("Call-ID", message));  // The default.
  EXPECT_EQ(key("from", message), Key(Mode::kUdpSip, "Alice"));
  EXPECT_EQ(key("To", message), kNothing);
  EXPECT_EQ(key("Call-ID", "\r\n\r\n"), kNothing);
}

TEST(ExtractTest, NoneHasNoKey) {
  EXPECT_EQ(Extract({}, {.host = "h"}), kNothing);
  EXPECT_EQ(Extract({.mode = Mode::kSslSessionId}, {.host = "h"}), kNothing);
  EXPECT_EQ(Extract({.mode = Mode::kUdpSip}, {.host = "h"}), kNothing);
}

}  // namespace
}  // namespace ballast::persist
