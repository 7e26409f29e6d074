// What the API says of services and servers, and takes (LoadMaster behaviour 4,
// 5, 6).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/admin/rig.h"

namespace ballast::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

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
// 4.7, 4.10: what a service does not say for itself is the unit's.
TEST(ServicesTest, Adaptive) {
  Rig rig;
  ASSERT_EQ(rig.Outcome("addvs?vs=192.0.2.1&port=80&prot=tcp&vstype=http"),
            "200");
  const Reply plain = rig.Get("showvs?vs=1");
  EXPECT_THAT(plain.body, testing::Not(HasSubstr("<Adaptive")));
  Reply changed = rig.Get(
      "modvs?vs=1&Schedule=adaptive&AdaptiveUrl=/a/Load&AdaptivePort=8080&"
      "AdaptiveInterval=20&AdaptiveMinPercent=0&Adaptive=");
  EXPECT_EQ(Rig::Element(changed, "Adaptive"), "http_rs") << changed.body;
  EXPECT_EQ(Rig::Element(changed, "AdaptiveUrl"), "/a/Load");
  EXPECT_EQ(Rig::Element(changed, "AdaptivePort"), "8080");
  EXPECT_EQ(Rig::Element(changed, "AdaptiveInterval"), "20");
  EXPECT_EQ(Rig::Element(changed, "AdaptiveMinPercent"), "0");
  const auto service = [&]() -> const config::proto::VirtualService& {
    return rig.backend.configuration().virtual_services(0);
  };
  EXPECT_TRUE(service().adaptive().has_idle_percent());
  // Another letter case is another path.
  EXPECT_EQ(rig.Value("modvs?vs=1&AdaptiveUrl=/a/load", "AdaptiveUrl"),
            "/a/load");
  for (const char* wrong :
       {"AdaptivePort=2", "AdaptiveInterval=61", "AdaptiveMinPercent=101",
        "AdaptiveUrl=load", "AdaptiveInterval=8"}) {
    EXPECT_THAT(rig.Outcome(absl::StrCat("modvs?vs=1&", wrong)),
                StartsWith("422 "))
        << wrong;
  }
  // The Python client sends Adaptive back beside the schedule that it wants.
  changed = rig.Get("modvs?vs=1&Schedule=sdn-adaptive&Adaptive=http_rs");
  EXPECT_EQ(Rig::Element(changed, "Adaptive"), "sdn_gstats") << changed.body;
  EXPECT_EQ(rig.Outcome("modvs?vs=1&AdaptiveUrl=&AdaptivePort=0&"
                        "AdaptiveInterval=&AdaptiveMinPercent="),
            "200");
  EXPECT_EQ(service().adaptive().ByteSizeLong(), 0u);
  changed = rig.Get("modvs?vs=1&Schedule=rr&Adaptive=sdn_gstats");
  EXPECT_THAT(changed.body, testing::Not(HasSubstr("<Adaptive")));
  // A sub service for itself.
  ASSERT_EQ(rig.Outcome("modvs?vs=1&createsubvs="), "200");
  changed =
      rig.Get("modvs?vs=2&Schedule=adaptive&AdaptivePort=81&AdaptiveUrl=/sub");
  EXPECT_EQ(Rig::Element(changed, "Adaptive"), "http_rs") << changed.body;
  EXPECT_EQ(service().l7().sub_services(0).adaptive().port(), 81u);
  EXPECT_EQ(service().l7().sub_services(0).adaptive().url(), "/sub");
}

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
  service.limited = {{"client_connections", 2},
                     {"l7.client_connections", 3},
                     {"connections", 100},
                     {"client_requests_per_second", 4}};
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
  EXPECT_THAT(reply.body,
              HasSubstr("<ClientLimits>\n"
                        "<ConnsRateBlocked>0</ConnsRateBlocked>\n"
                        "<RequestsRateBlocked>4</RequestsRateBlocked>\n"
                        "<MaxConnsBlocked>5</MaxConnsBlocked>\n"
                        "</ClientLimits>\n"));
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

TEST(StatisticsTest, TheHost) {
  Rig rig;
  HostStatistics& host = rig.backend.host;
  host.cpus = {{.name = "total",
                .user = 12.6,
                .system = 5,
                .idle = 80.4,
                .io_wait = 1,
                .interrupts = 0.4,
                .soft_interrupts = 0.6},
               {.name = "cpu0"}};
  host.memory_used = 3u << 20;
  host.memory_free = 1u << 20;
  host.links = {{.name = "eth0",
                 .index = 2,
                 .speed_mbit = 10000,
                 .bytes_in = 5000000000,
                 .bytes_out = 7,
                 .bytes_in_per_second = 1000.4,
                 .bytes_out_per_second = 0.2},
                {.name = "0@x y"}};
  host.disks = {{.folder = "/", .total = 100ull << 30, .free = 25ull << 30}};
  const Reply reply = rig.Get("stats");
  EXPECT_THAT(
      reply.body,
      HasSubstr(
          "<Data>\n<CPU>\n<total>\n<User>13</User>\n<System>5</System>\n"
          "<HWInterrupts>0</HWInterrupts>\n<SWInterrupts>1</SWInterrupts>\n"
          "<Idle>80</Idle>\n<IOWaiting>1</IOWaiting>\n</total>\n<cpu0>\n"));
  EXPECT_THAT(reply.body,
              HasSubstr("<Memory>\n<memused>3072</memused>\n"
                        "<percentmemused>75</percentmemused>\n"
                        "<memfree>1024</memfree>\n"
                        "<percentmemfree>25</percentmemfree>\n</Memory>\n"));
  EXPECT_THAT(
      reply.body,
      HasSubstr(
          "<Network>\n<eth0>\n<ifaceID>2</ifaceID>\n<speed>10000</speed>\n"
          "<in>8003</in>\n<inbytes>1000</inbytes>\n"
          "<inbytesTotal>5000000000</inbytesTotal>\n<out>2</out>\n"
          "<outbytes>0</outbytes>\n<outbytesTotal>7</outbytesTotal>\n"
          "</eth0>\n<_0_x_y>\n"));
  EXPECT_THAT(
      reply.body,
      HasSubstr("<DiskUsage>\n<partition>\n<name>/</name>\n"
                "<GBtotal>100</GBtotal>\n<GBused>75</GBused>\n"
                "<GBfree>25</GBfree>\n<percentused>75</percentused>\n"
                "<percentfree>25</percentfree>\n</partition>\n</DiskUsage>\n"));
}

}  // namespace
}  // namespace ballast::admin
