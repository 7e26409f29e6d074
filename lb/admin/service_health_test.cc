// Health checks in the API (LoadMaster behaviour 5.1, 5.3).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/admin/rig.h"

namespace ballast::admin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const config::proto::HealthCheck& CheckOf(const Rig& rig) {
  return rig.backend.configuration().virtual_services(0).health_check();
}

TEST(CheckTypeTest, ByThePort) {
  Rig rig;
  const struct {
    const char* service;
    const char* type;
  } kTypes[] = {{"port=21&prot=tcp", "ftp"},    {"port=23&prot=tcp", "telnet"},
                {"port=25&prot=tcp", "smtp"},   {"port=80&prot=tcp", "http"},
                {"port=443&prot=tcp", "https"}, {"port=110&prot=tcp", "pop3"},
                {"port=119&prot=tcp", "nntp"},  {"port=143&prot=tcp", "imap"},
                {"port=53&prot=udp", "dns"},    {"port=389&prot=tcp", "ldap"},
                {"port=636&prot=tcp", "ldap"},  {"port=81&prot=tcp", "tcp"},
                {"port=80&prot=udp", "icmp"},   {"port=*&prot=tcp", "icmp"}};
  for (const auto& [service, type] : kTypes) {
    const std::string call = absl::StrCat("addvs?vs=192.0.2.10&", service);
    EXPECT_EQ(rig.Value(call, "CheckType"), type) << service;
  }
}

TEST(CheckTypeTest, AllAreTaken) {
  Rig rig;
  ASSERT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=80&prot=tcp"), "200");
  for (const char* type :
       {"icmp", "https", "tcp", "smtp", "nntp", "ftp", "telnet", "pop3", "imap",
        "rdp", "bdata", "ldap", "none", "http"}) {
    EXPECT_EQ(
        rig.Value(absl::StrCat("modvs?vs=1&CheckType=", type), "CheckType"),
        type);
    EXPECT_NE(CheckOf(rig).type(), config::proto::DEFAULT);
  }
  EXPECT_EQ(rig.Outcome("modvs?vs=1&CheckType=BDATA"), "200");
  EXPECT_EQ(CheckOf(rig).type(), config::proto::BINARY);
  EXPECT_THAT(rig.Outcome("modvs?vs=1&CheckType=ping"),
              StartsWith("422 Unknown parameter value CheckType"));
}

// The type by the port is not written down when it is echoed: it changes with
// the port.
TEST(CheckTypeTest, DefaultStaysDefault) {
  Rig rig;
  ASSERT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=80&prot=tcp"), "200");
  EXPECT_EQ(rig.Outcome("modvs?vs=1&CheckType=http"), "200");
  EXPECT_EQ(rig.Value("modvs?vs=1&VSPort=25", "CheckType"), "smtp");
}

TEST(CheckOptionsTest, DefaultsAndWhatIsSet) {
  Rig rig;
  const Reply fresh = rig.Get("addvs?vs=192.0.2.10&port=80&prot=tcp");
  const std::pair<const char*, const char*> kDefaults[] = {
      {"CheckPort", "0"},         {"CheckUse1.1", "N"},
      {"CheckUseGet", "0"},       {"MatchLen", "0"},
      {"ChkInterval", "0"},       {"ChkTimeout", "0"},
      {"ChkRetryCount", "0"},     {"EnhancedHealthChecks", "N"},
      {"RsMinimum", "0"},         {"CheckUrl", "(none)"},
      {"CheckHost", "(none)"},    {"CheckCodes", "(none)"},
      {"CheckPattern", "(none)"}, {"CheckHeaders", "(none)"},
      {"CheckPostData", "(none)"}};
  for (const auto& [name, value] : kDefaults) {
    EXPECT_EQ(Rig::Element(fresh, name), value) << name;
  }
  const Reply set = rig.Get(
      "modvs?vs=1&CheckPort=8080&CheckUse1.1=Y&CheckUseGet=2&CheckUrl=/Up&"
      "CheckHost=www.example&CheckCodes=301%20404&CheckPattern=o%2bk&"
      "CheckHeaders=X-A:%201%7CX-B:2&CheckPostData=a%3Db&ChkInterval=120&"
      "ChkTimeout=4&ChkRetryCount=15");
  ASSERT_EQ(set.status, 200) << set.body;
  const std::pair<const char*, const char*> kSet[] = {
      {"CheckPort", "8080"},        {"CheckUse1.1", "Y"},
      {"CheckUseGet", "2"},         {"CheckUrl", "/Up"},
      {"CheckHost", "www.example"}, {"CheckCodes", "301 404"},
      {"CheckPattern", "o+k"},      {"CheckHeaders", "X-A: 1|X-B:2"},
      {"CheckPostData", "a=b"},     {"ChkInterval", "120"},
      {"ChkTimeout", "4"},          {"ChkRetryCount", "15"}};
  for (const auto& [name, value] : kSet) {
    EXPECT_EQ(Rig::Element(set, name), value) << name;
  }
  const config::proto::HealthCheck check = CheckOf(rig);
  EXPECT_EQ(check.method(), config::proto::HealthCheck::POST);
  EXPECT_THAT(check.headers(), ElementsAre("X-A: 1", "X-B:2"));
  EXPECT_THAT(check.codes(), ElementsAre(301, 404));
  // Letter case counts, and nothing is a value.
  EXPECT_EQ(rig.Value("modvs?vs=1&CheckUrl=/up", "CheckUrl"), "/up");
  EXPECT_EQ(rig.Value("modvs?vs=1&CheckCodes=&CheckHeaders=", "CheckCodes"),
            "(none)");
  EXPECT_EQ(CheckOf(rig).headers_size(), 0);
  EXPECT_EQ(rig.Value("modvs?vs=1&CheckType=bdata&CheckUrl=0aFF&MatchLen=8000&"
                      "CheckPattern=20",
                      "MatchLen"),
            "8000");
  EXPECT_EQ(CheckOf(rig).url(), "0aFF");
}

TEST(CheckOptionsTest, RangesHold) {
  Rig rig;
  ASSERT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=80&prot=tcp"), "200");
  const uint64_t before = rig.backend.generation();
  const std::string long_url = "CheckUrl=/" + std::string(126, 'a');
  const std::string long_body = "CheckPostData=" + std::string(2048, 'a');
  for (const std::string& wrong : std::initializer_list<std::string>{
           "CheckPort=2",
           "CheckPort=65531",
           "CheckUseGet=4",
           "CheckCodes=299",
           "CheckCodes=404%20600",
           "CheckCodes=ok",
           "MatchLen=8001",
           "ChkInterval=8",
           "ChkInterval=121",
           "ChkTimeout=3",
           "ChkTimeout=61",
           "ChkRetryCount=1",
           "ChkRetryCount=16",
           "CheckUse1.1=maybe",
           "CheckHeaders=a:1%7Cb:2%7Cc:3%7Cd:4%7Ce:5",
           "CheckHeaders=nonsense",
           "CheckPattern=(",
           "CheckUrl=up",
           "CheckType=bdata&CheckUrl=0",
           long_url,
           long_body}) {
    EXPECT_THAT(rig.Outcome("modvs?vs=1&" + wrong), StartsWith("422 "))
        << wrong;
  }
  EXPECT_EQ(rig.backend.generation(), before);
}

TEST(CheckOptionsTest, SubServicesHaveTheirOwn) {
  Rig rig;
  ASSERT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=443&prot=tcp&VStype=http"),
            "200");
  ASSERT_EQ(rig.Outcome("modvs?vs=1&createsubvs="), "200");
  EXPECT_EQ(rig.Value("showvs?vs=2", "CheckType"), "https");
  const Reply set = rig.Get(
      "modvs?vs=2&CheckType=http&CheckUrl=/a&CheckCodes=404&CheckUseGet=1");
  ASSERT_EQ(set.status, 200) << set.body;
  EXPECT_EQ(Rig::Element(set, "CheckType"), "http");
  EXPECT_EQ(Rig::Element(set, "CheckCodes"), "404");
  EXPECT_EQ(Rig::Element(set, "CheckUseGet"), "1");
  EXPECT_EQ(rig.Value("showvs?vs=1", "CheckType"), "https");
  EXPECT_EQ(rig.Value("showvs?vs=1", "CheckUrl"), "(none)");
}

TEST(EnhancedTest, ServersThatMustBeUp) {
  Rig rig(R"pb(virtual_services {
                 address: "192.0.2.1"
                 port: 80
                 real_servers { address: "192.0.2.21" }
                 real_servers { address: "192.0.2.22" }
               })pb");
  const auto change = [&](absl::string_view fields) {
    const Reply reply = rig.Get(absl::StrCat("modvs?vs=1&", fields));
    if (reply.status != 200) return absl::StrCat(reply.status);
    return absl::StrCat(Rig::Element(reply, "EnhancedHealthChecks"), " ",
                        Rig::Element(reply, "RsMinimum"));
  };
  EXPECT_EQ(change(""), "N 1");
  EXPECT_EQ(change("EnhancedHealthChecks=Y&RsMinimum=1"), "Y 1");
  EXPECT_EQ(change("RsMinimum=2&EnhancedHealthChecks=Y"), "Y 2");
  EXPECT_EQ(change("EnhancedHealthChecks=Y&RsMinimum=2"), "Y 2");
  EXPECT_EQ(change("RsMinimum=3"), "422");
  // As a client sends it that echoes the rest.
  EXPECT_EQ(change("EnhancedHealthChecks=N&RsMinimum=2"), "N 1");
}

class FollowTest : public testing::Test {
 protected:
  FollowTest()
      : rig_(R"pb(
          virtual_services {
            address: "192.0.2.1"
            port: 80
            l7 {}
            real_servers { address: "192.0.2.21" }
            real_servers { address: "192.0.2.22" }
          }
          virtual_services {
            name: "db"
            address: "192.0.2.1"
            port: 81
            real_servers { address: "192.0.2.21" }
          }
          virtual_services {
            name: "api"
            address: "192.0.2.1"
            port: 82
            l7 {
              sub_services {
                name: "s"
                real_servers { address: "192.0.2.21" }
              }
            }
          })pb") {}

  std::string Follow(int vs, int rs, absl::string_view followed) {
    const std::string reference = absl::StrCat("?vs=", vs, "&rs=!", rs);
    const std::string outcome =
        rig_.Outcome(absl::StrCat("modrs", reference, "&follow=", followed));
    return outcome != "200" ? outcome
                            : rig_.Value("showrs" + reference, "Follow");
  }

  Rig rig_;
};

TEST_F(FollowTest, ByNumberOverServices) {
  EXPECT_EQ(Follow(1, 2, "1"), "1");
  EXPECT_EQ(Follow(1, 2, "3"), "3");
  EXPECT_EQ(Follow(1, 2, "4"), "4");
  EXPECT_EQ(Follow(1, 2, "0"), "0");
  EXPECT_EQ(Follow(2, 3, "4"), "4");
  // Itself: its own check.
  EXPECT_EQ(Follow(2, 3, "3"), "0");
  EXPECT_FALSE(rig_.backend.configuration()
                   .virtual_services(1)
                   .real_servers(0)
                   .has_follow());
}

TEST_F(FollowTest, Refusals) {
  EXPECT_THAT(Follow(1, 2, "99"),
              StartsWith("422 Unknown parameter value Follow"));
  EXPECT_THAT(Follow(1, 2, "-1"),
              StartsWith("422 Unknown parameter value Follow"));
  // Services are followed by name.
  EXPECT_THAT(Follow(2, 3, "1"), HasSubstr("VS 1 has none"));
  // One deep.
  EXPECT_EQ(Follow(1, 2, "1"), "1");
  EXPECT_THAT(Follow(1, 1, "3"), StartsWith("422 "));
  // Who is followed cannot go.
  EXPECT_THAT(rig_.Outcome("delrs?vs=1&rs=!1"), StartsWith("422 "));
  EXPECT_EQ(rig_.Value("showrs?vs=1&rs=!2", "Follow"), "1");
}

TEST_F(FollowTest, OutlastsNewNames) {
  EXPECT_EQ(Follow(1, 1, "3"), "3");
  EXPECT_EQ(Follow(1, 2, "4"), "4");
  EXPECT_EQ(rig_.Outcome("modvs?vs=2&NickName=data"), "200");
  EXPECT_EQ(rig_.Outcome("modvs?vs=3&NickName=web"), "200");
  EXPECT_EQ(rig_.Outcome("modrs?vs=3&rs=!4&name=sub"), "200");
  EXPECT_EQ(rig_.Value("showrs?vs=1&rs=!1", "Follow"), "3");
  EXPECT_EQ(rig_.Value("showrs?vs=1&rs=!2", "Follow"), "4");
}

}  // namespace
}  // namespace ballast::admin
