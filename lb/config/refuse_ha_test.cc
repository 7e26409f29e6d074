#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lb/config/ha_test_texts.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// -- What does not fit together --------------------------------------------

struct Refused {
  std::string name;
  std::string text;
  std::string path;
  std::string message;  // All of it.
};

class RefusedPairTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedPairTest, IsTheOnlyErrorAndSaysWhatItWants) {
  EXPECT_EQ(Check(GetParam().text).model, nullptr);
  EXPECT_EQ(
      Errors(GetParam().text),
      absl::StrCat("error: ", GetParam().path, ": ", GetParam().message, "\n"));
}

std::string Own(const std::string& address) {
  return Replaced(Pair(""), "192.0.2.2/24", address);
}
std::string Partner(const std::string& address) {
  return Replaced(Pair(""), "192.0.2.3", address);
}
std::string Shared(const std::string& address) {
  return Replaced(Pair(""), "192.0.2.7", address);
}
std::string SecondLink(const std::string& inside) {
  return Pair(absl::StrCat("links { ", inside, " }"));
}

INSTANTIATE_TEST_SUITE_P(
    Links, RefusedPairTest,
    ::testing::Values(
        Refused{"None", Replaced(Pair(""), kLink, ""), "ha.links",
                "0 of them, must be 1 to 16"},
        Refused{"LastCheckSwitchedOff",
                Replaced(Pair(""), "links {", "links { check: false"),
                "ha.links",
                "none has check: at least one must be used for HA checks"},
        Refused{"NoName", Replaced(Pair(""), "'eth0' own", "'' own"),
                "ha.links[0].interface", "is required"},
        Refused{"NameTwice",
                SecondLink("interface: 'eth0' own_address: '10.0.0.1/24' "
                           "partner_address: '10.0.0.2'"),
                "ha.links[1].interface", "\"eth0\", is already ha.links[0]"},
        Refused{"OwnTwice",
                SecondLink("interface: 'eth1' own_address: '192.0.2.2/24' "
                           "partner_address: '192.0.2.4'"),
                "ha.links[1].own_address",
                "192.0.2.2, is already that of ha.links[0]"},
        Refused{"NoOwn", Own(""), "ha.links[0].own_address", "is required"},
        Refused{"OwnWithoutLength", Own("192.0.2.2"), "ha.links[0].own_address",
                "\"192.0.2.2\", must be an address and the length of its "
                "prefix, \"192.0.2.2/24\""},
        Refused{"OwnLengthTooGreat", Own("192.0.2.2/33"),
                "ha.links[0].own_address",
                "\"192.0.2.2/33\", must be an address and the length of its "
                "prefix, \"192.0.2.2/24\""},
        Refused{"OwnIsTheNetwork", Own("192.0.2.0/24"),
                "ha.links[0].own_address",
                "\"192.0.2.0/24\", must be a host's address, not its "
                "network's or broadcast"},
        Refused{"OwnIsTheBroadcast", Own("192.0.2.255/24"),
                "ha.links[0].own_address",
                "\"192.0.2.255/24\", must be a host's address, not its "
                "network's or broadcast"},
        Refused{"NoPartner", Partner(""), "ha.links[0].partner_address",
                "is required"},
        Refused{"PartnerIsOwn", Partner("192.0.2.2"),
                "ha.links[0].partner_address",
                "192.0.2.2, must not be own_address"},
        Refused{"PartnerElsewhere", Partner("192.0.3.3"),
                "ha.links[0].partner_address",
                "192.0.3.3, must be a host in the network of own_address "
                "192.0.2.2/24"},
        Refused{"PartnerIsTheBroadcast", Partner("192.0.2.255"),
                "ha.links[0].partner_address",
                "192.0.2.255, must be a host in the network of own_address "
                "192.0.2.2/24"},
        Refused{"PartnerOfTheOtherFamily", Partner("2001:db8::3"),
                "ha.links[0].partner_address",
                "2001:db8::3, must be IPv4 like own_address 192.0.2.2/24"},
        Refused{"PartnerFloats",
                absl::StrCat(Pair(""),
                             " floating_addresses { address: "
                             "'192.0.2.3' }"),
                "ha.links[0].partner_address",
                "192.0.2.3, is a floating address, must stay with its unit"},
        Refused{"OwnIsAService",
                absl::StrCat(Pair(""),
                             " virtual_services { address: "
                             "'192.0.2.2' port: 80 }"),
                "ha.links[0].own_address",
                "192.0.2.2, is a floating address, must stay with its unit"},
        Refused{"UpdateInterface", Pair("update_interface: 'eth9'"),
                "ha.update_interface", "\"eth9\", must be one of ha.links"},
        Refused{"MulticastInterface", Pair("multicast_interface: 'eth9'"),
                "ha.multicast_interface", "\"eth9\", must be one of ha.links"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    SharedAddress, RefusedPairTest,
    ::testing::Values(
        Refused{"NeitherItNorVirtualId", Shared(""), "ha.virtual_id",
                "0, must be 1 to 255 without a shared_address"},
        Refused{"IsOwn", Shared("192.0.2.2"), "ha.shared_address",
                "192.0.2.2, must not be the own_address of ha.links[0]"},
        Refused{"IsThePartners", Shared("192.0.2.3"), "ha.shared_address",
                "192.0.2.3, must not be the partner_address of ha.links[0]"},
        Refused{"Elsewhere", Shared("192.0.3.7"), "ha.shared_address",
                "192.0.3.7, must be a host in the network of one of ha.links"},
        Refused{"OfTheOtherFamily", Shared("2001:db8::7"), "ha.shared_address",
                "2001:db8::7, must be a host in the network of one of "
                "ha.links"},
        Refused{"NoAddress", Shared("192.0.2"), "ha.shared_address",
                "\"192.0.2\", must be an IPv4 or IPv6 address"},
        Refused{"IsAServer",
                absl::StrCat(Pair(""),
                             " virtual_services { address: '192.0.2.8' port: "
                             "80 real_servers { address: '192.0.2.7' } }"),
                "virtual_services[0].real_servers[0].address",
                "192.0.2.7, is a floating address of the director itself, "
                "must be another host"}),
    [](const auto& info) { return info.param.name; });

std::string Keys(const std::string& first, const std::string& more = "") {
  return Replaced(Pair(more), kKey, first);
}

INSTANTIATE_TEST_SUITE_P(
    SealedOrPlain, RefusedPairTest,
    ::testing::Values(
        Refused{
            "NoKey", Replaced(Pair(""), absl::StrCat("keys: '", kKey, "'"), ""),
            "ha.keys", "are required with wire SEALED, here or in key_file"},
        Refused{"KeyTooShort", Keys(std::string(63, 'a')), "ha.keys[0]",
                "63 characters, must be 64 hex digits"},
        Refused{"KeyTooLong", Keys(std::string(65, 'a')), "ha.keys[0]",
                "65 characters, must be 64 hex digits"},
        Refused{"KeyOfOtherDigits", Keys(std::string(64, 'g')), "ha.keys[0]",
                "64 characters, must be 64 hex digits"},
        Refused{"KeyEmpty", Keys(""), "ha.keys[0]",
                "0 characters, must be 64 hex digits"},
        Refused{"KeyTwice", Pair(absl::StrCat("keys: '", kKey, "'")),
                "ha.keys[1]", "is given twice"},
        Refused{"KeyAndKeyFile", Pair("key_file: '/k'"), "ha.key_file",
                "\"/k\", must be empty where keys are given"},
        Refused{"KeyFileRelative",
                Replaced(Pair(""), absl::StrCat("keys: '", kKey, "'"),
                         "key_file: 'k'"),
                "ha.key_file", "\"k\", must be an absolute path"},
        Refused{"SealedWithPlain", Pair("plain {}"), "ha.plain",
                "must not be set with wire SEALED"},
        Refused{"PlainWithKey",
                Replaced(Plain(""),
                         "wire:", absl::StrCat("keys: '", kKey, "' wire:")),
                "ha.keys",
                "must not be set with wire PLAIN, which protects nothing"},
        Refused{"PlainWithKeyFile",
                Replaced(Plain(""), "wire:", "key_file: '/k' wire:"),
                "ha.key_file",
                "must not be set with wire PLAIN, which protects nothing"},
        Refused{"PlainWithAdvertInterval",
                Replaced(Plain(""), "wire:", "advert_interval_ms: 20 wire:"),
                "ha.advert_interval_ms",
                "20, must be 0 with wire PLAIN: see plain"},
        Refused{
            "PlainWithoutSharedAddress",
            Replaced(Plain(""), "shared_address: '192.0.2.7'", "virtual_id: 7"),
            "ha.shared_address", "is required with CARP"},
        Refused{"PlainWithoutPassword", Replaced(Plain(""), "kemp-secret", ""),
                "ha.plain.password", "is required"},
        // ucarp refuses 20 bytes.
        Refused{"PasswordTooLong",
                Replaced(Plain(""), "kemp-secret", std::string(20, 'p')),
                "ha.plain.password", "20 bytes, must be 1 to 19"},
        Refused{"PasswordWithZero",
                Replaced(Plain(""), "kemp-secret", "a\\000b"),
                "ha.plain.password", "must have no zero byte"},
        Refused{"PlainPeer", Plain("peer_address: '224.0.0.1'"),
                "ha.plain.peer_address",
                "\"224.0.0.1\", is a multicast address, must be a host's"},
        Refused{"PlainOnTwoLinks",
                Replaced(Plain(""), "wire:",
                         "links { interface: 'eth1' own_address: '10.0.0.1/24' "
                         "partner_address: '10.0.0.2' check: true } wire:"),
                "ha.links",
                "2 of them have check, must be one with wire PLAIN"},
        Refused{"NoTimeBetweenAdverts", Plain("advbase: 0 peer_advbase: 1"),
                "ha.plain.advskew", "0, must be 1 to 254 with advbase 0"},
        Refused{"NoTimeBetweenThePeersAdverts", Plain("peer_advbase: 0"),
                "ha.plain.peer_advskew",
                "0, must be 1 to 254 with peer_advbase 0"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Fitting, RefusedPairTest,
    ::testing::Values(
        Refused{"HardRebootAndPreferred",
                Pair("hard_reboot_on_link_failure: true preferred: SECOND"),
                "ha.hard_reboot_on_link_failure",
                "true, must be false while a unit is preferred: they could "
                "take turns for ever"},
        Refused{"RebootByName", Pair("reboot_command: 'reboot'"),
                "ha.reboot_command[0]", "\"reboot\", must be an absolute path"},
        Refused{"RebootWithZero",
                Pair("reboot_command: '/r' reboot_command: 'a\\000'"),
                "ha.reboot_command[1]", "\"a\\x00\", has a zero byte"},
        Refused{"VirtualMacAndMac",
                Replaced(Pair("virtual_mac: true"), "{ name: 'eth0'",
                         "{ name: 'eth0' mac: '02:00:00:00:00:01'"),
                "ha.virtual_mac",
                "true, must be false where interfaces[0] has mac"},
        Refused{"VirtualMacAndCardMac",
                Replaced(Pair("virtual_mac: true"), "{ name: 'eth0'",
                         "{ name: 'eth0' card_mac: true"),
                "ha.virtual_mac",
                "true, must be false where interfaces[0] has card_mac"},
        Refused{"UnicastGroup", Pair("sync_group: '192.0.2.1:8848'"),
                "ha.sync_group",
                "\"192.0.2.1:8848\", must be a multicast address and a port, "
                "\"224.0.0.81:8848\""},
        Refused{"GroupWithoutPort", Pair("sync_group: '224.0.0.81'"),
                "ha.sync_group",
                "\"224.0.0.81\", must be a multicast address and a port, "
                "\"224.0.0.81:8848\""},
        Refused{"GroupOfTheOtherFamily", Pair("sync_group: '[ff02::51]:8848'"),
                "ha.sync_group",
                "[ff02::51]:8848, must be IPv4 like own_address 192.0.2.2/24 "
                "of ha.links[0]"},
        Refused{"Mode", Around("mode: 3"), "ha.mode",
                "3, is none of its names"},
        Refused{"Preferred", Pair("preferred: 3"), "ha.preferred",
                "3, is none of its names"},
        Refused{"Wire", Pair("wire: 2"), "ha.wire", "2, is none of its names"},
        Refused{"Election", Plain("election: 2"), "ha.plain.election",
                "2, is none of its names"},
        Refused{"PeerByCommand", ByCommand("peer_address: '224.0.0.1'"),
                "ha.plain.peer_address",
                "\"224.0.0.1\", is a multicast address, must be a host's"},
        Refused{"Make", Plain("make: 3"), "ha.plain.make",
                "3, is none of its names"}),
    [](const auto& info) { return info.param.name; });

std::string Many(int count, const std::string& text) {
  std::string many;
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&many, absl::StrReplaceAll(text, {{"#", absl::StrCat(i)}}));
  }
  return many;
}

TEST(RefuseHaTest, ListsHaveBounds) {
  const auto errors = [](const std::string& more) {
    return Check(Pair(more)).errors;
  };
  const std::string link =
      "links { interface: 'x#' own_address: '10.#.0.1/24' partner_address: "
      "'10.#.0.2' } ";
  EXPECT_THAT(errors(Many(15, link)), IsEmpty());
  EXPECT_THAT(errors(Many(16, link)),
              ElementsAre(Problem{"ha.links", "17 of them, must be 1 to 16"}));
  const std::string key = absl::StrCat("keys: 'a#", std::string(62, '0'), "' ");
  EXPECT_THAT(errors(Many(7, key)), IsEmpty());
  EXPECT_THAT(errors(Many(8, key)),
              ElementsAre(Problem{"ha.keys", "9 of them, must be at most 8"}));
  EXPECT_THAT(errors(Many(16, "reboot_command: '/' ")), IsEmpty());
  EXPECT_THAT(errors(Many(17, "reboot_command: '/' ")),
              ElementsAre(Problem{"ha.reboot_command",
                                  "17 words, must be at most 16"}));
}

// A secret never shows in what is reported.
TEST(RefuseHaTest, ReportsKeepSecrets) {
  const std::string secret = "5ec4e7";
  for (const std::string& text :
       {Keys(secret), Keys(absl::StrCat(secret, std::string(58, 'z'))),
        Replaced(Plain(""), "kemp-secret",
                 absl::StrCat(secret, std::string(20, 'z')))}) {
    const std::string report = Report(Check(text));
    EXPECT_NE(report, "");
    EXPECT_THAT(report, ::testing::Not(HasSubstr(secret)));
  }
}

// -- What is allowed, but seldom meant -------------------------------------

constexpr char kHashed[] =
    " virtual_services { address: '192.0.2.8' port: 80 schedule: SH fill: EVEN "
    "real_servers { address: '10.0.0.1' } }";

struct Warned {
  std::string name;
  std::string text;
  std::string path;
  std::string message;  // A part of it.
};

class WarnedPairTest : public ::testing::TestWithParam<Warned> {};

TEST_P(WarnedPairTest, IsAllowedWithAWarning) {
  const Validated validated = Check(GetParam().text);
  EXPECT_THAT(validated.errors, IsEmpty());
  ASSERT_EQ(validated.warnings.size(), 1u) << Report(validated);
  EXPECT_EQ(validated.warnings[0].path, GetParam().path);
  EXPECT_THAT(validated.warnings[0].message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    , WarnedPairTest,
    ::testing::Values(
        Warned{"NoL4Updates",
               Replaced(Pair(""), "l4_updates: true", "l7_updates: true"),
               "ha.l4_updates", "every L4 session ends"},
        Warned{"TimeoutBesideAdvertInterval",
               Pair("timeout_s: 3 advert_interval_ms: 20"), "ha.timeout_s",
               "no effect with advert_interval_ms"},
        Warned{"NothingToRebootWith", Pair("hard_reboot_on_link_failure: true"),
               "ha.reboot_command", "empty"},
        Warned{"StartsNotRemembered", Replaced(Pair(""), "state_dir: '/s'", ""),
               "ha.pacify_starts", "state_dir"},
        Warned{"HashKeyOfEachUnit", absl::StrCat(Plain(""), kHashed),
               "hash_key", "each unit makes its own"},
        Warned{
            "PreferredButNotFaster",
            Replaced(Plain("advskew: 100"), "wire:", "preferred: FIRST wire:"),
            "ha.plain.advskew", "3 s + 100/256 s"},
        Warned{"OneLostAdvertIsEnough", Plain("advbase: 0 advskew: 128"),
               "ha.plain.advbase", "a single advert"},
        Warned{"PasswordByCommand", ByCommand("password: 'x'"),
               "ha.plain.password", "no effect with election BY_COMMAND"},
        Warned{"SkewByCommand", ByCommand("advskew: 0"), "ha.plain.advskew",
               "no effect with election BY_COMMAND"},
        Warned{"PreferredByCommand",
               Replaced(ByCommand(""), "wire:", "preferred: FIRST wire:"),
               "ha.preferred", "no effect with election BY_COMMAND"}),
    [](const auto& info) { return info.param.name; });

TEST(RefuseHaTest, OurOwnPartnerNeedsNoHashKey) {
  EXPECT_EQ(Report(Check(absl::StrCat(Pair(""), kHashed))), "");
}

TEST(RefuseHaTest, AMulticastInterfaceWithoutUpdatesHasNoEffect) {
  const Validated validated = Check(
      Replaced(Pair("multicast_interface: 'eth0'"), "l4_updates: true", ""));
  ASSERT_EQ(validated.warnings.size(), 2u) << Report(validated);
  EXPECT_EQ(validated.warnings[1].path, "ha.multicast_interface");
}

}  // namespace
}  // namespace ballast::config
