// Sessions as the vendor's clients have them (LoadMaster behaviour 7.7), and
// what the API says of services and servers on the way.
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lb/admin/option.h"
#include "lb/admin/rig.h"

namespace ballast::admin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
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
    fields.emplace_back(line.substr(1, end - 1),
                        rest.substr(0, rest.find('<')));
  }
  return fields;
}

std::string Encode(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"%", "%25"}, {" ", "%20"}, {"&", "%26"}});
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
      health_check { type: ICMP interval_s: 30 timeout_s: 5 }
      sorry_server { address: "192.0.2.99" port: 81 }
      l7 {
        qos: MINIMIZE_DELAY
        error_code: 302
        error_url: "http://sorry.example/"
        client_header: X_FORWARDED_FOR
        limits { connections: 500 connections_per_second: 5 }
      }
      real_servers { address: "192.0.2.21" weight: 0 }
      real_servers { address: "192.0.2.22" state: DRAINING }
    }
    virtual_services {
      address: "192.0.2.10"
      port: 53
      protocol: UDP
      schedule: SH
      idle_timeout_s: 30
      persistence {}
      real_servers { address: "192.0.2.21" forward: ROUTE }
    }
    virtual_services { address: "192.0.2.11" }
    virtual_services {
      address: "192.0.2.10"
      port: 25
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

// -- References and errors
// -----------------------------------------------------

TEST(ServicesTest, References) {
  Rig rig;
  ASSERT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=80&prot=tcp"), "200");
  EXPECT_EQ(rig.Outcome("showvs"), "400 vs: String Value missing");
  EXPECT_EQ(rig.Outcome("showvs?vs=192.0.2.10"),
            "400 port: String Value missing");
  EXPECT_EQ(rig.Outcome("showvs?vs=192.0.2.10&port=80"),
            "400 prot: String Value missing");
  EXPECT_EQ(rig.Outcome("showvs?vs=192.0.2.10&port=81&prot=tcp"),
            "422 Unknown VS");
  EXPECT_EQ(rig.Outcome("showvs?vs=!1"), "422 Unknown VS");
  EXPECT_EQ(rig.Outcome("showvs?vs=99"), "422 Unknown VS");
  EXPECT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=80&prot=tcp"),
            "422 VS already exists: 192.0.2.10 80 tcp");
  EXPECT_EQ(rig.Outcome("addvs?vs=192.0.2.10&port=2&prot=tcp"),
            "422 Invalid port");
  EXPECT_EQ(rig.Outcome("showrs?vs=1&rs=192.0.2.21&rsport=80"),
            "422 Unknown RS");
  EXPECT_EQ(rig.Outcome("addrs?vs=1&rs=192.0.2.21"),
            "400 rsport: String Value missing");
  EXPECT_EQ(rig.Outcome("disablers?rs=192.0.2.21"), "422 Unknown RS");
}

// The numbers of what stays do not change, nor are they given twice.
TEST(ServicesTest, NumbersStay) {
  Rig rig(R"pb(
    virtual_services { address: "192.0.2.1" port: 80 }
    virtual_services {
      address: "192.0.2.1"
      port: 81
      real_servers { address: "192.0.2.21" }
      real_servers { address: "192.0.2.22" }
    }
    virtual_services { address: "192.0.2.1" port: 82 })pb");
  EXPECT_EQ(rig.Value("showvs?vs=2", "VSPort"), "81");
  EXPECT_EQ(rig.Outcome("delvs?vs=1"), "200");
  EXPECT_EQ(rig.Value("showvs?vs=2", "VSPort"), "81");
  EXPECT_EQ(rig.Outcome("delrs?vs=2&rs=!1"), "200");
  EXPECT_EQ(rig.Value("showrs?vs=2&rs=!2", "Addr"), "192.0.2.22");
  EXPECT_EQ(rig.Value("addvs?vs=192.0.2.1&port=80&prot=tcp", "Index"), "4");
}

TEST(ServicesTest, ForceL7AndDefaults) {
  Rig rig;
  EXPECT_EQ(rig.Value("addvs?vs=192.0.2.1&port=53&prot=udp", "Layer"), "4");
  EXPECT_EQ(
      rig.Value("addvs?vs=192.0.2.1&port=80&prot=tcp&ForceL7=N", "ForceL4"),
      "Y");
  const Reply tls = rig.Get("addvs?vs=192.0.2.1&port=443&prot=tcp");
  EXPECT_EQ(Rig::Element(tls, "VStype"), "gen");
  EXPECT_EQ(Rig::Element(tls, "Transparent"), "N");
  EXPECT_EQ(Rig::Element(tls, "SubnetOriginating"), "Y");
  EXPECT_EQ(Rig::Element(tls, "Idletime"), "660");
  EXPECT_EQ(rig.Value("addvs?vs=192.0.2.1&port=*&prot=tcp", "VSPort"), "*");
  EXPECT_THAT(rig.Outcome("modvs?vs=1&ForceL7=Y"), StartsWith("422 "));
  EXPECT_THAT(rig.Outcome("modvs?vs=2&QoS=8"), StartsWith("422 "));
  EXPECT_EQ(rig.Outcome("modvs?vs=2&ForceL7=Y&QoS=8&VStype=http"), "200");
  EXPECT_THAT(rig.Outcome("modvs?vs=2&QoS=3"), StartsWith("422 "));
  // 4.3: canonical on read; nothing changes when the string is invalid.
  EXPECT_EQ(rig.Value("modvs?vs=3&ExtraPorts=8000-8080,%209002,%2081,%208050,"
                      "%209000",
                      "ExtraPorts"),
            "81,8000-8080,9000,9002");
  EXPECT_THAT(rig.Outcome("modvs?vs=3&ExtraPorts=90-80"), StartsWith("422 "));
  EXPECT_EQ(rig.Value("showvs?vs=3", "ExtraPorts"), "81,8000-8080,9000,9002");
  EXPECT_EQ(rig.Value("modvs?vs=3&ExtraPorts=", "ExtraPorts"), "(none)");
  // 4.1: to move it, the old port as port and the new one as VSPort.
  EXPECT_EQ(
      rig.Value("modvs?vs=192.0.2.1&port=443&prot=tcp&VSPort=444", "VSPort"),
      "444");
}

TEST(ServicesTest, QosOfSubServices) {
  Rig rig;
  rig.Get("addvs?vs=192.0.2.1&port=80&prot=tcp");
  ASSERT_EQ(rig.Outcome("modvs?vs=1&createsubvs="), "200");
  EXPECT_THAT(rig.Outcome("modvs?vs=2&QoS=16"), StartsWith("422 "));
  EXPECT_EQ(rig.Outcome("modvs?vs=2&QoS=4"), "200");
  EXPECT_EQ(rig.Outcome("modvs?vs=1&QoS=16"), "200");
  EXPECT_EQ(rig.Value("showvs?vs=2", "QoS"), "16");
  EXPECT_THAT(rig.Outcome("modvs?vs=2&QoS=4"), StartsWith("422 "));
  EXPECT_EQ(rig.Outcome("modvs?vs=1&QoS=0"), "200");
  EXPECT_EQ(rig.Value("showvs?vs=2", "QoS"), "0");
}

// 4.5, 4.6.
TEST(ServicesTest, Persistence) {
  Rig rig;
  rig.Get("addvs?vs=192.0.2.1&port=80&prot=tcp");
  const auto change = [&](absl::string_view fields) {
    const Reply reply = rig.Get(absl::StrCat("modvs?vs=1&", fields));
    if (reply.status != 200) return absl::StrCat(reply.status);
    return absl::StrCat(Rig::Element(reply, "Persist"), " ",
                        Rig::Element(reply, "PersistTimeout"), " ",
                        Rig::Element(reply, "Cookie"));
  };
  EXPECT_EQ(change(""), "(none) 0 (none)");
  EXPECT_EQ(change("Persist=src"), "src 360 (none)");
  EXPECT_EQ(change("PersistTimeout=119"), "src 60 (none)");
  EXPECT_EQ(change("PersistTimeout=59"), "(none) 0 (none)");
  EXPECT_EQ(change("PersistTimeout=600"), "src 600 (none)");
  EXPECT_EQ(change("PersistTimeout=2419201"), "422");
  EXPECT_EQ(change("Persist=cookie"), "422");
  EXPECT_EQ(change("Persist=cookie&Cookie=SID"), "cookie 600 SID");
  EXPECT_EQ(change("Persist=active-cookie&Cookie=SID2"),
            "active-cookie 600 SID2");
  EXPECT_EQ(change("Persist=header"), "header 600 SID2");
  EXPECT_EQ(change("Persist=query-hash"), "422");
  EXPECT_EQ(rig.Value("modvs?vs=1&Persist=query-hash&QueryTag=id", "QueryTag"),
            "id");
  EXPECT_EQ(change("Persist=super-src"), "super-src 600 (none)");
  EXPECT_EQ(change("Persist=rdp"), "422");
  EXPECT_EQ(change("Persist=ssl"), "422");
  EXPECT_EQ(change("Persist=none&PersistTimeout=600"), "(none) 0 (none)");
}

// 5.1, 5.2: disabled at layer 7 means drained; of every service by address.
TEST(ServicesTest, DisabledServers) {
  Rig rig;
  rig.Get("addvs?vs=192.0.2.1&port=80&prot=tcp");
  rig.Get("addvs?vs=192.0.2.1&port=81&prot=tcp&ForceL7=N");
  for (const char* vs : {"1", "2"}) {
    for (const char* rs : {"192.0.2.21", "192.0.2.22"}) {
      ASSERT_EQ(
          rig.Outcome(absl::StrCat("addrs?vs=", vs, "&rs=", rs, "&rsport=80")),
          "200");
    }
  }
  EXPECT_EQ(rig.Outcome("modrs?vs=1&rs=!1&enable=N"), "200");
  EXPECT_EQ(rig.Outcome("modrs?vs=2&rs=!3&enable=N"), "200");
  const auto& services = rig.backend.configuration().virtual_services();
  EXPECT_EQ(services[0].real_servers(0).state(), config::proto::DRAINING);
  EXPECT_EQ(services[1].real_servers(0).state(), config::proto::DISABLED);
  EXPECT_EQ(rig.Value("showrs?vs=1&rs=!1", "Status"), "Disabled");

  EXPECT_EQ(rig.Outcome("disablers?rs=192.0.2.22"), "200");
  EXPECT_EQ(rig.Value("showrs?vs=2&rs=!4", "Enable"), "N");
  // The switch of its own stays on, and an echo leaves it so.
  EXPECT_EQ(rig.Outcome("modrs?vs=2&rs=!4&enable=N"), "200");
  EXPECT_EQ(services[1].real_servers(1).state(), config::proto::ENABLED);
  EXPECT_EQ(rig.Outcome("enablers?rs=192.0.2.22"), "200");
  EXPECT_EQ(rig.Value("showrs?vs=2&rs=!4", "Enable"), "Y");
  EXPECT_EQ(rig.Outcome("disablers?rs=192.0.2.22&port=80"), "200");
  EXPECT_EQ(rig.backend.configuration().disabled_servers(0), "192.0.2.22:80");
  EXPECT_EQ(rig.Outcome("enablers?rs=192.0.2.22"), "200");
  EXPECT_EQ(rig.backend.configuration().disabled_servers_size(), 0);
}

TEST(ServicesTest, RealServerRanges) {
  Rig rig;
  rig.Get("addvs?vs=192.0.2.1&port=80&prot=tcp");
  ASSERT_EQ(rig.Outcome("addrs?vs=1&rs=192.0.2.21&rsport=80"), "200");
  EXPECT_EQ(rig.Outcome("modrs?vs=1&rs=!1&weight=65535"), "200");
  for (const char* wrong : {"weight=0", "weight=65536", "limit=100001",
                            "forward=tunnel", "newport=2", "enable=maybe"}) {
    EXPECT_THAT(rig.Outcome(absl::StrCat("modrs?vs=1&rs=!1&", wrong)),
                StartsWith("422 "))
        << wrong;
  }
  EXPECT_EQ(rig.Outcome("modrs?vs=1&rs=192.0.2.21&rsport=80&newport=8080"),
            "200");
  EXPECT_EQ(rig.Outcome("showrs?vs=1&rs=192.0.2.21&rsport=8080"), "200");
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

// -- Statistics --------------------------------------------------------------

TEST(StatisticsTest, FieldsAndSums) {
  Rig rig(
      R"pb(virtual_services {
             address: "192.0.2.1"
             port: 80
             index: 7
             real_servers { address: "192.0.2.21" index: 3 }
           }
           virtual_services { address: "192.0.2.1" port: 81 disabled: true })pb");
  ServiceStatistics service;
  service.address = *Address::Parse("192.0.2.1");
  service.port = 80;
  service.up = true;
  service.traffic = {.connections = 10,
                     .active_connections = 4,
                     .packets_in = 30,
                     .bytes_in = 1000,
                     .packets_out = 20,
                     .bytes_out = 3000,
                     .connections_per_second = 2.4,
                     .packets_per_second = 9,
                     .bytes_per_second = 100};
  ServerStatistics server;
  server.endpoint = {*Address::Parse("192.0.2.21"), 80};
  server.weight = 1000;
  server.up = true;
  server.traffic = service.traffic;
  service.servers = {server};
  rig.backend.statistics.services = {service};

  const Reply reply = rig.Get("stats");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_THAT(
      reply.body,
      HasSubstr("<VStotals>\n<ConnsPerSec>2</ConnsPerSec>\n"
                "<TotalConns>10</TotalConns>\n<BitsPerSec>800</BitsPerSec>\n"
                "<TotalBits>32000</TotalBits>\n<BytesPerSec>100</BytesPerSec>\n"
                "<TotalBytes>4000</TotalBytes>\n<PktsPerSec>9</PktsPerSec>\n"
                "<TotalPackets>50</TotalPackets>\n</VStotals>\n"
                "<Vs>\n<VSAddress>192.0.2.1</VSAddress>\n<VSPort>80</VSPort>\n"
                "<VSProt>tcp</VSProt>\n<Index>7</Index>\n<Status>up</Status>\n"
                "<ErrorCode>0</ErrorCode>\n<Enable>1</Enable>\n"
                "<TotalConns>10</TotalConns>\n<TotalPkts>50</TotalPkts>\n"));
  EXPECT_THAT(
      reply.body,
      HasSubstr("<Rs>\n<VSIndex>7</VSIndex>\n<RSIndex>3</RSIndex>\n"
                "<Addr>192.0.2.21</Addr>\n<Port>80</Port>\n<Enable>1</Enable>\n"
                "<Weight>1000</Weight>\n<ActivConns>4</ActivConns>\n"
                "<Persist>0</Persist>\n<Conns>10</Conns>\n<Pkts>50</Pkts>\n"
                "<Bytes>4000</Bytes>\n<Bits>32000</Bits>\n"
                "<BytesRead>1000</BytesRead>\n"
                "<BytesWritten>3000</BytesWritten>\n"
                "<ConnsPerSec>2</ConnsPerSec>\n</Rs>"));
  std::vector<std::string> order;
  size_t at = 0;
  for (const char* element :
       {"<CPU>", "<Memory>", "<Network>", "<DiskUsage>", "<ClientLimits>",
        "<VStotals>", "<Vs>", "<Rs>", "<TPS>", "<Timestamp>", "<ChangeTime>"}) {
    const size_t next = reply.body.find(element);
    EXPECT_NE(next, std::string::npos) << element;
    EXPECT_GE(next, at) << element;
    at = next;
  }
  EXPECT_THAT(rig.Get("vstotals").body,
              HasSubstr("<VS>\n<Total>2</Total>\n<Up>1</Up>\n<Down>0</Down>\n"
                        "<Disabled>1</Disabled>\n</VS>"));
  EXPECT_EQ(rig.Value("showvs?vs=7", "Status"), "Up");
}

}  // namespace
}  // namespace ballast::admin
