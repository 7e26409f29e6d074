// Single directives, each with what its source's manual says it means.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "examples/ctl/convert/conversion.h"
#include "examples/ctl/convert/haproxy.h"
#include "examples/ctl/convert/ipvsadm.h"
#include "examples/ctl/convert/keepalived.h"
#include "lb/config/ballast.pb.h"

namespace ballast::ctl {
namespace {

namespace proto = config::proto;
using proto::Persistence;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string LostText(const Conversion& made) {
  std::string text;
  for (const Lost& one : made.lost) {
    absl::StrAppend(&text, one.line, ": ", one.directive, ": ", one.why, "\n");
  }
  return text;
}

// -- ipvsadm ------------------------------------------------------------------

proto::VirtualService Ipvs(const std::string& service,
                           const std::string& server) {
  const Conversion made = ConvertIpvsadm(
      absl::StrCat("-A -t 192.0.2.10:80 ", service,
                   "\n-a -t 192.0.2.10:80 -r 10.0.0.1:80 ", server, "\n"),
      {});
  EXPECT_THAT(made.config.virtual_services(), SizeIs(1)) << LostText(made);
  return made.config.virtual_services(0);
}

TEST(IpvsadmTest, SchedulersThatDoTheSame) {
  const struct {
    const char* name;
    proto::Schedule schedule;
  } kCases[] = {{"rr", proto::RR},   {"wrr", proto::WRR}, {"lc", proto::LC},
                {"wlc", proto::WLC}, {"sh", proto::SH},   {"mh", proto::SH},
                {"fo", proto::FIXED}};
  for (const auto& one : kCases) {
    const Conversion made =
        ConvertIpvsadm(absl::StrCat("-A -t 192.0.2.10:80 -s ", one.name), {});
    EXPECT_EQ(made.config.virtual_services(0).schedule(), one.schedule);
    EXPECT_THAT(made.lost, IsEmpty()) << LostText(made);
  }
  // ipvsadm(8): "The default scheduler is wlc", "default weight is 1",
  // "gatewaying is the default".
  const auto service = Ipvs("", "");
  EXPECT_EQ(service.schedule(), proto::WLC);
  EXPECT_EQ(service.real_servers(0).weight(), 1u);
  EXPECT_EQ(service.real_servers(0).forward(), proto::ROUTE);
}

TEST(IpvsadmTest, TimesLimitsAndLongOptions) {
  EXPECT_EQ(Ipvs("-p", "").persistence().timeout_s(), 300u);  // Its default.
  EXPECT_EQ(Ipvs("-p 90", "").persistence().timeout_s(), 120u);
  EXPECT_EQ(Ipvs("", "-m -x 40").real_servers(0).connection_limit(), 40u);
  const auto service =
      Ipvs("--scheduler=lc --persistent 60", "--masquerading --weight=7");
  EXPECT_EQ(service.schedule(), proto::LC);
  EXPECT_EQ(service.real_servers(0).weight(), 7u);
  EXPECT_EQ(service.real_servers(0).forward(), proto::NAT);
}

TEST(IpvsadmTest, WhatIsRefusedIsNamed) {
  for (const char* line :
       {"-A -f 1 -s rr", "-A --sctp-service 192.0.2.1:9", "-A -s rr", "-C",
        "-A -t www.example.com:http", "-a -t 192.0.2.1:80 -r 10.0.0.1:80",
        "-A -t 192.0.2.1:1", "-A -t 192.0.2.1:80 -u 192.0.2.1:80",
        "-A -t 224.0.0.1:80", "garbage"}) {
    const Conversion made = ConvertIpvsadm(line, {});
    EXPECT_THAT(made.config.virtual_services(), IsEmpty()) << line;
    ASSERT_THAT(made.lost, SizeIs(::testing::Ge(1))) << line;
    EXPECT_EQ(made.lost[0].line, 1);
  }
}

TEST(IpvsadmTest, AServiceTwiceOnAnAddressIsLeftOutOnce) {
  const Conversion made = ConvertIpvsadm(
      "-A -t 192.0.2.1:80 -s rr\n-A -t 192.0.2.1:80 -s lc\n", {});
  EXPECT_THAT(made.config.virtual_services(), SizeIs(1));
  EXPECT_EQ(made.config.virtual_services(0).schedule(), proto::RR);
  EXPECT_THAT(LostText(made), HasSubstr("2: tcp 192.0.2.1:80: is there twice"));
}

TEST(IpvsadmTest, TheInterfaceIsAsked) {
  EXPECT_EQ(ConvertIpvsadm("-A -t 192.0.2.1:80", {.interface = "lan0"})
                .config.interfaces(0)
                .name(),
            "lan0");
  EXPECT_THAT(ConvertIpvsadm("-A -t 192.0.2.1:80", {}).advice,
              ::testing::Contains(HasSubstr("eth0 is assumed")));
}

// -- keepalived ---------------------------------------------------------------

Conversion Keepalived(const std::string& service, const std::string& server) {
  return ConvertKeepalived(
      absl::StrCat("virtual_server 192.0.2.10 80 {\nprotocol TCP\n", service,
                   "\nreal_server 10.0.0.1 80 {\n", server, "\n}\n}\n"),
      {});
}

proto::HealthCheck KeepalivedCheck(const std::string& text) {
  const Conversion made = Keepalived("", text);
  EXPECT_THAT(made.config.virtual_services(), SizeIs(1)) << LostText(made);
  return made.config.virtual_services(0).health_check();
}

TEST(KeepalivedTest, Checks) {
  EXPECT_EQ(KeepalivedCheck("").type(), proto::NONE);
  EXPECT_EQ(KeepalivedCheck("TCP_CHECK { }").type(), proto::CONNECT);
  EXPECT_EQ(KeepalivedCheck("SMTP_CHECK { }").type(), proto::SMTP);
  EXPECT_EQ(KeepalivedCheck("DNS_CHECK { }").type(), proto::DNS);
  EXPECT_EQ(KeepalivedCheck("PING_CHECK { }").type(), proto::ICMP);
  EXPECT_EQ(KeepalivedCheck("MISC_CHECK {\nmisc_path /bin/true\n}").type(),
            proto::CONNECT);
  const auto check = KeepalivedCheck(
      "SSL_GET {\n connect_port 8443\n connect_timeout 7\n retry 2\n"
      " http_protocol 1.1\n virtualhost www.example.com\n"
      " url {\n path \"/a!b\"\n status_code 200-299 301 404-406\n }\n}");
  EXPECT_EQ(check.type(), proto::HTTPS);
  EXPECT_EQ(check.port(), 8443u);
  EXPECT_EQ(check.timeout_s(), 7u);
  EXPECT_EQ(check.retry_count(), 3u);  // Two more after the first.
  EXPECT_EQ(check.method(), proto::HealthCheck::GET);
  EXPECT_EQ(check.url(), "/a!b");
  EXPECT_EQ(check.host(), "www.example.com");
  EXPECT_THAT(check.codes(), ::testing::ElementsAre(301, 404, 405, 406));
}

TEST(KeepalivedTest, AQuorumIsOfWeightHereOfServers) {
  const std::string servers =
      "real_server 10.0.0.2 80 {\n weight 4\n}\n"
      "real_server 10.0.0.3 80 {\n weight 4\n}";
  EXPECT_EQ(Keepalived(absl::StrCat("quorum 9\n", servers), "weight 4")
                .config.virtual_services(0)
                .servers_min(),
            3u);
  EXPECT_EQ(Keepalived(absl::StrCat("quorum 8\n", servers), "weight 4")
                .config.virtual_services(0)
                .servers_min(),
            2u);
  EXPECT_THAT(LostText(Keepalived(absl::StrCat("quorum 8\n", servers), "")),
              HasSubstr("quorum 8: servers_min is a number of servers"));
}

TEST(KeepalivedTest, GroupsAndRanges) {
  const Conversion made = ConvertKeepalived(
      "virtual_server group A {\n protocol TCP\n real_server 10.0.0.1 80 {\n "
      "}\n}\n"
      "virtual_server group B {\n protocol TCP\n real_server 2001:db8::1 80 "
      "{\n }\n}\n"
      "virtual_server_group A {\n 192.0.2.3-5 80\n fwmark 2\n}\n"
      "virtual_server_group B {\n 2001:db8::9-b 80\n}\n",
      {});
  ASSERT_THAT(made.config.virtual_services(), SizeIs(6));
  EXPECT_EQ(made.config.virtual_services(2).address(), "192.0.2.5");
  EXPECT_EQ(made.config.virtual_services(4).address(), "2001:db8::a");
  EXPECT_EQ(LostText(made),
            "13: fwmark 2: packets have no mark here, name address and port\n");
}

// What keepalived 2.2.7 says: "no protocol set - defaulting to UDP".
TEST(KeepalivedTest, WithoutAProtocolItIsUdpAndSaid) {
  const Conversion made = ConvertKeepalived(
      "virtual_server 192.0.2.1 53 {\n real_server 10.0.0.1 53 {\n }\n}\n", {});
  EXPECT_EQ(made.config.virtual_services(0).protocol(), proto::UDP);
  EXPECT_THAT(LostText(made), HasSubstr("1: virtual_server 192.0.2.1 53: "));
}

TEST(KeepalivedTest, BracesThatDoNotMatchAreReported) {
  EXPECT_THAT(LostText(ConvertKeepalived("virtual_server 192.0.2.1 80 {", {})),
              HasSubstr("1: virtual_server 192.0.2.1 80: its block does not"));
  EXPECT_THAT(LostText(ConvertKeepalived("}\n{\n}", {})),
              ::testing::AllOf(HasSubstr("1: }: "), HasSubstr("2: {: ")));
}

// -- HAProxy ------------------------------------------------------------------

Conversion Haproxy(const std::string& lines) {
  return ConvertHaproxy(
      absl::StrCat("listen web\n mode http\n bind 192.0.2.10:80\n", lines), {});
}

proto::VirtualService HaproxyService(const std::string& lines) {
  const Conversion made = Haproxy(lines);
  EXPECT_THAT(made.config.virtual_services(), SizeIs(1)) << LostText(made);
  return made.config.virtual_services(0);
}

TEST(HaproxyTest, WhatIsServedWithoutFurtherWords) {
  const Conversion made = Haproxy(" server a 10.0.0.1:80\n");
  EXPECT_THAT(made.lost, IsEmpty()) << LostText(made);
  const auto& service = made.config.virtual_services(0);
  EXPECT_EQ(service.name(), "web");
  EXPECT_TRUE(service.l7().host_address());
  EXPECT_EQ(service.schedule(), proto::WRR);
  EXPECT_EQ(service.health_check().type(), proto::NONE);  // No "check".
  EXPECT_EQ(service.real_servers(0).weight(), 1u);
}

TEST(HaproxyTest, ModeIsTcpUnlessSaid) {
  const Conversion made = ConvertHaproxy(
      "listen a\n bind 192.0.2.1:80\n server a 10.0.0.1:80\n", {});
  EXPECT_EQ(made.config.virtual_services(0).l7().type(), proto::L7::GENERIC);
}

TEST(HaproxyTest, ChecksAreThoseOfTheManual) {
  // "httpchk ... OPTIONS", 2xx and 3xx are good.
  auto check = HaproxyService(" option httpchk\n server a 10.0.0.1:80 check\n")
                   .health_check();
  EXPECT_EQ(check.type(), proto::HTTP);
  EXPECT_EQ(check.method(), proto::HealthCheck::OPTIONS);
  EXPECT_EQ(check.url(), "/");
  EXPECT_THAT(check.codes(), ::testing::Contains(302));
  EXPECT_EQ(check.retry_count(), 3u);  // "fall ... defaults to 3".
  check = HaproxyService(
              " option httpchk GET /up HTTP/1.1\n"
              " http-check send hdr Host h hdr X-A b\n"
              " http-check expect rstring o.k\n"
              " server a 10.0.0.1:80 check inter 15s fall 2 port 81\n")
              .health_check();
  EXPECT_EQ(check.method(), proto::HealthCheck::GET);
  EXPECT_EQ(check.url(), "/up");
  EXPECT_EQ(check.host(), "h");
  EXPECT_THAT(check.headers(), ::testing::ElementsAre("X-A: b"));
  EXPECT_EQ(check.pattern(), "o.k");
  EXPECT_EQ(check.interval_s(), 15u);
  EXPECT_EQ(check.retry_count(), 2u);
  EXPECT_EQ(check.port(), 81u);
  EXPECT_EQ(
      HaproxyService(" server a 10.0.0.1:80 check\n").health_check().type(),
      proto::CONNECT);
}

TEST(HaproxyTest, Persistence) {
  const auto mode = [](const std::string& lines) {
    return HaproxyService(absl::StrCat(lines, " server a 10.0.0.1:80\n"))
        .persistence();
  };
  const std::string cookie = " cookie SRV insert indirect nocache\n";
  const std::string stick =
      " stick-table type ip size 1k expire 1h\n"
      " stick on src\n";
  EXPECT_EQ(mode(cookie).mode(), Persistence::ACTIVE_COOKIE);
  EXPECT_EQ(mode(cookie).name(), "SRV");
  EXPECT_EQ(mode(stick).mode(), Persistence::SOURCE_IP);
  EXPECT_EQ(mode(stick).timeout_s(), 3600u);
  EXPECT_EQ(mode(cookie + stick).mode(),
            Persistence::ACTIVE_COOKIE_OR_SOURCE_IP);
  EXPECT_EQ(mode(" balance source\n").mode(), Persistence::SOURCE_IP);
}

TEST(HaproxyTest, TlsBothWays) {
  const Conversion made = Haproxy(
      " bind 192.0.2.10:443 ssl crt /a.pem crt /b.pem verify required ca-file "
      "/ca.pem ssl-min-ver TLSv1.3 alpn h2,http/1.1\n"
      " server a 10.0.0.1:443 ssl ca-file /c.pem sni str(app)\n"
      " server b 10.0.0.2:80\n");
  ASSERT_THAT(made.config.virtual_services(), SizeIs(2)) << LostText(made);
  EXPECT_FALSE(made.config.virtual_services(0).l7().has_tls());
  const proto::L7& l7 = made.config.virtual_services(1).l7();
  ASSERT_THAT(l7.tls().certificates(), SizeIs(2));
  EXPECT_EQ(l7.tls().certificates(1).key_file(), "/b.pem");
  EXPECT_EQ(l7.tls().client_certificates(), proto::Tls::REQUIRED);
  EXPECT_EQ(l7.tls().client_ca_file(), "/ca.pem");
  EXPECT_TRUE(l7.tls().only_tls13());
  EXPECT_EQ(l7.reencrypt().server_name(), "app");
  EXPECT_EQ(l7.reencrypt().ca_file(), "/c.pem");
  EXPECT_EQ(made.config.virtual_services(0).real_servers_size(), 1);
  EXPECT_THAT(LostText(made),
              ::testing::AllOf(HasSubstr("4: alpn h2: "),
                               HasSubstr("6: server b: TLS to the servers")));
}

TEST(HaproxyTest, RulesBecomeSubServices) {
  const Conversion made = ConvertHaproxy(
      "frontend f\n mode http\n bind 192.0.2.1:80\n"
      " acl h hdr(host) -i a.example:80 b.example\n acl p path_beg /x/\n"
      " use_backend one if h p\n"
      " use_backend two if METH_POST or { hdr(X-Key) k }\n"
      " use_backend three unless h\n use_backend three if !h\n"
      " default_backend two\n"
      "backend one\n mode http\n server a 10.0.0.1:80\n"
      "backend two\n mode http\n server b 10.0.0.2:80\n"
      "backend three\n mode http\n server c 10.0.0.3:80\n",
      {});
  ASSERT_THAT(made.config.virtual_services(), SizeIs(1)) << LostText(made);
  const auto& subs = made.config.virtual_services(0).l7().sub_services();
  ASSERT_THAT(subs, SizeIs(3));
  ASSERT_THAT(subs[0].matches(), SizeIs(2));
  EXPECT_EQ(subs[0].matches(0).host(), "a.example");
  EXPECT_EQ(subs[0].matches(1).host(), "b.example");
  EXPECT_EQ(subs[0].matches(1).path_prefix(), "/x/");
  EXPECT_EQ(subs[1].matches(0).method(), "POST");
  EXPECT_EQ(subs[1].matches(1).header_value(), "k");
  EXPECT_EQ(subs[2].name(), "two-2");
  EXPECT_THAT(subs[2].matches(), IsEmpty());
  EXPECT_THAT(LostText(made),
              ::testing::AllOf(
                  HasSubstr("8: use_backend three unless h: must be \"if\""),
                  HasSubstr("9: use_backend three if !h: nothing goes by"),
                  HasSubstr("17: backend three: to line 19: nothing that")));
}

TEST(HaproxyTest, ListenersWithoutAnAddressAreAskedFor) {
  const std::string text =
      "listen a\n bind :80\n bind [::]:80\n bind *:81-83\n"
      " server a 10.0.0.1:80\n";
  EXPECT_THAT(ConvertHaproxy(text, {}).config.virtual_services(), IsEmpty());
  const Conversion made = ConvertHaproxy(text, {.address = "192.0.2.7"});
  ASSERT_THAT(made.config.virtual_services(), SizeIs(2)) << LostText(made);
  EXPECT_EQ(made.config.virtual_services(0).address(), "192.0.2.7");
  EXPECT_EQ(made.config.virtual_services(1).extra_ports(), "82-83");
  EXPECT_EQ(made.config.virtual_services(1).name(), "a-2");
}

TEST(HaproxyTest, QuotesAndEscapes) {
  const Conversion made = ConvertHaproxy(
      "listen \"a\"\n mode 'http' # a comment\n bind 192.0.2.1:80\n"
      " option httpchk GET \"/a\"b\n"
      " http-check expect string it\\ is\" up\"\n server a 10.0.0.1:80 check\n",
      {});
  ASSERT_THAT(made.config.virtual_services(), SizeIs(1)) << LostText(made);
  const auto& check = made.config.virtual_services(0).health_check();
  EXPECT_EQ(check.url(), "/ab");
  EXPECT_EQ(check.pattern(), "it\\ is\\ up");
}

TEST(ConversionTest, BytesBeyondAsciiAreReported) {
  const Conversion made = ConvertIpvsadm(
      "# caf\xc3\xa9\n-A -t 192.0.2.1:80 -s rr\n-A -t caf\xc3\xa9:80\n", {});
  EXPECT_THAT(LostText(made),
              HasSubstr("3: -A -t caf??:80: bytes beyond ASCII"));
  EXPECT_EQ(made.lost[0].line, 3);
}

TEST(ConversionTest, TooMuchTextIsNoLines) {
  const Conversion made =
      ConvertHaproxy(std::string(kSourceBytesMax + 1, 'x'), {});
  ASSERT_THAT(made.lost, SizeIs(1));
  EXPECT_EQ(made.lost[0].line, 0);
}

}  // namespace
}  // namespace ballast::ctl
