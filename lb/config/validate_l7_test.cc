// Expected values: LoadMaster behaviour §4.1-4.6, §4.11, §4.12, §5.4, §5.5.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Validated Check(const std::string& text) {
  const auto config = ParseConfig(text, Format::kTextproto);
  if (!config.ok()) {
    ADD_FAILURE() << config.status();
    return {};
  }
  return Validate(*config, 1);
}

// One service with `inside` in it, `l7` in its l7, and `rest` beside it.
std::string Proxy(const std::string& l7, const std::string& inside = "",
                  const std::string& rest = "") {
  return absl::StrCat(
      "interfaces { name: 'eth0' } virtual_services { address: '192.0.2.1' ",
      inside.find("port:") == std::string::npos ? "port: 8000 " : "", inside,
      " l7 { ", l7, " } } ", rest);
}

VirtualService Good(const std::string& text) {
  const Validated validated = Check(text);
  EXPECT_EQ(Report({nullptr, validated.errors, {}}), "");
  return validated.model ? validated.model->services[0] : VirtualService{};
}
L7Service GoodL7(const std::string& l7) {
  return Good(Proxy(l7)).l7.value_or(L7Service{});
}

TEST(ValidateL7Test, WithoutItAServiceIsOfLayer4) {
  EXPECT_FALSE(Good("interfaces { name: 'e' } virtual_services { address: "
                    "'192.0.2.1' port: 80 }")
                   .l7.has_value());
}

TEST(ValidateL7Test, DefaultsAreTheDocumentedOnes) {
  const L7Service l7 = GoodL7("");
  EXPECT_EQ(l7.type, L7Type::kHttp);
  EXPECT_FALSE(l7.transparent);
  EXPECT_TRUE(l7.subnet_originating);
  EXPECT_FALSE(l7.server_initiating);
  EXPECT_EQ(l7.qos, QualityOfService{});
  EXPECT_EQ(l7.error_code, 503);
  EXPECT_EQ(l7.limits, TrafficLimits{});
}

TEST(ValidateL7Test, OnHostAddressesAloneNoInterfaceIsNeeded) {
  const Validated validated = Check(
      "virtual_services { address: '127.0.0.1' port: 8000 real_servers { "
      "address: '127.0.0.1' port: 9000 } l7 { host_address: true } }");
  EXPECT_THAT(validated.errors, IsEmpty());
  ASSERT_NE(validated.model, nullptr);
  EXPECT_THAT(validated.model->floating_addresses, IsEmpty());
}

TEST(ValidateL7Test, QosIsTheOctetOfTheDocument) {
  EXPECT_EQ(GoodL7("qos: MINIMIZE_COST").qos.tos, 0x02);
  EXPECT_EQ(GoodL7("qos: MAXIMIZE_RELIABILITY").qos.tos, 0x04);
  EXPECT_EQ(GoodL7("qos: MAXIMIZE_THROUGHPUT").qos.tos, 0x08);
  EXPECT_EQ(GoodL7("qos: MINIMIZE_DELAY").qos.tos, 0x10);
  EXPECT_TRUE(GoodL7("qos: PASS_THROUGH").qos.pass_through);
}

TEST(ValidateL7Test, SubServicesFollowAParentThatPassesThrough) {
  const L7Service l7 = GoodL7("qos: PASS_THROUGH sub_services { name: 'a' }");
  ASSERT_EQ(l7.sub_services.size(), 1u);
  EXPECT_TRUE(l7.sub_services[0].qos.pass_through);
  EXPECT_EQ(l7.sub_services[0].weight, 1000u);
}

TEST(ValidateL7Test, GlobalSettingsAreFoldedIn) {
  const VirtualService service =
      Good(Proxy("subnet_originating: false", "",
                 "l7 { transparent: true subnet_originating: true }"));
  EXPECT_TRUE(service.l7->transparent);
  EXPECT_TRUE(service.l7->subnet_originating);
}

TEST(ValidateL7Test, ReencryptionSwitchesTransparencyOff) {
  const Validated validated =
      Check(Proxy("transparent: true reencrypt {}",
                  "real_servers { address: '10.0.0.1' }"));
  EXPECT_THAT(validated.errors, IsEmpty());
  EXPECT_THAT(validated.warnings,
              ElementsAre(Problem{"virtual_services[0].l7.transparent",
                                  "has no effect beside reencrypt"}));
  ASSERT_NE(validated.model, nullptr);
  EXPECT_FALSE(validated.model->services[0].l7->transparent);
}

TEST(ValidateL7Test, ServersMayBeOfTheOtherFamily) {
  EXPECT_EQ(
      Good(Proxy("", "real_servers { address: '2001:db8::1' }")).servers.size(),
      1u);
}

TEST(ValidateL7Test, AnActiveCookieHasAName) {
  EXPECT_EQ(
      Good(Proxy("", "persistence { mode: ACTIVE_COOKIE }")).persistence.name,
      "LMPERSIST");
  EXPECT_EQ(Good(Proxy("", "persistence { mode: ACTIVE_COOKIE name: 'x' }"))
                .persistence.name,
            "x");
}

TEST(ValidateL7Test, Tls13HasNoSessionIdAndSomethingElseIsOffered) {
  const auto check = [](const std::string& persistence) {
    const Validated validated = Check(Proxy(
        "type: GENERIC",
        absl::StrCat("real_servers { address: '10.0.0.1' } persistence { ",
                     persistence, " }")));
    EXPECT_NE(validated.model, nullptr);
    return validated;
  };
  EXPECT_THAT(check("mode: SSL_SESSION_ID").warnings,
              ElementsAre(Problem{
                  "virtual_services[0].persistence.tls13",
                  "NOTHING: clients that speak TLS 1.3 have no persistence; "
                  "SERVER_NAME and CLIENT_IP are what they could go by"}));
  const auto by_name = check("mode: SSL_SESSION_ID tls13: SERVER_NAME");
  EXPECT_THAT(by_name.warnings, IsEmpty());
  EXPECT_EQ(by_name.model->services[0].persistence.tls13,
            Tls13Key::kServerName);
  EXPECT_THAT(check("tls13: CLIENT_IP").warnings,
              ElementsAre(Problem{"virtual_services[0].persistence.tls13",
                                  "has no effect: mode is not "
                                  "SSL_SESSION_ID"}));
}

TEST(ValidateL7Test, ACertificateIsFoundByItsName) {
  const VirtualService service =
      Good(Proxy("tls { certificates { name: 'two' ocsp_file: '/o' } }", "",
                 "certificates { name: 'one' chain: 'c1' key: 'k1' } "
                 "certificates { name: 'two' chain: 'c2' key: 'k2' }"));
  ASSERT_TRUE(service.l7->tls.has_value());
  const Certificate& found = service.l7->tls->certificates.at(0);
  EXPECT_EQ(found.chain, "c2");
  EXPECT_EQ(found.key, "k2");
  EXPECT_EQ(found.ocsp_file, "/o");
}

TEST(ValidateL7Test, HostsOfMatchesAreLowerCase) {
  const L7Service l7 =
      GoodL7("sub_services { name: 'a' matches { host: '*.Example.ORG' } }");
  ASSERT_EQ(l7.sub_services.size(), 1u);
  EXPECT_EQ(l7.sub_services[0].matches[0].host, "*.example.org");
}

TEST(ValidateL7Test, SecretsAreBytes) {
  const Validated validated = Check(Proxy(
      "", "", absl::StrCat("l7 { secrets: '", std::string(62, '0'), "fF' }")));
  ASSERT_NE(validated.model, nullptr);
  ASSERT_EQ(validated.model->l7.secrets.size(), 1u);
  EXPECT_EQ(validated.model->l7.secrets[0][0], 0x00);
  EXPECT_EQ(validated.model->l7.secrets[0][31], 0xff);
}

struct Refused {
  std::string name;
  std::string text;
  std::string path;
  std::string message;  // All of it.
};

class RefusedL7Test : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedL7Test, IsTheOnlyErrorAndSaysWhatItWants) {
  const Validated validated = Check(GetParam().text);
  EXPECT_EQ(validated.model, nullptr);
  EXPECT_THAT(validated.errors,
              ElementsAre(Problem{GetParam().path, GetParam().message}));
}

std::string L7(const std::string& field) {
  return absl::StrCat("virtual_services[0].l7", field);
}
std::string Vs(const std::string& field) {
  return absl::StrCat("virtual_services[0]", field);
}
Refused Mode(const std::string& name, const std::string& inside,
             const std::string& l7, const std::string& message) {
  return {name, Proxy(l7, absl::StrCat("persistence { ", inside, " }")),
          Vs(".persistence.mode"), message};
}
Refused Cookie(const std::string& name, const std::string& inside,
               const std::string& message) {
  return {name, Proxy("", absl::StrCat("persistence { ", inside, " }")),
          Vs(".persistence.name"), message};
}

INSTANTIATE_TEST_SUITE_P(
    Services, RefusedL7Test,
    ::testing::Values(
        Refused{"Udp", Proxy("", "protocol: UDP"), L7(""),
                "must be unset: protocol is UDP"},
        Refused{"Wildcard", Proxy("", "port: 0"), L7(""),
                "must be unset with a wildcard port"},
        Refused{"SourceHash", Proxy("", "schedule: SH"), Vs(".schedule"),
                "SH, must be another: needs layer 4"},
        Refused{"UrlHashOfBytes", Proxy("type: GENERIC", "schedule: UHASH"),
                Vs(".schedule"),
                "UHASH, must be another: needs layer 7 of type HTTP"},
        Refused{"ServerNameWithAPort",
                Proxy("reencrypt { server_name: 'a.example:443' }"),
                L7(".reencrypt.server_name"),
                "\"a.example:443\", must be a host name of at most 253 "
                "characters or an address"},
        Refused{"ExtraPortsAndReencryption",
                Proxy("reencrypt {}", "extra_ports: '9000'"), L7(".reencrypt"),
                "must be unset beside extra_ports"},
        Refused{"ServerInitiatingHttp", Proxy("server_initiating: SMTP"),
                L7(".server_initiating"),
                "SMTP, must be CLIENT: type is not GENERIC"},
        Refused{"ServerInitiatingOn8080",
                Proxy("type: GENERIC server_initiating: SSH", "port: 8080"),
                L7(".server_initiating"), "SSH, must be CLIENT on port 8080"},
        Refused{"Qos", Proxy("qos: 3"), L7(".qos"), "3, is none of its names"},
        Refused{"AlternateSources",
                Proxy("alternate_source_addresses: '192.0.2.9'"),
                L7(".alternate_source_addresses"),
                "must be empty without l7.connection_scaling"},
        Refused{"LoopbackAddress",
                "interfaces { name: 'e' } virtual_services { address: "
                "'127.0.0.1' port: 8000 l7 {} }",
                Vs(".address"),
                "\"127.0.0.1\", is a loopback address, must be a host's"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Persistence, RefusedL7Test,
    ::testing::Values(
        Mode("CookieOfBytes", "mode: SERVER_COOKIE name: 'a'", "type: GENERIC",
             "SERVER_COOKIE, must be another: needs layer 7 of type HTTP"),
        Refused{"CookieOfPackets",
                "interfaces { name: 'e' } virtual_services { address: "
                "'192.0.2.1' port: 80 persistence { mode: HASH_ALL_COOKIES } }",
                Vs(".persistence.mode"),
                "HASH_ALL_COOKIES, must be another: needs layer 7 of type "
                "HTTP"},
        Mode("SessionIdOfHttp", "mode: SSL_SESSION_ID", "",
             "SSL_SESSION_ID, must be another: needs layer 7 of type GENERIC "
             "without tls"),
        Mode("SessionIdOfTerminatedTls", "mode: SSL_SESSION_ID",
             "type: GENERIC tls { certificates { chain: 'c' key: 'k' } }",
             "SSL_SESSION_ID, must be another: needs layer 7 of type GENERIC "
             "without tls"),
        Refused{"SessionIdWhereTheServerSpeaksFirst",
                Proxy("type: GENERIC server_initiating: SMTP",
                      "port: 25 persistence { mode: SSL_SESSION_ID }"),
                L7(".server_initiating"),
                "SMTP, must be CLIENT: the server is chosen by a client's "
                "TLS"},
        Mode("SipOfTcp", "mode: UDP_SIP name: 'Call-ID'", "",
             "UDP_SIP, must be another: needs protocol UDP"),
        Cookie("NoCookieName", "mode: SERVER_COOKIE", "is required"),
        Cookie("NoHeaderName", "mode: SELECTED_HEADER", "is required"),
        Cookie("NoQueryItem", "mode: QUERY_ITEM", "is required"),
        Cookie("NameOfNothing", "mode: URL_HASH name: 'a'",
               "\"a\", must be empty: mode URL_HASH has no name"),
        Cookie("CookieNameWithBlank", "mode: ACTIVE_COOKIE name: 'a b'",
               "\"a b\", must be a token of 1 to 127 characters")),
    [](const auto& info) { return info.param.name; });

std::string Sub(const std::string& inside, const std::string& l7 = "") {
  return Proxy(absl::StrCat(l7, " sub_services { name: 'a' ", inside, " }"));
}

INSTANTIATE_TEST_SUITE_P(
    SubServices, RefusedL7Test,
    ::testing::Values(
        Refused{"BesideServers",
                Proxy("sub_services { name: 'a' }",
                      "real_servers { address: '10.0.0.1' }"),
                L7(".sub_services"),
                "must be empty where the service has real_servers"},
        Refused{"NoName", Proxy("sub_services {}"), L7(".sub_services[0].name"),
                "is required"},
        Refused{"NameTwice",
                Proxy("sub_services { name: 'a' } sub_services { name: 'a' }"),
                L7(".sub_services[1].name"),
                "\"a\", is already the name of "
                "virtual_services[0].l7.sub_services[0]"},
        Refused{"OwnPassThrough", Sub("qos: PASS_THROUGH"),
                L7(".sub_services[0].qos"),
                "PASS_THROUGH, must be another: the parent's is not"},
        Refused{"OwnQosUnderPassThrough",
                Sub("qos: MINIMIZE_COST", "qos: PASS_THROUGH"),
                L7(".sub_services[0].qos"),
                "1, must be unset: the parent's is PASS_THROUGH"},
        Refused{"EmptyMatch", Sub("matches {}"),
                L7(".sub_services[0].matches[0]"),
                "is empty, must say something of the request"},
        Refused{"PathWithoutSlash", Sub("matches { path_prefix: 'a' }"),
                L7(".sub_services[0].matches[0].path_prefix"),
                "\"a\", must begin with a /"},
        Refused{"HostWithPort", Sub("matches { host: 'a:80' }"),
                L7(".sub_services[0].matches[0].host"),
                "\"a:80\", must be a host's name without port, or \"*.\" and "
                "the rest of one"},
        Refused{"ServerThatIsTheDirector",
                Sub("real_servers { address: '192.0.2.1' }"),
                L7(".sub_services[0].real_servers[0].address"),
                "192.0.2.1, is a floating address of the director itself, must "
                "be another host"},
        Refused{"OfBytes", Proxy("type: GENERIC sub_services { name: 'a' }"),
                L7(".sub_services"), "must be unset: type is GENERIC"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Answers, RefusedL7Test,
    ::testing::Values(
        Refused{"CodeTooSmall", Proxy("error_code: 199"), L7(".error_code"),
                "199, must be 0 or 200 to 505"},
        Refused{"RedirectNowhere", Proxy("error_code: 302"), L7(".error_url"),
                "is required with error_code 302"},
        Refused{"UrlWithoutRedirect", Proxy("error_url: 'http://a/'"),
                L7(".error_code"),
                "0, must be 301, 302, 303, 307 or 308 beside error_url"},
        Refused{"UrlThatSplitsTheHead",
                Proxy("error_code: 301 error_url: 'http://a/\\r\\nX: y'"),
                L7(".error_url"),
                "\"http://a/\\r\\nX: y\", must be a URL of http:// or "
                "https://, without blanks"},
        Refused{"PageByRelativePath", Proxy("error_page_file: 'a.html'"),
                L7(".error_page_file"), "\"a.html\", must be an absolute path"},
        Refused{"Bandwidth", Proxy("limits { bandwidth_kbit_s: 15 }"),
                L7(".limits.bandwidth_kbit_s"),
                "15, must be 0 or 16 to 99999999"},
        Refused{"ClientConnections",
                Proxy("limits { client_connections: 1000001 }"),
                L7(".limits.client_connections"),
                "1000001, must be 0 to 1000000"},
        Refused{"GlobalRate",
                Proxy("", "",
                      "l7 { limits { connections_per_second: "
                      "1000001 } }"),
                "l7.limits.connections_per_second",
                "1000001, must be 0 to 1000000"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Tls, RefusedL7Test,
    ::testing::Values(
        Refused{"NoCertificate", Proxy("tls {}"), L7(".tls.certificates"),
                "0 of them, must be 1 to 256"},
        Refused{"NoSuchCertificate",
                Proxy("tls { certificates { name: 'x' } }", "",
                      "certificates { name: 'y' chain: 'c' key: 'k' }"),
                L7(".tls.certificates[0].name"),
                "\"x\", is none of certificates"},
        Refused{"NameAndKey",
                Proxy("tls { certificates { name: 'x' key_file: '/k' } }", "",
                      "certificates { name: 'x' chain: 'c' key: 'k' }"),
                L7(".tls.certificates[0].name"),
                "must be empty beside chain or key"},
        Refused{"TwoOfAName",
                Proxy("", "",
                      "certificates { name: 'x' chain: 'c' key: 'k' } "
                      "certificates { name: 'x' chain: 'c' key: 'k' }"),
                "certificates[1].name",
                "\"x\", is already the name of another"},
        Refused{"NamedWithoutKey",
                Proxy("", "", "certificates { name: 'x' chain: 'c' }"),
                "certificates[0].key", "is required"},
        Refused{"CertificatesTooLarge",
                Proxy("", "",
                      absl::StrCat("certificates { name: 'x' chain: 'c' key: '",
                                   std::string(2 << 20, 'k'), "' }")),
                "certificates", "2097153 bytes, must be at most 2097152"},
        Refused{"NoKey", Proxy("tls { certificates { chain: 'c' } }"),
                L7(".tls.certificates[0].key"), "is required, or key_file"},
        Refused{"KeyTwice",
                Proxy("tls { certificates { chain: 'c' key: 'secret' "
                      "key_file: '/k' } }"),
                L7(".tls.certificates[0].key"),
                "must be empty beside key_file"},
        Refused{"ClientsOfNobody",
                Proxy("tls { certificates { chain: 'c' key: 'k' } "
                      "client_certificates: REQUIRED }"),
                L7(".tls.client_ca_file"),
                "is required: client_certificates are asked for"},
        Refused{"ShortSecret", Proxy("", "", "l7 { secrets: 'abc' }"),
                "l7.secrets[0]", "3 characters, must be 64 hex digits"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ballast::config
