#include "lb/config/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/config/load.h"

namespace ballast::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Validated Check(const std::string& text) {
  const auto config = ParseConfig(text, Format::kTextproto);
  if (!config.ok()) {
    ADD_FAILURE() << config.status();
    return {};
  }
  return Validate(*config, 1);
}

// A configuration of one service with `inside` in it, beside what is required.
std::string Service(const std::string& inside) {
  return absl::StrCat(
      "interfaces { name: 'eth0' } virtual_services { "
      "address: '192.0.2.1' port: 80 ",
      inside, " }");
}
std::string Server(const std::string& inside) {
  return Service(
      absl::StrCat("real_servers { address: '10.0.0.1' ", inside, " }"));
}
VirtualService OneService(const std::string& inside) {
  const Validated validated = Check(Service(inside));
  EXPECT_EQ(Report({nullptr, validated.errors, {}}), "");
  return validated.model ? validated.model->services[0] : VirtualService{};
}

// Defaults as the vendor documents them: weight 1000, rr, idle 660, checks
// every 9 s with 4 s and 2 tries; TCP states as Linux IPVS.
TEST(ValidateTest, DefaultsAreTheDocumentedOnes) {
  const Validated validated = Check(Server(""));
  EXPECT_EQ(Report(validated), "");
  ASSERT_NE(validated.model, nullptr);
  const Model& model = *validated.model;
  EXPECT_EQ(model.generation, 1u);
  EXPECT_EQ(model.threads, 1);
  EXPECT_EQ(model.connection_timeout, absl::Seconds(660));
  EXPECT_EQ(model.tcp_timeouts.syn_recv, absl::Seconds(60));
  EXPECT_EQ(model.tcp_timeouts.close, absl::Seconds(10));
  EXPECT_EQ(model.hash_key, std::nullopt);
  EXPECT_THAT(model.floating_addresses,
              ElementsAre(FloatingAddress{*Address::Parse("192.0.2.1"), "eth0",
                                          /*service=*/true}));
  const VirtualService& service = model.services[0];
  EXPECT_EQ(service.protocol, Protocol::kTcp);
  EXPECT_TRUE(service.enabled);
  EXPECT_EQ(service.schedule, Schedule::kRoundRobin);
  EXPECT_EQ(service.idle_timeout, absl::Seconds(660));
  EXPECT_FALSE(service.persistence.enabled);
  HealthCheck head;  // What port 80 is checked by.
  head.type = CheckType::kHttp;
  head.url = "/";
  EXPECT_EQ(service.check, head);
  EXPECT_EQ(service.servers_min, 1u);
  ASSERT_EQ(service.servers.size(), 1u);
  EXPECT_EQ(service.servers[0].endpoint.ToString(), "10.0.0.1:80");
  EXPECT_EQ(service.servers[0].weight, 1000u);
  EXPECT_EQ(service.servers[0].forwarding, Forwarding::kNat);
  EXPECT_EQ(service.servers[0].state, AdminState::kEnabled);
  EXPECT_EQ(service.servers[0].drain_time, absl::Seconds(300));
}

TEST(ValidateTest, ReportsEverythingAtOnceWithPathsValuesAndLimits) {
  const Validated validated = Check(R"pb(
    interfaces { name: "eth0" }
    threads: 65
    virtual_services { address: "192.0.2.1" port: 80 }
    virtual_services {
      address: "192.0.2.300"
      port: 2
      real_servers { address: "10.0.0.1" port: 80 weight: 70000 }
      real_servers { address: "10.0.0.2" port: 80 connection_limit: 100001 }
    }
  )pb");
  EXPECT_EQ(validated.model, nullptr);
  EXPECT_THAT(
      validated.errors,
      ::testing::UnorderedElementsAre(
          Problem{"threads", "65, must be 0 or 1 to 64"},
          Problem{"virtual_services[1].address",
                  "\"192.0.2.300\", must be an IPv4 or IPv6 address"},
          Problem{"virtual_services[1].port", "2, must be 0 or 3 to 65530"},
          Problem{"virtual_services[1].real_servers[0].weight",
                  "70000, must be 0 to 65535"},
          Problem{"virtual_services[1].real_servers[1].connection_limit",
                  "100001, must be 0 to 100000"}));
}

struct Refused {
  std::string name;
  std::string text;
  std::string path;
  std::string message;  // A part of it.
};

class RefusedTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedTest, IsTheOnlyErrorAndNamesItsField) {
  const Validated validated = Check(GetParam().text);
  EXPECT_EQ(validated.model, nullptr);
  ASSERT_EQ(validated.errors.size(), 1u) << Report(validated);
  EXPECT_EQ(validated.errors[0].path, GetParam().path);
  EXPECT_THAT(validated.errors[0].message, HasSubstr(GetParam().message));
}

constexpr char kVs[] = "virtual_services[0]";
std::string Vs(const std::string& field) { return absl::StrCat(kVs, field); }

INSTANTIATE_TEST_SUITE_P(
    Ranges, RefusedTest,
    ::testing::Values(
        Refused{"IdleTimeout", Service("idle_timeout_s: 86401"),
                Vs(".idle_timeout_s"), "86401, must be 0 to 86400"},
        Refused{"ServicePort",
                "interfaces { name: 'eth0' } virtual_services { address: "
                "'192.0.2.1' port: 65531 }",
                Vs(".port"), "65531, must be 0 or 3 to 65530"},
        Refused{"DrainTime", Service("") + "drain_time_s: 59", "drain_time_s",
                "59, must be 0 or 60 to 86400"},
        Refused{"SlowStart", Service("") + "slow_start_s: 601", "slow_start_s",
                "601, must be 0 to 600"},
        Refused{"PersistenceBelowAMinute",
                Service("persistence { timeout_s: 59 }"),
                Vs(".persistence.timeout_s"), "must be 0 or 60 to 2419200"},
        Refused{"PersistenceAbove28Days",
                Service("persistence { timeout_s: 2419201 }"),
                Vs(".persistence.timeout_s"), "2419201"},
        Refused{"TcpTimeout",
                Service("") + "tcp_timeouts { fin_wait_s: 86401 }",
                "tcp_timeouts.fin_wait_s", "86401"},
        Refused{"OneRevision", Service("} history { revisions: 1"),
                "history.revisions", "1, must be 0 or 2 to 10000"},
        Refused{"GiantHistory", Service("} history { revisions_mib: 4097"),
                "history.revisions_mib", "4097, must be 0 or 1 to 4096"},
        Refused{"GiantAudit", Service("} history { audit_mib: 1025"),
                "history.audit_mib", "1025, must be 0 or 1 to 1024"},
        Refused{"ManyAudits", Service("} history { audit_files: 101"),
                "history.audit_files", "101, must be 0 to 100"},
        Refused{"Connections", Service("") + "limits { connections: 1 }",
                "limits.connections", "1, must be 0 or 1024 to 100000000"},
        Refused{"HashKeyLength", Service("") + "hash_key: 'ab'", "hash_key",
                "2 characters, must be 32 hex digits"},
        Refused{"HashKeyDigits",
                Service("") + "hash_key: 'g0000000000000000000000000000000'",
                "hash_key", "must be 32 hex digits"},
        Refused{"UnnamedEnumValue", Service("schedule: 77"), Vs(".schedule"),
                "77"},
        Refused{"RelativeStateDir", Service("") + "state_dir: 'var'",
                "state_dir", "\"var\", must be an absolute path"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Health, RefusedTest,
    ::testing::Values(
        Refused{"Timeout", Service("") + "health { timeout_s: 3 }",
                "health.timeout_s", "3, must be 0 or 4 to 60"},
        Refused{"RetryCount", Service("") + "health { retry_count: 16 }",
                "health.retry_count", "16, must be 0 or 2 to 15"},
        // Retry x Timeout + 1: 3 x 10 + 1.
        Refused{"IntervalBelowItsMinimum",
                Service("") +
                    "health { timeout_s: 10 retry_count: 3 interval_s: 30 }",
                "health.interval_s", "30, must be 0 or 31 to 901"},
        Refused{"IntervalAbove901", Service("") + "health { interval_s: 902 }",
                "health.interval_s", "902"},
        Refused{"OwnInterval", Service("health_check { interval_s: 121 }"),
                Vs(".health_check.interval_s"), "121, must be 0 or 9 to 120"},
        Refused{"OwnIntervalAgainstGlobalTimeout",
                Service("health_check { interval_s: 20 }") +
                    "health { timeout_s: 10 }",
                Vs(".health_check.interval_s"), "20, must be at least 21"},
        Refused{"NoPortToConnectTo",
                "interfaces { name: 'eth0' } virtual_services { address: "
                "'192.0.2.1' health_check { type: CONNECT } real_servers { "
                "address: '10.0.0.1' } }",
                Vs(".health_check.port"), "real_servers[0]"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Fitting, RefusedTest,
    ::testing::Values(
        Refused{"NoInterface", "", "interfaces", "0 of them, must be 1 to 16"},
        Refused{"FamiliesMixed",
                Service("real_servers { address: '2001:db8::1' }"),
                Vs(".real_servers[0].address"), "must be IPv4"},
        Refused{"SorryOfOtherFamily",
                Service("sorry_server { address: '2001:db8::1' }"),
                Vs(".sorry_server.address"), "must be IPv4"},
        Refused{"ServerTwice",
                Service("real_servers { address: '10.0.0.1' } "
                        "real_servers { address: '10.0.0.1' port: 80 }"),
                Vs(".real_servers[1]"),
                "10.0.0.1:80, is already virtual_services[0].real_servers[0]"},
        Refused{"RouteWithAnotherPort", Server("forward: ROUTE port: 8080"),
                Vs(".real_servers[0].port"), "must be 0 or the service's port"},
        Refused{"SorryRouteWithAnotherPort",
                Service("sorry_server { address: '10.0.0.9' port: 81 forward: "
                        "ROUTE }"),
                Vs(".sorry_server.port"), "81"},
        Refused{"ServerIsTheVip",
                Service("real_servers { address: "
                        "'192.0.2.1' port: 81 }"),
                Vs(".real_servers[0].address"), "floating address"},
        Refused{"ServerIsAMulticastAddress",
                Service("real_servers { address: '224.0.0.1' }"),
                Vs(".real_servers[0].address"), "a multicast address"},
        Refused{"ServersMin",
                Server("") +
                    " virtual_services { address: '192.0.2.2' port: 80 "
                    "servers_min: 1 }",
                "virtual_services[1].servers_min", "1, must be at most 0"},
        Refused{"ServiceName", Service("name: '-web'"), Vs(".name"),
                "\"-web\""},
        Refused{"InterfaceTwice",
                Service("") + "interfaces { name: 'eth0' } "
                              "floating_addresses { address: '10.0.0.254' }",
                "interfaces[1].name", "interfaces[0]"},
        Refused{"LinkName", "interfaces { name: 'a/b' }", "interfaces[0].name",
                "\"a/b\""},
        Refused{"MulticastMac",
                "interfaces { name: 'eth0' mac: '01:00:5e:00:00:01' }",
                "interfaces[0].mac", "unicast"},
        Refused{"MacAndCardMac",
                "interfaces { name: 'e' mac: '02:00:00:00:00:01' card_mac: "
                "true }",
                "interfaces[0].card_mac", "must be false"},
        Refused{"UnknownInterface",
                Service("") + "floating_addresses { address: '10.0.0.254' "
                              "interface: 'eth7' }",
                "floating_addresses[0].interface", "\"eth7\""},
        Refused{"LinkLocalOfWhichLink",
                Service("") + "interfaces { name: 'eth1' } floating_addresses "
                              "{ address: 'fe80::1' }",
                "floating_addresses[0].interface", "is required"},
        Refused{"PuntIntoAPort", Service("") + "punt_interface: 'eth0'",
                "punt_interface", "must not be interfaces[0]"}),
    [](const auto& info) { return info.param.name; });

std::string Pair(const std::string& first, const std::string& second) {
  return absl::StrCat("interfaces { name: 'eth0' } virtual_services { ", first,
                      " } virtual_services { ", second, " }");
}

INSTANTIATE_TEST_SUITE_P(
    Collisions, RefusedTest,
    ::testing::Values(
        Refused{"SamePort",
                Pair("address: '192.0.2.1' port: 80",
                     "address: '192.0.2.1' port: 80"),
                "virtual_services[1].port",
                "80, tcp of 192.0.2.1, belongs to virtual_services[0]"},
        Refused{"BasePortInExtraPorts",
                Pair("address: '192.0.2.1' port: 80 extra_ports: '90-99'",
                     "address: '192.0.2.1' port: 95"),
                "virtual_services[1].port", "95, tcp"},
        Refused{"ExtraPortsOverABasePort",
                Pair("address: '192.0.2.1' port: 95",
                     "address: '192.0.2.1' port: 80 extra_ports: '90-99'"),
                "virtual_services[1].extra_ports", "95, tcp"},
        Refused{"ExtraPortsOverlap",
                Pair("address: '192.0.2.1' port: 80 extra_ports: '90-99'",
                     "address: '192.0.2.1' port: 81 extra_ports: '99-120'"),
                "virtual_services[1].extra_ports", "99, tcp"},
        Refused{"TwoWildcards",
                Pair("address: '192.0.2.1' protocol: UDP",
                     "address: '192.0.2.1' protocol: UDP"),
                "virtual_services[1].port", "0, udp"},
        Refused{"MappedAddressIsTheSame",
                Pair("address: '192.0.2.1' port: 80",
                     "address: '::ffff:192.0.2.1' port: 80"),
                "virtual_services[1].port", "80, tcp"},
        Refused{"SameName",
                Pair("name: 'a' address: '192.0.2.1' port: 80",
                     "name: 'a' address: '192.0.2.1' port: 81"),
                "virtual_services[1].name", "\"a\""}),
    [](const auto& info) { return info.param.name; });

TEST(ValidateTest, WhatOnlyLooksLikeACollisionIsNone) {
  for (const std::string& text :
       {Pair("address: '192.0.2.1' port: 80", "address: '192.0.2.2' port: 80"),
        Pair("address: '192.0.2.1' port: 53",
             "address: '192.0.2.1' port: 53 protocol: UDP"),
        Pair("address: '192.0.2.1' port: 80", "address: '192.0.2.1'"),
        Pair("address: '192.0.2.1' port: 80 extra_ports: '90-99'",
             "address: '192.0.2.1' port: 89 extra_ports: '100'")}) {
    EXPECT_THAT(Check(text).errors, IsEmpty()) << text;
  }
}

TEST(ValidateTest, PortsOutOfRangeDoNotCollide) {
  const Validated validated = Check(Pair("address: '192.0.2.1' port: 65531",
                                         "address: '192.0.2.1' port: 65531"));
  EXPECT_EQ(validated.errors.size(), 2u) << Report(validated);
  EXPECT_EQ(validated.errors[1].path, "virtual_services[1].port");
}

TEST(ValidateTest, EveryCollidingPieceIsReported) {
  const Validated validated = Check(
      Pair("address: '192.0.2.1' port: 80 extra_ports: '1000-1100'",
           "address: '192.0.2.1' port: 81 extra_ports: '1001,1003,2000'"));
  EXPECT_EQ(validated.errors.size(), 2u) << Report(validated);
}

// "Raised automatically when the other two grow."
TEST(ValidateTest, IntervalThatIsNotSetGrowsWithTheOtherTwo) {
  const Validated validated =
      Check(Service("") + "health { timeout_s: 60 retry_count: 15 }");
  ASSERT_NE(validated.model, nullptr) << Report(validated);
  EXPECT_EQ(validated.model->services[0].check.interval, absl::Seconds(901));
  EXPECT_EQ(OneService("health_check { timeout_s: 10 retry_count: 3 }")
                .check.interval,
            absl::Seconds(31));
  EXPECT_EQ(OneService("health_check { interval_s: 15 }").check.interval,
            absl::Seconds(15));
}

TEST(ValidateTest, CheckTypeFollowsTheService) {
  EXPECT_EQ(OneService("protocol: UDP").check.type, CheckType::kIcmp);
  EXPECT_EQ(OneService("health_check { type: NONE }").check.type,
            CheckType::kNone);
  const Validated wildcard = Check(
      "interfaces { name: 'e' } virtual_services { address: '192.0.2.1' "
      "real_servers { address: '10.0.0.1' } }");
  ASSERT_NE(wildcard.model, nullptr) << Report(wildcard);
  EXPECT_EQ(wildcard.model->services[0].check.type, CheckType::kIcmp);
  EXPECT_EQ(wildcard.model->services[0].servers[0].endpoint.port, 0);
}

TEST(ValidateTest, ServerPortIsTheClientsWhereTheServiceHasSeveral) {
  const VirtualService several = OneService(
      "extra_ports: '90' real_servers { address: '10.0.0.1' } "
      "real_servers { address: '10.0.0.1' port: 8080 } "
      "real_servers { address: '10.0.0.2' port: 80 forward: ROUTE }");
  ASSERT_EQ(several.servers.size(), 3u);
  EXPECT_EQ(several.servers[0].endpoint.port, 0);
  EXPECT_EQ(several.servers[1].endpoint.port, 8080);
  EXPECT_EQ(several.servers[2].endpoint.port, 0);
}

TEST(ValidateTest, GlobalTimeoutStandsInForIdleTimeoutZero) {
  const Validated validated = Check(Service("") + "connection_timeout_s: 70");
  ASSERT_NE(validated.model, nullptr);
  EXPECT_EQ(validated.model->services[0].idle_timeout, absl::Seconds(70));
  EXPECT_EQ(OneService("idle_timeout_s: 5").idle_timeout, absl::Seconds(5));
}

TEST(ValidateTest, PersistenceIsWholeMinutesAndRefreshFromFourDays) {
  EXPECT_EQ(OneService("persistence {}").persistence,
            (Persistence{.enabled = true, .timeout = absl::Seconds(360)}));
  EXPECT_EQ(OneService("persistence { timeout_s: 119 }").persistence.timeout,
            absl::Seconds(60));
  EXPECT_FALSE(OneService("persistence { timeout_s: 345599 refresh: true }")
                   .persistence.refresh);
  EXPECT_TRUE(OneService("persistence { timeout_s: 345600 refresh: true }")
                  .persistence.refresh);
}

TEST(ValidateTest, FloatingAddressEntryNamesTheInterfaceOfAVip) {
  const Validated validated =
      Check(Service("") +
            "interfaces { name: 'eth1' } "
            "floating_addresses { address: '192.0.2.1' interface: 'eth1' } "
            "floating_addresses { address: 'fe80::1' interface: 'eth0' }");
  ASSERT_NE(validated.model, nullptr) << Report(validated);
  EXPECT_THAT(
      validated.model->floating_addresses,
      ElementsAre(FloatingAddress{*Address::Parse("192.0.2.1"), "eth1", true},
                  FloatingAddress{*Address::Parse("fe80::1"), "eth0", false}));
}

TEST(ValidateTest, HashKeyIsReadFromHex) {
  const Validated validated =
      Check(Service("") + "hash_key: '000102030405060708090A0b0c0d0e0f'");
  ASSERT_NE(validated.model, nullptr) << Report(validated);
  EXPECT_EQ(validated.model->hash_key,
            (HashKey{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
}

// The vendor page's example: of five servers with the default weight the fifth
// gets 96 of the 4096 slots, 2.3 % instead of 20 %.
TEST(ValidateTest, SourceHashWarnsOfAStarvedServerWithNumbersAndTheRemedy) {
  const std::string key = " hash_key: '000102030405060708090a0b0c0d0e0f'";
  std::string servers;
  for (int i = 1; i <= 5; ++i) {
    absl::StrAppend(&servers, "real_servers { address: '10.0.0.", i, "' } ");
  }
  const Validated starved = Check(Service("schedule: SH " + servers) + key);
  EXPECT_THAT(starved.errors, IsEmpty());
  ASSERT_EQ(starved.warnings.size(), 1u) << Report(starved);
  EXPECT_EQ(starved.warnings[0].path, Vs(".real_servers[4].weight"));
  EXPECT_THAT(starved.warnings[0].message,
              AllOf(HasSubstr("96 of 4096"), HasSubstr("2.3%"),
                    HasSubstr("20.0%"), HasSubstr("fill even")));
  const Validated cured =
      Check(Service("schedule: SH fill: EVEN " + servers) + key);
  EXPECT_EQ(Report(cured), "");
}

// A disabled server takes no slots: the fifth of six moves up.
TEST(ValidateTest, UnfairnessIsThatOfTheEnabledServers) {
  std::string servers;
  for (int i = 1; i <= 5; ++i) {
    absl::StrAppend(&servers, "real_servers { address: '10.0.0.", i,
                    i == 2 ? "' state: DISABLED } " : "' } ");
  }
  const Validated validated =
      Check(Service("schedule: SH " + servers) + " state_dir: '/s'");
  EXPECT_EQ(Report(validated), "");
}

TEST(ValidateTest, ManyStarvedServersAreCounted) {
  std::string servers;
  for (int i = 1; i <= 104; ++i) {
    absl::StrAppend(&servers, "real_servers { address: '10.0.0.", i, "' } ");
  }
  const Validated validated =
      Check(Service("schedule: SH " + servers) + " state_dir: '/s'");
  // Four have 1000 slots each. The 96 of the fifth are over half of 1/104 of
  // 4096; the 99 after it have none.
  ASSERT_EQ(validated.warnings.size(), 9u) << Report(validated);
  EXPECT_EQ(validated.warnings[0].path, Vs(".real_servers[5].weight"));
  EXPECT_THAT(validated.warnings[8].message, HasSubstr("91 more"));
}

TEST(ValidateTest, HistoryHasDefaultsAndUnits) {
  const auto history = [](const std::string& text) {
    const Validated validated = Check(absl::StrCat(Service(""), text));
    EXPECT_NE(validated.model, nullptr) << Report(validated);
    return validated.model == nullptr ? HistoryLimits{9}
                                      : validated.model->history;
  };
  EXPECT_EQ(history(""), HistoryLimits());
  EXPECT_EQ(history("history { audit_files: 0 }").audit_files, 0u);
  const HistoryLimits set =
      history("history { revisions: 2 revisions_mib: 3 audit_mib: 1 }");
  EXPECT_EQ(set.revisions, 2u);
  EXPECT_EQ(set.revision_bytes, 3'145'728u);
  EXPECT_EQ(set.audit_bytes, 1'048'576u);
}

struct Warned {
  std::string name;
  std::string text;
  std::string path;
  std::string message;
};

class WarnedTest : public ::testing::TestWithParam<Warned> {};

TEST_P(WarnedTest, IsAllowedWithAWarning) {
  const Validated validated = Check(GetParam().text);
  EXPECT_THAT(validated.errors, IsEmpty());
  ASSERT_EQ(validated.warnings.size(), 1u) << Report(validated);
  EXPECT_EQ(validated.warnings[0].path, GetParam().path);
  EXPECT_THAT(validated.warnings[0].message, HasSubstr(GetParam().message));
}

constexpr char kServer[] = " real_servers { address: '10.0.0.1' }";

INSTANTIATE_TEST_SUITE_P(
    , WarnedTest,
    ::testing::Values(
        Warned{"NobodyToServe", Service(""), Vs(".real_servers"),
               "takes no flow"},
        Warned{"OnlyWeightZero", Server("weight: 0"), Vs(".real_servers"),
               "0 enabled with a weight above 0, of 1 needed"},
        Warned{"FillWithoutHash", Service(absl::StrCat("fill: EVEN", kServer)),
               Vs(".fill"), "no effect"},
        Warned{"RoundedPersistence",
               Service(absl::StrCat("persistence { timeout_s: 90 }", kServer)),
               Vs(".persistence.timeout_s"), "90, is taken as 60"},
        Warned{"RefreshBelowFourDays",
               Service(absl::StrCat("persistence { refresh: true }", kServer)),
               Vs(".persistence.refresh"), "345600"},
        Warned{"WeightUnderRoundRobin",
               Service(absl::StrCat(kServer,
                                    " real_servers { address: "
                                    "'10.0.0.2' weight: 5 }")),
               Vs(".real_servers[1].weight"), "schedule RR: see WRR"},
        Warned{"HashKeyOfOneRun",
               Service(absl::StrCat("schedule: SH", kServer)), "hash_key",
               "anew at every start"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ballast::config
