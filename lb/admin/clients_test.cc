// Sessions as the vendor's clients have them (LoadMaster behaviour 7.7).
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lb/admin/option.h"
#include "lb/admin/rig.h"

namespace ballast::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Fields = std::vector<std::pair<std::string, std::string>>;

// The elements of a VS directly under Data, without its servers.
Fields FieldsOf(const Reply& reply) {
  Fields fields;
  const std::string data = Rig::Element(reply, "Data");
  for (absl::string_view line : absl::StrSplit(data, '\n')) {
    if (line == "<Rs>" || line == "<SubVS>") break;
    const size_t end = line.find('>');
    if (end == absl::string_view::npos || line[0] != '<') continue;
    const absl::string_view rest = line.substr(end + 1);
    fields.emplace_back(
        line.substr(1, end - 1),
        absl::StrReplaceAll(rest.substr(0, rest.find('<')), {{"&#10;", "\n"},
                                                             {"&lt;", "<"},
                                                             {"&gt;", ">"},
                                                             {"&quot;", "\""},
                                                             {"&amp;", "&"}}));
  }
  return fields;
}

std::string Encode(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      encoded += c;
    } else {
      absl::StrAppend(
          &encoded, "%",
          absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  return encoded;
}

// As the Python client does it: all that was read, in lower case, but what
// names the service and what is only to be read.
std::string EchoOf(const Fields& fields) {
  std::string call;
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&call, "&", absl::AsciiStrToLower(name), "=",
                    Encode(value));
  }
  return call;
}

google::protobuf::Struct JsonOfReply(const Reply& reply) {
  google::protobuf::Struct object;
  EXPECT_TRUE(
      google::protobuf::util::JsonStringToMessage(reply.body, &object).ok())
      << reply.body;
  return object;
}

// -- The Python client
// ---------------------------------------------------------

TEST(PythonClientTest, ServiceFromBirthToDeath) {
  Rig rig;
  Reply added = rig.Get("addvs?vs=192.0.2.10&port=80&prot=tcp");
  ASSERT_EQ(added.status, 200) << added.body;
  // Directly under Data.
  EXPECT_THAT(added.body, HasSubstr("<Data>\n<Status>Down</Status>\n"
                                    "<Index>1</Index>\n"
                                    "<VSAddress>192.0.2.10</VSAddress>\n"
                                    "<VSPort>80</VSPort>\n<Layer>7</Layer>"));
  for (const char* number : {"CheckPort", "PersistTimeout", "RsMinimum"}) {
    EXPECT_EQ(Rig::Element(added, number), "0") << number;
  }
  // It reads it, then all of them.
  EXPECT_EQ(rig.Outcome("showvs?vs=192.0.2.10&port=80&prot=tcp"), "200");
  const Reply listed = rig.Get("listvs");
  EXPECT_THAT(listed.body, HasSubstr("<Data>\n<VS>\n<Status>"));
  EXPECT_EQ(Rig::Element(listed, "MasterVSID"), "0");
  EXPECT_EQ(Rig::Element(listed, "Protocol"), "tcp");

  ASSERT_EQ(rig.Outcome("addrs?vs=1&rs=192.0.2.21&rsport=8080&weight=500"),
            "200");
  const Reply server = rig.Get("showrs?vs=1&rs=192.0.2.21&rsport=8080");
  EXPECT_THAT(server.body,
              HasSubstr("<Data>\n<Rs>\n<Status>Down</Status>\n"
                        "<VSIndex>1</VSIndex>\n<RsIndex>1</RsIndex>\n"
                        "<Addr>192.0.2.21</Addr>\n<Port>8080</Port>\n"
                        "<DnsName></DnsName>\n<Forward>nat</Forward>\n"
                        "<Weight>500</Weight>\n<Limit>0</Limit>\n"
                        "<RateLimit>0</RateLimit>\n<Follow>0</Follow>\n"
                        "<Enable>Y</Enable>\n<Critical>N</Critical>\n"
                        "<Nrules>0</Nrules>\n</Rs>\n</Data>"));
  EXPECT_EQ(rig.Outcome("modrs?vs=1&rs=192.0.2.21&rsport=8080&enable=Y&forward="
                        "nat&weight=500&limit=0&critical=N&follow=0"),
            "200");
  EXPECT_EQ(rig.Outcome("delrs?vs=1&rs=192.0.2.21&rsport=8080"), "200");
  EXPECT_EQ(rig.Outcome("delvs?vs=192.0.2.10&port=80&prot=tcp"), "200");
  EXPECT_EQ(rig.Outcome("showvs?vs=1"), "422 Unknown VS");
  EXPECT_EQ(Rig::Element(rig.Get("listvs"), "Data"), "\n");
}

// A bare echo changes nothing, whatever kind of service it is.
TEST(PythonClientTest, ServerAcceptsItsOwnOutput) {
  Rig rig(R"pb(
    virtual_services {
      name: "web"
      address: "192.0.2.10"
      port: 80
      extra_ports: "8000-8080, 9002"
      schedule: WLC
      servers_min: 2
      persistence { mode: SERVER_COOKIE name: "JSESSIONID" timeout_s: 600 }
      health_check {
        type: HTTPS
        port: 8443
        interval_s: 30
        timeout_s: 5
        retry_count: 3
        url: "/Health?a=b&c"
        method: POST
        http11: true
        host: "www.example"
        codes: 404
        codes: 302
        pattern: "^<ok> \\d+"
        headers: "X-One: 1|2"
        headers: "Accept: text/plain, */*"
        post_data: "a=\"1\"\nb"
      }
      sorry_server { address: "192.0.2.99" port: 81 }
      l7 {
        qos: MINIMIZE_DELAY
        error_code: 302
        error_url: "http://sorry.example/"
        client_header: X_FORWARDED_FOR
        limits { connections: 500 connections_per_second: 5 }
      }
      real_servers { address: "192.0.2.21" weight: 0 name: "one" }
      real_servers {
        address: "192.0.2.22"
        state: DRAINING
        critical: true
        follow { server: "one" }
      }
    }
    virtual_services {
      address: "192.0.2.10"
      port: 53
      protocol: UDP
      schedule: SH
      idle_timeout_s: 30
      persistence {}
      real_servers {
        address: "192.0.2.21"
        forward: ROUTE
        follow { service: "web" server: "one" }
      }
    }
    virtual_services {
      address: "192.0.2.11"
      schedule: SDN_ADAPTIVE
      adaptive { url: "/Load" port: 8080 interval_s: 20 idle_percent: 0 }
      health_check {
        type: BINARY
        port: 7
        url: "0a 0B"
        pattern: "ff"
        match_length: 100
      }
    }
    virtual_services {
      address: "192.0.2.10"
      port: 25
      schedule: RESPONSE_TIME
      l7 {
        type: GENERIC
        server_initiating: SMTP
        subnet_originating: false
        client_header: NO_CLIENT_HEADER
      }
    }
  )pb");
  ASSERT_EQ(rig.backend.configuration().virtual_services_size(), 4);
  // The first change writes the numbers down.
  ASSERT_EQ(rig.Outcome("set?param=hawait&value=1"), "200");
  const std::string before = rig.backend.configuration().DebugString();
  for (int i = 1; i <= 4; ++i) {
    const Reply shown = rig.Get(absl::StrCat("showvs?vs=", i));
    const Fields fields = FieldsOf(shown);
    ASSERT_GT(fields.size(), 60u) << shown.body;
    for (const std::string& reference :
         {absl::StrCat("vs=", i),
          absl::StrCat("vs=", Rig::Element(shown, "VSAddress"),
                       "&port=", Rig::Element(shown, "VSPort"),
                       "&prot=", Rig::Element(shown, "Protocol"))}) {
      const Reply echoed =
          rig.Get(absl::StrCat("modvs?", reference, EchoOf(fields)));
      EXPECT_EQ(echoed.status, 200) << i << ": " << echoed.body;
      EXPECT_EQ(FieldsOf(echoed), fields);
    }
  }
  // Servers, as it sends them back (and PowerShell all of it).
  const std::pair<int, int> kServers[] = {{1, 1}, {1, 2}, {2, 3}};
  for (const auto& [service, server] : kServers) {
    const std::string reference =
        absl::StrCat("?vs=", service, "&rs=!", server);
    const Reply shown = rig.Get(absl::StrCat("showrs", reference));
    std::string call = absl::StrCat("modrs", reference);
    for (const char* name : {"Forward", "Weight", "Limit", "RateLimit",
                             "Follow", "Enable", "Critical"}) {
      absl::StrAppend(&call, "&", name, "=", Rig::Element(shown, name));
    }
    EXPECT_EQ(rig.Outcome(call), "200") << call;
  }
  EXPECT_EQ(rig.backend.configuration().DebugString(), before);
  EXPECT_EQ(rig.backend.generation(), 2u);
}

TEST(PythonClientTest, SubVs) {
  Rig rig;
  rig.backend.statistics.services.resize(1);
  ASSERT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=80&prot=tcp&nickname=web"),
            "200");
  const Reply created = rig.Get("modvs?vs=1&createsubvs=");
  ASSERT_EQ(created.status, 200) << created.body;
  EXPECT_EQ(Rig::Element(created, "MasterVS"), "1");
  EXPECT_THAT(created.body,
              HasSubstr("<SubVS>\n<Status>Down</Status>\n<VSIndex>2</VSIndex>\n"
                        "<RsIndex>2</RsIndex>\n<Name>SubVS-2</Name>\n"
                        "<Forward>nat</Forward>\n<Weight>1000</Weight>\n"
                        "<Limit>0</Limit>\n<Enable>Y</Enable>\n"
                        "<Critical>N</Critical>\n</SubVS>"));
  const Reply sub = rig.Get("showvs?vs=2");
  EXPECT_EQ(Rig::Element(sub, "MasterVSID"), "1");
  EXPECT_EQ(Rig::Element(sub, "MasterVS"), "0");
  EXPECT_EQ(Rig::Element(sub, "VSPort"), "0");
  EXPECT_EQ(Rig::Element(sub, "VSAddress"), "(none)");
  // Both are listed.
  EXPECT_EQ(
      std::vector<std::string>(absl::StrSplit(rig.Get("listvs").body, "<VS>"))
          .size(),
      3u);
  // It is changed as a member, and then its own values are given to the parent.
  EXPECT_EQ(rig.Outcome("modrs?vs=1&rs=!2&name=images&forward=nat&weight=50&"
                        "limit=9&critical=Y&enable=Y"),
            "200");
  EXPECT_EQ(rig.Outcome(absl::StrCat(
                "modvs?vs=1", EchoOf([&] {
                  Fields fields;
                  for (const auto& field : FieldsOf(rig.Get("showvs?vs=2"))) {
                    const std::string& name = field.first;
                    if (name == "Index" || name == "VSPort" ||
                        name == "MasterVS" || name == "MasterVSID" ||
                        name == "Status" || name == "NumberOfRSs" ||
                        name == "NickName") {
                      continue;
                    }
                    fields.push_back(field);
                  }
                  return fields;
                }()))),
            "200");
  const auto& config =
      rig.backend.configuration().virtual_services(0).l7().sub_services(0);
  EXPECT_EQ(config.name(), "images");
  EXPECT_EQ(config.weight(), 50u);
  EXPECT_TRUE(config.critical());
  // Servers are the sub service's.
  EXPECT_THAT(rig.Outcome("addrs?vs=1&rs=192.0.2.21&rsport=80"),
              StartsWith("422 "));
  EXPECT_EQ(rig.Outcome("addrs?vs=2&rs=192.0.2.21&rsport=80"), "200");
  EXPECT_EQ(rig.Outcome("modvs?vs=1&createsubvs=1"), "200");
  EXPECT_EQ(rig.Outcome("addrs?vs=3&rs=192.0.2.22&rsport=80&addtoallsubvs=1"),
            "200");
  EXPECT_EQ(rig.Outcome("showrs?vs=2&rs=192.0.2.22&rsport=80"), "200");
  EXPECT_EQ(rig.Outcome("delvs?vs=2"), "200");
  EXPECT_EQ(rig.Outcome("showvs?vs=2"), "422 Unknown VS");
  EXPECT_EQ(rig.Outcome("showvs?vs=3"), "200");
  EXPECT_EQ(rig.Outcome("delvs?vs=1"), "200");
  EXPECT_EQ(rig.Outcome("showvs?vs=3"), "422 Unknown VS");
}

// A VS has either servers or SubVSs (4.12).
TEST(PythonClientTest, SubVsNeedsAServiceWithoutServers) {
  Rig rig;
  ASSERT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=80&prot=tcp"), "200");
  ASSERT_EQ(rig.Outcome("addrs?vs=1&rs=192.0.2.21&rsport=80"), "200");
  EXPECT_THAT(rig.Outcome("modvs?vs=1&createsubvs="), StartsWith("422 "));
  ASSERT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=443&prot=tcp"), "200");
  EXPECT_THAT(rig.Outcome("modvs?vs=2&createsubvs="), StartsWith("422 "));
}

// -- v2
// --------------------------------------------------------------------------

constexpr char kUser[] = R"("apiuser": "bal", "apipass": "correct horse")";

TEST(TerraformTest, TypesAsClientsDecodeThem) {
  Rig rig;
  const Reply added = rig.Post(absl::StrCat(
      R"({"cmd": "addvs", "vs": "192.0.2.10", "port": 80, "prot": "tcp", )",
      R"("Enable": true, "QoS": 4, )", kUser, "}"));
  ASSERT_EQ(added.status, 200) << added.body;
  EXPECT_EQ(added.content_type, "application/json");
  const auto object = JsonOfReply(added);
  EXPECT_EQ(object.fields().at("code").number_value(), 200);
  EXPECT_EQ(object.fields().at("status").string_value(), "ok");
  // Beside the envelope's.
  EXPECT_EQ(object.fields().at("Status").string_value(), "Down");
  using google::protobuf::Value;
  for (const char* name :
       {"Index", "Layer", "Idletime", "ServerInit", "AddVia", "QoS", "MatchLen",
        "CheckUseGet", "MasterVS", "MasterVSID", "NumberOfRSs", "RsMinimum"}) {
    EXPECT_EQ(object.fields().at(name).kind_case(), Value::kNumberValue)
        << name;
  }
  for (const char* name : {"VSPort", "CheckPort", "PersistTimeout", "ErrorCode",
                           "SSLRewrite", "TlsType"}) {
    EXPECT_EQ(object.fields().at(name).kind_case(), Value::kStringValue)
        << name;
  }
  for (const char* name : {"Enable", "ForceL7", "Transparent", "Cache"}) {
    EXPECT_EQ(object.fields().at(name).kind_case(), Value::kBoolValue) << name;
  }
  EXPECT_EQ(object.fields().at("Rs").kind_case(), Value::kListValue);

  const Reply server = rig.Post(absl::StrCat(
      R"({"cmd": "addrs", "vs": "1", "rs": "192.0.2.21", "rsport": 80, )",
      kUser, "}"));
  ASSERT_EQ(server.status, 200) << server.body;
  const auto with_server = JsonOfReply(server);
  const auto& list = with_server.fields().at("Rs").list_value();
  ASSERT_EQ(list.values_size(), 1);
  for (const char* name : {"Weight", "Limit", "Port", "VSIndex", "RsIndex"}) {
    EXPECT_EQ(list.values(0).struct_value().fields().at(name).kind_case(),
              Value::kNumberValue)
        << name;
  }
  // And what was read is taken.
  EXPECT_EQ(rig.Post(absl::StrCat(
                         R"({"cmd": "modvs", "vs": 1, "Enable": false, )",
                         R"("VSPort": "80", "CheckPort": "0", )", kUser, "}"))
                .status,
            200);
  EXPECT_TRUE(rig.backend.configuration().virtual_services(0).disabled());
}

TEST(TerraformTest, Envelopes) {
  Rig rig;
  EXPECT_EQ(rig.Post(absl::StrCat(R"({"cmd": "listvs", )", kUser, "}")).body,
            "{\"code\": 200, \"VS\": [], \"status\": \"ok\"}\n");
  EXPECT_EQ(
      rig.Post(absl::StrCat(R"({"cmd": "set", "param": "hawait", "value": 3, )",
                            kUser, "}"))
          .body,
      "{\"code\": 200, \"message\": \"Command completed ok\", "
      "\"status\": \"ok\"}\n");
  EXPECT_EQ(
      rig.Post(absl::StrCat(R"({"cmd": "set", "param": "HAwait", "val": "4", )",
                            kUser, "}"))
          .status,
      200);
  EXPECT_EQ(rig.Post(absl::StrCat(R"({"cmd": "get", "param": "HAwait", )",
                                  kUser, "}"))
                .body,
            "{\"code\": 200, \"HAwait\": 4, \"status\": \"ok\"}\n");
  const Reply error =
      rig.Post(absl::StrCat(R"({"cmd": "showvs", "vs": 7, )", kUser, "}"));
  EXPECT_EQ(error.status, 422);
  EXPECT_EQ(error.body,
            "{\"code\": 422, \"message\": \"Unknown VS\", \"status\": "
            "\"fail\"}\n");
  EXPECT_EQ(rig.Post(absl::StrCat("{", kUser, "}")).status, 400);
  EXPECT_EQ(rig.Post("[]").status, 400);
}

TEST(DocumentTest, OddCharacters) {
  const Document document =
      Document::Of({Node::Text("a", "<&>\"\\ \xc3\xa4 \xe4\xbd\xa0\t\x01")});
  EXPECT_THAT(XmlOf(document),
              HasSubstr("<a>&lt;&amp;&gt;&quot;\\ &#228; &#20320;&#9;?</a>"));
  EXPECT_THAT(JsonOf(document),
              HasSubstr("\"a\": \"<&>\\\"\\\\ \xc3\xa4 \xe4\xbd\xa0\\u0009"
                        "\\u0001\""));
}

}  // namespace
}  // namespace ballast::admin
