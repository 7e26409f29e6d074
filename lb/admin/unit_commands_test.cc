// Commands about the unit itself, and what comes before any command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/admin/option.h"
#include "lb/admin/rig.h"
#include "lb/admin/unit_parameters.h"

namespace ballast::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// -- L4 sync (2.2, 2.4) -----------------------------------------------------

TEST(L4SyncTest, DefaultsAreReadableWithoutAPair) {
  Rig rig;
  EXPECT_EQ(rig.Value("get?param=L4SyncThreshold", "L4SyncThreshold"), "3");
  EXPECT_EQ(rig.Value("get?param=L4SyncPeriod", "L4SyncPeriod"), "50");
  EXPECT_EQ(rig.Value("get?param=L4SyncRefreshPeriod", "L4SyncRefreshPeriod"),
            "0");
}

TEST(L4SyncTest, WhatIsSetIsKeptAndRead) {
  Rig rig;
  EXPECT_EQ(rig.Outcome("set?param=L4SyncThreshold&value=49"), "200");
  EXPECT_EQ(rig.Outcome("set?param=l4syncrefreshperiod&value=10"), "200");
  EXPECT_EQ(rig.Value("get?param=L4SyncThreshold", "L4SyncThreshold"), "49");
  EXPECT_EQ(rig.backend.configuration().ha().l4_sync_threshold(), 49u);
  EXPECT_EQ(rig.backend.configuration().ha().l4_sync_refresh_period_s(), 10u);
  // 0 is a value of its own, not the default.
  EXPECT_EQ(rig.Outcome("set?param=L4SyncThreshold&value=0"), "200");
  EXPECT_EQ(rig.Value("get?param=L4SyncThreshold", "L4SyncThreshold"), "0");
}

// Threshold 0 to period - 1; period 0, or threshold + 1 to 255; refresh 0 to
// 10 (X1, X3).
TEST(L4SyncTest, RangesHold) {
  Rig rig;
  const auto refused = [&](const char* call) {
    return absl::StartsWith(rig.Outcome(call), "422 ");
  };
  EXPECT_TRUE(refused("set?param=L4SyncThreshold&value=50"));
  EXPECT_TRUE(refused("set?param=L4SyncThreshold&value=-1"));
  EXPECT_TRUE(refused("set?param=L4SyncThreshold&value=x"));
  EXPECT_TRUE(refused("set?param=L4SyncThreshold&value="));
  EXPECT_TRUE(refused("set?param=L4SyncPeriod&value=256"));
  EXPECT_TRUE(refused("set?param=L4SyncRefreshPeriod&value=11"));
  // "New value <= current threshold: reject; the caller must lower the
  // threshold first."
  EXPECT_TRUE(refused("set?param=L4SyncPeriod&value=3"));
  EXPECT_EQ(rig.Value("get?param=L4SyncPeriod", "L4SyncPeriod"), "50");
  EXPECT_EQ(rig.Outcome("set?param=L4SyncThreshold&value=2"), "200");
  EXPECT_EQ(rig.Outcome("set?param=L4SyncPeriod&value=3"), "200");
  // With period 0 the threshold may be 254.
  EXPECT_EQ(rig.Outcome("set?param=L4SyncPeriod&value=0"), "200");
  EXPECT_EQ(rig.Outcome("set?param=L4SyncThreshold&value=254"), "200");
  EXPECT_TRUE(refused("set?param=L4SyncThreshold&value=255"));
}

// -- get, set ----------------------------------------------------------------

TEST(UnitCommandsTest, GetEchoesTheSpelling) {
  Rig rig;
  EXPECT_EQ(rig.Get("get?param=l4SYNCperiod").body,
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n"
            "<Response stat=\"200\" code=\"ok\">\n"
            "<Success><Data>\n"
            "<l4SYNCperiod>50</l4SYNCperiod>\n"
            "</Data>\n"
            "</Success>\n"
            "</Response>\n");
}

TEST(UnitCommandsTest, SetSaysThatItIsDone) {
  Rig rig;
  const Reply reply = rig.Get("set?param=conntimeout&value=300");
  EXPECT_EQ(reply.content_type, "text/xml");
  EXPECT_EQ(reply.body,
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n"
            "<Response stat=\"200\" code=\"ok\">\n"
            "<Success>Command completed ok</Success>\n"
            "</Response>\n");
  const auto history = rig.backend.History();
  ASSERT_EQ(history.size(), 1u);
  EXPECT_EQ(history[0].what, "set param=conntimeout value=300");
  EXPECT_EQ(history[0].author.user, "bal");
  EXPECT_EQ(history[0].author.from, "192.0.2.7");
}

// 7.5's names and defaults.
TEST(UnitCommandsTest, Defaults) {
  Rig rig;
  const Reply all = rig.Get("getall");
  const std::pair<const char*, const char*> kDefaults[] = {
      {"hamode", "0"},          {"hastatus", "HA not configured"},
      {"hatimeout", "3"},       {"hawait", "0"},
      {"haprefered", "0"},      {"haif", "0"},
      {"macglobal", "no"},      {"hastyle", "1"},
      {"hainitial", "no"},      {"hal4update", "no"},
      {"hal7update", "no"},     {"mcast", "0"},
      {"vmac", "no"},           {"halinkfailreboot", "no"},
      {"conntimeout", "660"},   {"transparent", "no"},
      {"localbind", "no"},      {"subnetoriginating", "no"},
      {"nonlocalrs", "yes"},    {"rsarelocal", "no"},
      {"snat", "yes"},          {"alwayspersist", "0"},
      {"addcookieport", "no"},  {"ShareSubVSPersist", "no"},
      {"finalpersist", "300"},  {"dropatdrainend", "no"},
      {"droponfail", "no"},     {"slowstart", "0"},
      {"L4SyncThreshold", "3"}, {"L4SyncPeriod", "50"},
      {"enableapi", "yes"},     {"L4SyncRefreshPeriod", "0"}};
  for (const auto& [name, value] : kDefaults) {
    EXPECT_EQ(Rig::Element(all, name), value) << name;
  }
  // At least three dotted numbers, which clients take.
  int part[3];
  EXPECT_EQ(std::sscanf(Rig::Element(all, "version").c_str(), "%d.%d.%d",
                        &part[0], &part[1], &part[2]),
            3);
}

// Whatever can be set can be set to what it is, and to nothing changes.
TEST(UnitCommandsTest, EveryParameterTakesItsOwnValue) {
  Rig rig;
  for (const UnitParameter& parameter : UnitParameters()) {
    const std::string name(parameter.option.name);
    const std::string value = rig.Value("get?param=" + name, name);
    const std::string outcome =
        rig.Outcome("set?param=" + name + "&value=" + value);
    if (parameter.read_only || name == "havhid") {
      EXPECT_THAT(outcome, StartsWith("422 ")) << name;
    } else {
      EXPECT_EQ(outcome, "200") << name << " " << value;
    }
  }
  EXPECT_EQ(rig.backend.generation(), 1u);
}

TEST(UnitCommandsTest, HatimeoutIsInStepsOfThreeSeconds) {
  Rig rig;
  EXPECT_EQ(rig.Outcome("set?param=hatimeout&value=5"), "200");
  EXPECT_EQ(rig.backend.configuration().ha().timeout_s(), 15u);
  EXPECT_EQ(rig.Value("get?param=hatimeout", "hatimeout"), "5");
  EXPECT_THAT(rig.Outcome("set?param=hatimeout&value=6"), StartsWith("422 "));
}

TEST(UnitCommandsTest, OlderNames) {
  Rig rig;
  EXPECT_EQ(rig.Outcome("set?param=tcpfailover&value=1"), "200");
  EXPECT_EQ(rig.Value("get?param=hal4update", "hal4update"), "yes");
  EXPECT_EQ(rig.Outcome("set?param=cookieupdate&value=yes"), "200");
  EXPECT_TRUE(rig.backend.configuration().ha().l7_updates());
  EXPECT_EQ(rig.Outcome("set?param=subnetorigin&value=Y"), "200");
  EXPECT_TRUE(rig.backend.configuration().l7().subnet_originating());
}

TEST(UnitCommandsTest, OddOnes) {
  Rig rig;
  // 2.2: the two exclude each other; the second is refused.
  EXPECT_EQ(rig.Outcome("set?param=haprefered&value=1"), "200");
  EXPECT_THAT(rig.Outcome("set?param=halinkfailreboot&value=1"),
              StartsWith("422 "));
  EXPECT_THAT(rig.Outcome("set?param=hastyle&value=0"), StartsWith("422 "));
  EXPECT_THAT(rig.Outcome("set?param=hamode&value=3"), StartsWith("422 "));
  // 4.1: 0 resets it.
  EXPECT_EQ(rig.Outcome("set?param=conntimeout&value=0"), "200");
  EXPECT_EQ(rig.Value("get?param=conntimeout", "conntimeout"), "660");
  // 5.2: 0, 60 to 86400.
  EXPECT_EQ(rig.Outcome("set?param=finalpersist&value=0"), "200");
  EXPECT_EQ(rig.Value("get?param=finalpersist", "finalpersist"), "0");
  EXPECT_THAT(rig.Outcome("set?param=finalpersist&value=59"),
              StartsWith("422 "));
  // 4.6: no and yes are 0 and 1.
  EXPECT_EQ(rig.Outcome("set?param=alwayspersist&value=yes"), "200");
  EXPECT_EQ(rig.Value("get?param=alwayspersist", "alwayspersist"), "1");
  EXPECT_THAT(rig.Outcome("set?param=snat&value=no"), StartsWith("422 "));
}

TEST(UnitCommandsTest, ErrorTexts) {
  Rig rig;
  EXPECT_EQ(rig.Outcome("get"), "400 param: String Value missing");
  EXPECT_EQ(rig.Outcome("get?param=nonsense"),
            "422 Unknown parameter value nonsense");
  EXPECT_EQ(rig.Outcome("set?param=hawait"), "400 value: String Value missing");
  EXPECT_EQ(rig.Outcome("nonsense"), "405 Unknown command");
  EXPECT_EQ(rig.Get("nonsense").body,
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n"
            "<Response stat=\"405\" code=\"fail\">\n"
            "<Error>Unknown command</Error>\n"
            "</Response>\n");
}

TEST(UnitCommandsTest, RefusalsOfTheUnitAreTold) {
  Rig rig;
  rig.backend.refusal = absl::FailedPreconditionError("this unit stands by");
  EXPECT_EQ(rig.Outcome("set?param=hawait&value=9"), "422 this unit stands by");
}

TEST(UnitCommandsTest, Pair) {
  Rig rig(R"pb(
    ha {
      mode: FIRST
      links {
        interface: "eth0"
        own_address: "192.0.2.2/24"
        partner_address: "192.0.2.3"
      }
      links {
        interface: "eth1"
        own_address: "198.51.100.2/24"
        partner_address: "198.51.100.3"
      }
      shared_address: "192.0.2.9"
      keys: "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"
    })pb");
  rig.backend.statistics.pair.configured = true;
  rig.backend.statistics.pair.role = "standby";
  EXPECT_EQ(rig.Value("get?param=hastatus", "hastatus"), "Standby");
  EXPECT_EQ(rig.Value("get?param=activetime", "activetime"), "0");
  EXPECT_EQ(rig.Value("get?param=havhid", "havhid"), "9");
  // Since it became active, not since the process began.
  rig.backend.statistics.pair.role = "active";
  rig.backend.statistics.pair.last_role_changes = {
      {900, "standby", "active", "", false},
      {500, "active", "standby", "", false},
      {30, "standby", "active", "", false}};
  EXPECT_EQ(rig.Value("get?param=activetime", "activetime"), "1699999970");
  EXPECT_EQ(rig.Value("get?param=boottime", "boottime"), "1600000000");
  EXPECT_EQ(rig.Outcome("set?param=haif&value=1"), "200");
  EXPECT_EQ(rig.backend.configuration().ha().update_interface(), "eth1");
  EXPECT_EQ(rig.Value("get?param=haif", "haif"), "1");
  EXPECT_THAT(rig.Outcome("set?param=haif&value=2"), StartsWith("422 "));

  EXPECT_EQ(rig.Outcome("modiface?interface=1&partner=198.51.100.4&hacheck=1"),
            "200");
  const Reply shown = rig.Get("showiface?interface=1");
  EXPECT_EQ(Rig::Element(shown, "PartnerIPAddress"), "198.51.100.4");
  EXPECT_EQ(Rig::Element(shown, "SharedIPAddress"), "192.0.2.9");
  EXPECT_EQ(Rig::Element(shown, "HaCheck"), "yes");
  EXPECT_EQ(rig.Outcome("modiface?interface=1&hacheck=0"), "200");
  // 2.1: the last one stays.
  EXPECT_THAT(rig.Outcome("modiface?interface=0&hacheck=0"),
              StartsWith("422 "));
  EXPECT_EQ(rig.Outcome("showiface?interface=7"), "422 Unknown interface");
}

TEST(UnitCommandsTest, Health) {
  Rig rig;
  const Reply shown = rig.Get("showhealth");
  EXPECT_THAT(shown.body, HasSubstr("<Data>\n"
                                    "<RetryInterval>9</RetryInterval>\n"
                                    "<Timeout>4</Timeout>\n"
                                    "<RetryCount>2</RetryCount>\n"
                                    "</Data>"));
  // It grows with the others (5.3).
  const Reply grown = rig.Get("modhealth?Timeout=10&RetryCount=3");
  EXPECT_EQ(Rig::Element(grown, "RetryInterval"), "31");
  EXPECT_THAT(rig.Outcome("modhealth?RetryInterval=30"), StartsWith("422 "));
  EXPECT_EQ(rig.Outcome("modhealth?RetryInterval=120"), "200");
  EXPECT_THAT(rig.Outcome("modhealth?RetryInterval=121"), StartsWith("422 "));
  EXPECT_THAT(rig.Outcome("modhealth?Timeout=3"), StartsWith("422 "));
}

// 4.10.
TEST(UnitCommandsTest, Adaptive) {
  Rig rig;
  const Reply shown = rig.Get("showadaptive");
  EXPECT_THAT(shown.body, HasSubstr("<Success><Data>\n"
                                    "<AdaptiveURL>/load</AdaptiveURL>\n"
                                    "<AdaptivePort>80</AdaptivePort>\n"
                                    "<AdaptiveInterval>10</AdaptiveInterval>\n"
                                    "<MinPercent>5</MinPercent>\n"
                                    "</Data>"));
  // An echo of it changes nothing.
  EXPECT_EQ(rig.Outcome("modadaptive?adaptiveurl=/load&adaptiveport=80&"
                        "adaptiveinterval=10&minpercent=5"),
            "200");
  EXPECT_EQ(rig.backend.generation(), 1u);
  const Reply changed = rig.Get(
      "modadaptive?AdaptiveURL=/Load&AdaptivePort=8080&AdaptiveInterval=60&"
      "MinPercent=0");
  EXPECT_EQ(Rig::Element(changed, "AdaptiveURL"), "/Load") << changed.body;
  const auto& adaptive = rig.backend.configuration().adaptive();
  EXPECT_EQ(adaptive.url(), "/Load");
  EXPECT_EQ(adaptive.port(), 8080u);
  EXPECT_EQ(adaptive.interval_s(), 60u);
  EXPECT_TRUE(adaptive.has_idle_percent());
  EXPECT_EQ(adaptive.idle_percent(), 0u);
  EXPECT_EQ(rig.Value("showadaptive", "MinPercent"), "0");
  for (const char* wrong :
       {"AdaptivePort=2", "AdaptivePort=65531", "AdaptiveInterval=0",
        "AdaptiveInterval=61", "MinPercent=101", "AdaptiveURL=load"}) {
    EXPECT_THAT(rig.Outcome(absl::StrCat("modadaptive?", wrong)),
                StartsWith("422 "))
        << wrong;
  }
  // Not below the interval of checks, once somebody is asked (X12).
  EXPECT_EQ(rig.Outcome("modadaptive?AdaptiveInterval=8"), "200");
  EXPECT_THAT(
      rig.Outcome("addvs?vs=192.0.2.1&port=80&prot=tcp&Schedule=adaptive"),
      StartsWith("422 "));
  rig.user = "op";
  EXPECT_EQ(rig.Outcome("modadaptive?MinPercent=1"), "403 Permission denied");
}

TEST(UnitCommandsTest, Reboot) {
  Rig rig;
  EXPECT_EQ(rig.Outcome("reboot"), "200");
  EXPECT_EQ(rig.backend.reboots, 1);
}

// -- Who may what -------------------------------------------------------------

TEST(SiteTest, WithoutCredentialsNothing) {
  Rig rig;
  rig.user = "";
  const Reply reply = rig.Get("getall");
  EXPECT_EQ(reply.status, 401);
  ASSERT_EQ(reply.fields.size(), 1u);
  EXPECT_EQ(reply.fields[0].first, "WWW-Authenticate");
  rig.user = "bal";
  rig.password = "wrong";
  EXPECT_EQ(rig.Get("getall").status, 401);
  EXPECT_EQ(rig.Post(R"({"cmd": "getall"})").status, 401);
}

TEST(SiteTest, PasswordIsVerifiedOnce) {
  Rig rig;
  rig.Get("getall");
  rig.Get("getall");
  EXPECT_EQ(rig.verified, 1);
}

TEST(SiteTest, SwitchedOffEverythingIsNotFoundButTheSwitch) {
  Rig rig("", "");
  EXPECT_EQ(rig.Get("getall").status, 404);
  EXPECT_EQ(rig.Post(R"({"cmd": "getall"})").status, 404);
  EXPECT_EQ(rig.Get("set?param=hawait&value=1").status, 404);
  rig.user = "";
  EXPECT_EQ(rig.Get("set?param=enableapi&value=yes").status, 401);
  rig.user = "bal";
  EXPECT_THAT(rig.Outcome("set?param=enableapi&value=1"), StartsWith("422 "));
  EXPECT_EQ(rig.Outcome("set?param=enableapi&value=yes"), "200");
  EXPECT_EQ(rig.Get("getall").status, 200);
}

TEST(SiteTest, Roles) {
  Rig rig(R"pb(virtual_services {
                 address: "192.0.2.1"
                 port: 80
                 real_servers { address: "192.0.2.21" }
               })pb");
  rig.user = "eye";
  EXPECT_EQ(rig.Outcome("listvs"), "200");
  EXPECT_EQ(rig.Outcome("disablers?rs=192.0.2.21"), "403 Permission denied");
  rig.user = "op";
  EXPECT_EQ(rig.Outcome("disablers?rs=192.0.2.21"), "200");
  EXPECT_EQ(rig.Outcome("modrs?vs=1&rs=!1&weight=7"), "200");
  EXPECT_EQ(rig.Outcome("delvs?vs=1"), "403 Permission denied");
  EXPECT_EQ(rig.Outcome("set?param=hawait&value=1"), "403 Permission denied");
  EXPECT_EQ(rig.Outcome("addapikey?user=bal"), "403 the keys of another user");
}

TEST(SiteTest, ApiKeys) {
  Rig rig;
  const std::string key = rig.Value("addapikey?user=op", "apikey");
  ASSERT_EQ(key.size(), 64u);
  rig.user = "";
  EXPECT_EQ(rig.Outcome("getall?apikey=" + key), "200");
  EXPECT_EQ(rig.Post(R"({"cmd": "getall", "apikey": ")" + key + R"("})").status,
            200);
  // It is op's.
  EXPECT_EQ(rig.Outcome("delvs?vs=1&apikey=" + key), "403 Permission denied");
  EXPECT_EQ(rig.Value("listapikeys?apikey=" + key, "id"), key.substr(0, 8));
  // It is nowhere kept, nor written down.
  EXPECT_THAT(rig.backend.configuration().DebugString(),
              testing::Not(HasSubstr(key)));
  EXPECT_EQ(rig.Outcome("delapikey?key=" + key + "&apikey=" + key), "200");
  EXPECT_THAT(rig.backend.History()[0].what, testing::Not(HasSubstr(key)));
  EXPECT_EQ(rig.Get("getall?apikey=" + key).status, 401);
}

// 7.1: 16 per user, the oldest dropped.
TEST(SiteTest, OldestApiKeyMakesRoom) {
  Rig rig;
  const std::string first = rig.Value("addapikey", "apikey");
  std::string last;
  for (int i = 1; i < 16; ++i) last = rig.Value("addapikey", "apikey");
  rig.user = "";
  EXPECT_EQ(rig.Get("getall?apikey=" + first).status, 200);
  rig.user = "bal";
  rig.Value("addapikey", "apikey");
  rig.user = "";
  EXPECT_EQ(rig.Get("getall?apikey=" + first).status, 401);
  EXPECT_EQ(rig.Get("getall?apikey=" + last).status, 200);
}

TEST(SiteTest, FloodGuard) {
  Rig rig("", "enable_api: true flood_guard: true");
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(rig.Get("get?param=version").status, 200);
  EXPECT_EQ(rig.Get("get?param=version").status, 429);
  rig.now += absl::Milliseconds(2999);
  EXPECT_EQ(rig.Get("get?param=version").status, 429);
  rig.now += absl::Milliseconds(1);
  EXPECT_EQ(rig.Get("get?param=version").status, 200);
}

// A page of another site could have an administrator's browser call.
TEST(SiteTest, AnotherSitesRequestIsRefused) {
  Rig rig;
  Request request = rig.V1("set?param=hawait&value=1");
  request.fetch_site = "cross-site";
  EXPECT_EQ(rig.Ask(request).status, 403);
  request.fetch_site = "same-site";
  EXPECT_EQ(rig.Ask(request).status, 403);
  request.fetch_site = "same-origin";
  EXPECT_EQ(rig.Ask(request).status, 200);
}

TEST(SiteTest, OtherPathsAreNotFound) {
  Rig rig;
  Request request = rig.V1("getall");
  request.path = "/favicon.ico";
  EXPECT_EQ(rig.Ask(request).status, 404);
  request.path = "/access";
  EXPECT_EQ(rig.Ask(request).status, 404);
}

}  // namespace
}  // namespace ballast::admin
