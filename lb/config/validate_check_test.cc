#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lb/config/load.h"
#include "lb/config/model.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Validated Check(const std::string& text) {
  const auto config = ParseConfig(text, Format::kTextproto);
  if (!config.ok()) {
    ADD_FAILURE() << config.status();
    return {};
  }
  return Validate(*config, 1);
}

// A service with one server, and this check.
std::string Service(const std::string& check, const std::string& more = "") {
  return absl::StrCat(
      "interfaces { name: 'eth0' } virtual_services { address: '192.0.2.1' "
      "health_check { ",
      check, " } real_servers { address: '10.0.0.1' port: 8000 } ",
      more.empty() ? "port: 8000" : more, " }");
}
HealthCheck Valid(const std::string& check, const std::string& more = "") {
  const Validated validated = Check(Service(check, more));
  EXPECT_EQ(Report(validated), "");
  return validated.model ? validated.model->services[0].check : HealthCheck();
}

// LoadMaster behaviour §5.3, check type: ports that have a check of their own.
TEST(ValidateCheckTest, TypeByTheServicesPort) {
  const std::vector<std::pair<int, CheckType>> tcp = {
      {21, CheckType::kFtp},    {23, CheckType::kTelnet},
      {25, CheckType::kSmtp},   {80, CheckType::kHttp},
      {443, CheckType::kHttps}, {110, CheckType::kPop3},
      {119, CheckType::kNntp},  {143, CheckType::kImap},
      {389, CheckType::kLdap},  {636, CheckType::kLdap},
      {53, CheckType::kTcp},    {8080, CheckType::kTcp}};
  for (const auto& [port, type] : tcp) {
    EXPECT_EQ(Valid("", absl::StrCat("port: ", port)).type, type) << port;
  }
  EXPECT_EQ(Valid("", "port: 53 protocol: UDP").type, CheckType::kDns);
  EXPECT_EQ(Valid("", "port: 80 protocol: UDP").type, CheckType::kIcmp);
  EXPECT_EQ(Valid("", "port: 0").type, CheckType::kIcmp);
}

TEST(ValidateCheckTest, HttpOrHttpsByWhatServersSpeak) {
  const std::string tls =
      "tls { certificates { chain_file: '/c' key_file: '/k' } }";
  EXPECT_EQ(Valid("", "port: 443 l7 { " + tls + " }").type, CheckType::kHttp);
  EXPECT_EQ(Valid("", "port: 443 l7 { " + tls + " reencrypt {} }").type,
            CheckType::kHttps);
  EXPECT_EQ(Valid("", "port: 443 l7 { type: GENERIC }").type,
            CheckType::kHttps);
  EXPECT_EQ(Valid("", "port: 80 l7 { reencrypt {} }").type, CheckType::kHttps);
}

TEST(ValidateCheckTest, EveryNameIsAType) {
  const std::vector<std::pair<const char*, CheckType>> types = {
      {"NONE", CheckType::kNone},     {"CONNECT", CheckType::kTcp},
      {"ICMP", CheckType::kIcmp},     {"HTTP", CheckType::kHttp},
      {"HTTPS", CheckType::kHttps},   {"SMTP", CheckType::kSmtp},
      {"NNTP", CheckType::kNntp},     {"FTP", CheckType::kFtp},
      {"TELNET", CheckType::kTelnet}, {"POP3", CheckType::kPop3},
      {"IMAP", CheckType::kImap},     {"RDP", CheckType::kRdp},
      {"BINARY", CheckType::kBinary}, {"LDAP", CheckType::kLdap},
      {"DNS", CheckType::kDns}};
  for (const auto& [name, type] : types) {
    EXPECT_EQ(Valid(absl::StrCat("type: ", name)).type, type);
  }
}

TEST(ValidateCheckTest, HttpIsReadWhole) {
  const HealthCheck check = Valid(
      "type: HTTPS port: 8443 url: '/ready?a=b' method: POST http11: true "
      "host: 'www.example' codes: 404 codes: 503 pattern: '^ok' "
      "headers: 'X-One: 1' headers: 'X-Two:2 ' post_data: 'x=y' "
      "interval_s: 30 timeout_s: 5 retry_count: 3");
  EXPECT_EQ(check.port, 8443);
  EXPECT_EQ(check.url, "/ready?a=b");
  EXPECT_EQ(check.method, CheckMethod::kPost);
  EXPECT_TRUE(check.http11);
  EXPECT_EQ(check.host, "www.example");
  EXPECT_THAT(check.codes, ElementsAre(404, 503));
  EXPECT_EQ(check.pattern, "^ok");
  EXPECT_THAT(check.headers,
              ElementsAre(Pair("X-One", "1"), Pair("X-Two", "2")));
  EXPECT_EQ(check.post_data, "x=y");
  EXPECT_EQ(check.interval, absl::Seconds(30));
  EXPECT_EQ(check.timeout, absl::Seconds(5));
  EXPECT_EQ(check.retry_count, 3);
}

// LoadMaster behaviour §5.3: HEAD, "/", HTTP/1.0; the VIP as host.
TEST(ValidateCheckTest, HttpsDefaults) {
  const HealthCheck check = Valid("type: HTTP");
  EXPECT_EQ(check.url, "/");
  EXPECT_EQ(check.method, CheckMethod::kHead);
  EXPECT_FALSE(check.http11);
  EXPECT_TRUE(check.codes.empty());
  EXPECT_EQ(Valid("type: HTTP http11: true").host, "192.0.2.1");
}

TEST(ValidateCheckTest, BinaryIsHex) {
  const HealthCheck check =
      Valid("type: BINARY url: '48 65' pattern: '6F6b' match_length: 8000");
  EXPECT_EQ(check.url, "He");
  EXPECT_EQ(check.pattern, "ok");
  EXPECT_EQ(check.match_length, 8000u);
}

struct Refused {
  std::string name;
  std::string check;
  std::string field;
  std::string message;  // A part of it.
};
class RefusedCheckTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedCheckTest, IsTheOnlyErrorAndNamesItsField) {
  const Validated validated = Check(Service(GetParam().check));
  EXPECT_EQ(validated.model, nullptr);
  ASSERT_EQ(validated.errors.size(), 1u) << Report(validated);
  EXPECT_EQ(validated.errors[0].path,
            "virtual_services[0].health_check." + GetParam().field);
  EXPECT_THAT(validated.errors[0].message, HasSubstr(GetParam().message));
}

std::string Times(int count, const std::string& text) {
  std::string times;
  for (int i = 0; i < count; ++i) absl::StrAppend(&times, text, " ");
  return times;
}

INSTANTIATE_TEST_SUITE_P(
    , RefusedCheckTest,
    ::testing::Values(
        Refused{"Type", "type: 77", "type", "77"},
        Refused{"Port", "type: HTTP port: 2", "port", "2, must be 0 or 3"},
        Refused{"UrlLength",
                absl::StrCat("type: HTTP url: '/", std::string(126, 'a'), "'"),
                "url", "127 characters, must be at most 126"},
        Refused{"UrlWithoutSlash", "type: HTTP url: 'x'", "url",
                "must begin with a /"},
        Refused{"UrlWithBlank", "type: HTTPS url: '/a b'", "url", "no blanks"},
        Refused{"UrlWithLineEnd", "type: HTTP url: '/a\\r\\nX: y'", "url",
                "no blanks"},
        Refused{"UrlNoHex", "type: BINARY url: '0x48'", "url", "hex digits"},
        Refused{"PatternNoHex", "type: BINARY pattern: '4'", "pattern",
                "hex digits"},
        Refused{"Pattern", "type: HTTP method: GET pattern: '('", "pattern",
                "is no regular expression"},
        Refused{"PatternLength",
                absl::StrCat("type: HTTP method: GET pattern: '",
                             std::string(1025, 'a'), "'"),
                "pattern", "1025 characters, must be at most 1024"},
        Refused{"Method", "type: HTTP method: 4", "method", "4"},
        Refused{"Host", "type: HTTP http11: true host: 'a b'", "host",
                "must be a host's name"},
        Refused{"CodeBelow", "type: HTTP codes: 299", "codes[0]",
                "299, must be 300 to 599"},
        Refused{"CodeAbove", "type: HTTP codes: 300 codes: 600", "codes[1]",
                "600, must be 300 to 599"},
        Refused{"Codes", "type: HTTP " + Times(301, "codes: 404"), "codes",
                "301 of them, must be at most 300"},
        Refused{"Headers", "type: HTTP " + Times(5, "headers: 'A: b'"),
                "headers", "5 of them, must be at most 4"},
        Refused{"HeaderForm", "type: HTTP headers: 'A b: c'", "headers[0]",
                "must be \"Name: value\""},
        Refused{"HeaderLineEnd", "type: HTTP headers: 'A: b\\r\\nC: d'",
                "headers[0]", "must be \"Name: value\""},
        Refused{"HeaderOfFraming", "type: HTTP headers: 'content-length: 5'",
                "headers[0]", "must be another field"},
        Refused{"HeaderHostTwice", "type: HTTP http11: true headers: 'Host: x'",
                "headers[0]", "must be another field"},
        Refused{"PostData",
                absl::StrCat("type: HTTP method: POST post_data: '",
                             std::string(2048, 'a'), "'"),
                "post_data", "2048 characters, must be at most 2047"},
        Refused{"MatchLength", "type: BINARY match_length: 8001",
                "match_length", "8001, must be 0 to 8000"}),
    [](const auto& info) { return info.param.name; });

TEST(ValidateCheckTest, SaysWhatHasNoEffect) {
  const auto warned = [](const std::string& check) {
    const Validated validated = Check(Service(check));
    EXPECT_NE(validated.model, nullptr) << Report(validated);
    std::string fields;
    for (const Problem& problem : validated.warnings) {
      absl::StrAppend(&fields, problem.path.substr(problem.path.rfind('.')));
    }
    return fields;
  };
  EXPECT_EQ(warned("type: ICMP port: 80"), ".port");
  EXPECT_EQ(warned("type: SMTP url: '/x' method: GET http11: true host: 'h' "
                   "codes: 300 pattern: 'p' headers: 'A: b' post_data: 'd' "
                   "match_length: 1"),
            ".match_length.method.http11.host.codes.headers.post_data.url"
            ".pattern");
  EXPECT_EQ(warned("type: HTTP pattern: 'p' host: 'h' post_data: 'd'"),
            ".host.post_data.pattern");
  EXPECT_EQ(warned("type: HTTP headers: 'Host: h'"), "");
}

// -- follow -------------------------------------------------------------------

std::string TwoServices(const std::string& one, const std::string& other) {
  return absl::StrCat(
      "interfaces { name: 'eth0' } virtual_services { name: 'one' address: "
      "'192.0.2.1' port: 80 ",
      one,
      " } virtual_services { name: 'other' address: '192.0.2.1' "
      "port: 443 protocol: TCP ",
      other, " }");
}

TEST(ValidateFollowTest, NamesAServerOfAnyService) {
  const Validated validated = Check(TwoServices(
      "real_servers { name: 'a' address: '10.0.0.1' follow { service: 'other' "
      "server: 'b' } } "
      "real_servers { address: '10.0.0.2' follow { server: 'c' } } "
      "real_servers { name: 'c' address: '10.0.0.3' }",
      "real_servers { name: 'b' address: '10.0.0.1' port: 4430 }"));
  ASSERT_NE(validated.model, nullptr) << Report(validated);
  const auto& servers = validated.model->services[0].servers;
  EXPECT_EQ(
      servers[0].follow,
      (ServerIdentity{Protocol::kTcp, Endpoint::Parse("192.0.2.1:443").value(),
                      "", Endpoint::Parse("10.0.0.1:4430").value()}));
  EXPECT_EQ(servers[1].follow->server.ToString(), "10.0.0.3:80");
  EXPECT_EQ(servers[2].follow, std::nullopt);
}

TEST(ValidateFollowTest, NamesASubServicesServer) {
  const Validated validated = Check(TwoServices(
      "real_servers { address: '10.0.0.1' follow { service: 'other' "
      "sub_service: 's' server: 'b' } }",
      "l7 { sub_services { name: 's' real_servers { name: 'b' address: "
      "'10.0.0.1' } real_servers { address: '10.0.0.2' follow { server: 'b' } "
      "} } }"));
  ASSERT_NE(validated.model, nullptr) << Report(validated);
  EXPECT_EQ(validated.model->services[0].servers[0].follow->sub_service, "s");
  EXPECT_EQ(validated.model->services[1].l7->sub_services[0].servers[1].follow,
            validated.model->services[0].servers[0].follow);
}

TEST(ValidateFollowTest, RefusesWhatIsNotThereItselfAndChains) {
  const auto error = [](const std::string& follow) {
    const Validated validated = Check(TwoServices(
        absl::StrCat("real_servers { name: 'a' address: '10.0.0.1' follow { ",
                     follow, " } }"),
        "real_servers { name: 'b' address: '10.0.0.1' follow { service: 'one' "
        "server: 'a' } }"));
    std::string errors;
    for (const Problem& problem : validated.errors) {
      absl::StrAppend(&errors, problem.ToString(), "\n");
    }
    return errors;
  };
  constexpr char kPath[] = "virtual_services[0].real_servers[0].follow";
  EXPECT_THAT(error("server: 'x'"),
              HasSubstr(absl::StrCat(kPath, ": \"x\", is no server")));
  EXPECT_THAT(error("service: 'nobody' server: 'b'"), HasSubstr(kPath));
  EXPECT_THAT(error("service: 'other'"),
              HasSubstr(absl::StrCat(kPath, ".server: is required")));
  EXPECT_THAT(error("server: 'a'"), HasSubstr("must be another server"));
  EXPECT_THAT(error("service: 'one' server: 'a'"),
              HasSubstr("must be another server"));
  EXPECT_THAT(error("service: 'other' server: 'b'"),
              HasSubstr("must be one that follows none itself"));
}

}  // namespace
}  // namespace ballast::config
