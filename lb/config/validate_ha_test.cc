#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "ha/advert.h"
#include "ha/sync_policy.h"
#include "io/base/address.h"
#include "lb/config/ha_test_texts.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// As the vendor documents them, §2.2; ours where the vendor has none.
TEST(ValidateHaTest, DefaultsAreTheDocumentedOnes) {
  const HighAvailability ha = Good(Pair(""));
  EXPECT_EQ(ha.mode, ha::Mode::kFirst);
  EXPECT_EQ(ha.timeout(), absl::Seconds(9));
  EXPECT_EQ(ha.advert_interval, absl::Seconds(3));
  EXPECT_EQ(ha.initial_wait, absl::ZeroDuration());
  EXPECT_EQ(ha.virtual_id, 7);  // Of 192.0.2.7.
  EXPECT_FALSE(ha.broadcast);
  EXPECT_EQ(ha.preferred, ha::Mode::kNone);
  EXPECT_FALSE(ha.is_preferred());
  EXPECT_FALSE(ha.reboot_on_link_failure);
  EXPECT_EQ(ha.l4_sync, (ha::SyncSettings{3, 50, 0, 0}));
  EXPECT_FALSE(ha.l7_updates);
  EXPECT_EQ(ha.sync_group.ToString(), "224.0.0.81:8848");
  EXPECT_EQ(ha.sync_id, 0);
  EXPECT_EQ(ha.virtual_mac, std::nullopt);
  EXPECT_EQ(ha.port, 6973);
  EXPECT_EQ(ha.pacify_starts, 4u);
  EXPECT_EQ(ha.pacify_window, absl::Seconds(300));
  EXPECT_EQ(ha.plain, std::nullopt);
  EXPECT_THAT(ha.links,
              ElementsAre(HaLink{"eth0", *Prefix::Parse("192.0.2.2/24"),
                                 *Address::Parse("192.0.2.3"), true}));
  ASSERT_EQ(ha.keys.size(), 1u);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(ha.keys[0][i], i);
}

TEST(ValidateHaTest, L4UpdatesAreOffUnlessTurnedOn) {
  const auto with = [](const char* more) {
    const Validated validated = Check(Around(absl::StrCat(
        "mode: FIRST ", kLink, "virtual_id: 1 keys: '", kKey, "' ", more)));
    EXPECT_THAT(validated.errors, IsEmpty());
    return validated.model != nullptr && validated.model->ha.l4_updates;
  };
  EXPECT_FALSE(with(""));
  EXPECT_TRUE(with("l4_updates: true"));
}

TEST(ValidateHaTest, WithoutAPairTheDefaultsAreThereAndNothingIsRequired) {
  const HighAvailability unset = Good("interfaces { name: 'eth0' }");
  EXPECT_EQ(unset, HighAvailability{});
  // Sync settings are readable even when HA is off.
  EXPECT_EQ(Good(Around("l4_sync_threshold: 5")).l4_sync.threshold, 5u);
}

// "Last octet of the shared IP"; 0 becomes 1.
TEST(ValidateHaTest, VirtualIdIsTheLastOctetOfTheSharedAddress) {
  const auto id = [](const std::string& own, const std::string& partner,
                     const std::string& shared) {
    return Good(Around(
                    absl::StrCat("mode: SECOND l4_updates: true keys: '", kKey,
                                 "' links { interface: 'eth0' own_address: '",
                                 own, "' partner_address: '", partner,
                                 "' } shared_address: '", shared, "'")))
        .virtual_id;
  };
  EXPECT_EQ(id("192.0.2.2/24", "192.0.2.3", "192.0.2.100"), 100);
  EXPECT_EQ(id("10.0.2.2/16", "10.0.2.3", "10.0.3.0"), 1);
  EXPECT_EQ(id("10.0.2.2/16", "10.0.2.3", "10.0.3.255"), 255);
  EXPECT_EQ(id("2001:db8::2/64", "2001:db8::3", "2001:db8::1:ab"), 0xab);
  EXPECT_EQ(id("2001:db8::2/64", "2001:db8::3", "2001:db8::1:ab00"), 1);
}

TEST(ValidateHaTest, AVirtualIdCanStandInForTheSharedAddress) {
  const HighAvailability ha = Good(Around(
      absl::StrCat("mode: FIRST ", kLink,
                   "l4_updates: true virtual_id: 9 keys: '", kKey, "'")));
  EXPECT_EQ(ha.virtual_id, 9);
  EXPECT_TRUE(ha.shared.is_unspecified());
}

TEST(ValidateHaTest, SharedAddressFloats) {
  const Validated validated = Check(Pair(""));
  ASSERT_NE(validated.model, nullptr);
  EXPECT_THAT(validated.model->floating_addresses,
              ElementsAre(FloatingAddress{*Address::Parse("192.0.2.7"), "eth0",
                                          /*service=*/false}));
  // Once, if it is a service's too.
  const Validated service =
      Check(absl::StrCat(Pair(""),
                         " virtual_services { address: '192.0.2.7' port: 80 "
                         "real_servers { address: '10.0.0.1' } }"));
  ASSERT_NE(service.model, nullptr) << Report(service);
  EXPECT_THAT(service.model->floating_addresses,
              ElementsAre(FloatingAddress{*Address::Parse("192.0.2.7"), "eth0",
                                          /*service=*/true}));
  // Not without a pair.
  const Validated single =
      Check(Around(absl::StrCat("shared_address: '192.0.2.7' ", kLink)));
  ASSERT_NE(single.model, nullptr) << Report(single);
  EXPECT_THAT(single.model->floating_addresses, IsEmpty());
}

// 00:00:5e:00:01:VHID, §2.2.
TEST(ValidateHaTest, VirtualMacIsMadeOfTheVirtualIdAndOnEveryInterface) {
  const Validated validated =
      Check(absl::StrCat(Pair("virtual_mac: true virtual_id: 171"),
                         " interfaces { name: 'eth1' }"));
  ASSERT_NE(validated.model, nullptr) << Report(validated);
  const auto mac = MacAddress::Parse("00:00:5e:00:01:ab");
  EXPECT_EQ(validated.model->ha.virtual_mac, *mac);
  EXPECT_EQ(validated.model->interfaces[0].mac, *mac);
  EXPECT_EQ(validated.model->interfaces[1].mac, *mac);
}

TEST(ValidateHaTest, FirstLinkIsCheckedUnlessSaidOtherwise) {
  const auto checks = [](const std::string& first, const std::string& second) {
    const HighAvailability ha = Good(Pair(
        absl::StrCat(first,
                     " links { interface: 'eth1' own_address: '10.0.0.2/31' "
                     "partner_address: '10.0.0.3' ",
                     second, " }")));
    std::string text;
    for (const HaLink& link : ha.links) text += link.check ? 'x' : '-';
    return absl::StrCat(text, ha.update_link, ha.sync_link);
  };
  EXPECT_EQ(checks("", ""), "x-00");
  EXPECT_EQ(checks("", "check: true"), "xx00");
  EXPECT_EQ(checks("update_interface: 'eth1'", ""), "x-10");
  EXPECT_EQ(checks("multicast_interface: 'eth1'", ""), "x-01");
}

TEST(ValidateHaTest, UpdatesTakeTheFirstLinkThatIsChecked) {
  const HighAvailability ha = Good(Around(absl::StrCat(
      "mode: FIRST l4_updates: true virtual_id: 1 keys: '", kKey,
      "' links { interface: 'a' own_address: '10.0.0.2/30' partner_address: "
      "'10.0.0.1' check: false } links { interface: 'b' own_address: "
      "'fe80::2/64' partner_address: 'fe80::1' check: true } links { "
      "interface: 'c' own_address: 'fe80::2/64' partner_address: 'fe80::1' "
      "check: true }")));
  EXPECT_EQ(ha.update_link, 1u);
  EXPECT_EQ(ha.sync_link, 1u);
  EXPECT_EQ(ha.sync_group.ToString(), "[ff02::51]:8848");
}

TEST(ValidateHaTest, PreferredIsTheUnitItself) {
  EXPECT_TRUE(Good(Pair("preferred: FIRST")).is_preferred());
  EXPECT_FALSE(Good(Pair("preferred: SECOND")).is_preferred());
  EXPECT_FALSE(Good(Around("preferred: FIRST")).is_preferred());
}

// carp.md §11: a preferred unit has the lower advskew; the timeout's third is
// advbase.
TEST(ValidateHaTest, PlainTimingFollowsThePreferenceAndTheTimeout) {
  const auto timing = [](const std::string& ha_more, const std::string& more) {
    const HighAvailability ha = Good(absl::StrReplaceAll(
        Plain(more), {{"wire:", absl::StrCat(ha_more, " wire:")}}));
    return absl::StrCat(ha.plain->advbase, "+", ha.plain->advskew, " ",
                        ha.plain->peer_advbase, "+", ha.plain->peer_advskew);
  };
  EXPECT_EQ(timing("", ""), "3+0 3+0");
  EXPECT_EQ(timing("timeout_s: 15", ""), "5+0 5+0");
  EXPECT_EQ(timing("preferred: FIRST", ""), "3+0 3+100");
  EXPECT_EQ(timing("preferred: SECOND", ""), "3+100 3+0");
  EXPECT_EQ(timing("", "advbase: 1 peer_advskew: 100"), "1+0 1+100");
}

TEST(ValidateHaTest, PlainPeerIsPinnedToThePartner) {
  EXPECT_EQ(Good(Plain("")).plain->address.ToString(), "192.0.2.3");
  EXPECT_EQ(Good(Plain("peer_address: '192.0.2.9'")).plain->address.ToString(),
            "192.0.2.9");
}

TEST(ValidateHaTest, TheRoleByCommandNeedsNothingOfCarp) {
  EXPECT_EQ(Good(Plain("")).plain->election, PlainElection::kCarp);
  const HighAvailability ha = Good(ByCommand(""));
  EXPECT_EQ(ha.plain->election, PlainElection::kByCommand);
  EXPECT_EQ(ha.plain->address.ToString(), "192.0.2.3");
  // Both links may be checked; the peer is the one on the updates' link.
  const HighAvailability two = Good(Replaced(
      ByCommand(""), "virtual_id:",
      "links { interface: 'eth1' own_address: '10.0.0.2/24' partner_address: "
      "'10.0.0.3' check: true } multicast_interface: 'eth1' virtual_id:"));
  EXPECT_EQ(two.plain->address.ToString(), "10.0.0.3");
  EXPECT_EQ(Good(ByCommand("peer_address: '192.0.2.9' ipvs_version: 0"))
                .plain->address.ToString(),
            "192.0.2.9");
}

TEST(ValidateHaTest, KeysAreReadInTheirOrderFromEitherCase) {
  const std::string other(64, 'F');
  const HighAvailability ha = Good(Pair(absl::StrCat("keys: '", other, "'")));
  ASSERT_EQ(ha.keys.size(), 2u);
  EXPECT_EQ(ha.keys[0][31], 31);
  EXPECT_EQ(ha.keys[1][0], 0xff);
  const HighAvailability file = Good(Around(
      absl::StrCat("mode: FIRST key_file: '/etc/ballast/key' ", kLink, kRest)));
  EXPECT_EQ(file.key_file, "/etc/ballast/key");
  EXPECT_THAT(file.keys, IsEmpty());
}

TEST(ValidateHaTest, RebootCommandIsAListOfWords) {
  const HighAvailability ha = Good(
      Pair("hard_reboot_on_link_failure: true reboot_command: '/sbin/reboot' "
           "reboot_command: '-f' reboot_command: ''"));
  EXPECT_THAT(ha.reboot_command, ElementsAre("/sbin/reboot", "-f", ""));
}

TEST(ValidateHaTest, EverythingIsReportedAtOnce) {
  const Validated validated = Check(R"pb(
    interfaces { name: "eth0" }
    ha {
      mode: FIRST
      links { interface: "eth0" own_address: "192.0.2.2/24" check: false }
      timeout_s: 4
      advert_interval_ms: 5001
      initial_wait_s: 201
      l4_sync_threshold: 300
      l4_sync_period: 400
      sync_id: 256
      sync_group: "192.0.2.1:8848"
      port: 65536
      update_interface: "eth7"
    }
  )pb");
  std::vector<std::string> paths;
  for (const Problem& problem : validated.errors) paths.push_back(problem.path);
  EXPECT_THAT(paths,
              ::testing::UnorderedElementsAre(
                  "ha.links[0].partner_address", "ha.links", "ha.virtual_id",
                  "ha.timeout_s", "ha.advert_interval_ms", "ha.initial_wait_s",
                  "ha.l4_sync_threshold", "ha.l4_sync_period", "ha.sync_id",
                  "ha.sync_group", "ha.port", "ha.update_interface", "ha.keys"))
      << Report(validated);
}

}  // namespace
}  // namespace ballast::config
