#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kKey[] =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

Validated Check(const std::string& text) {
  const auto config = ParseConfig(text, Format::kTextproto);
  if (!config.ok()) {
    ADD_FAILURE() << config.status() << "\n" << text;
    return {};
  }
  return Validate(*config, 1);
}

constexpr char kLink[] =
    "links { interface: 'eth0' own_address: '192.0.2.2/24' "
    "partner_address: '192.0.2.3' } ";
constexpr char kRest[] = "shared_address: '192.0.2.7' l4_updates: true ";

// A unit of a pair, which nothing is wrong with.
std::string Around(const std::string& ha) {
  return absl::StrCat("interfaces { name: 'eth0' } state_dir: '/s' ha { ", ha,
                      " }");
}
std::string Pair(const std::string& more) {
  return Around(
      absl::StrCat("mode: FIRST ", kLink, kRest, "keys: '", kKey, "' ", more));
}
std::string Plain(const std::string& more) {
  return Around(absl::StrCat("mode: FIRST ", kLink, kRest,
                             "wire: PLAIN plain { password: 'kemp-secret' ",
                             more, " }"));
}

HighAvailability Good(const std::string& text) {
  const Validated validated = Check(text);
  EXPECT_EQ(Report(validated), "") << text;
  return validated.model ? validated.model->ha : HighAvailability{};
}

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

TEST(ValidateHaTest, WithoutAPairTheDefaultsAreThereAndNothingIsRequired) {
  const HighAvailability unset = Good("interfaces { name: 'eth0' }");
  EXPECT_EQ(unset, HighAvailability{});
  EXPECT_FALSE(Check("interfaces { name: 'eth0' }").model->ha.is_preferred());
  // Sync settings are readable even when HA is off.
  EXPECT_EQ(Good(Around("l4_sync_threshold: 5")).l4_sync.threshold, 5u);
}

struct Refused {
  std::string name;
  std::string text;
  std::string path;
  std::string message;  // All of it.
};

class RefusedTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedTest, IsTheOnlyErrorAndSaysWhatItWants) {
  const Validated validated = Check(GetParam().text);
  EXPECT_EQ(validated.model, nullptr);
  EXPECT_THAT(validated.errors,
              ElementsAre(Problem{GetParam().path, GetParam().message}));
}

INSTANTIATE_TEST_SUITE_P(
    SealedOrPlain, RefusedTest,
    ::testing::Values(
        Refused{"NoKey", Around(absl::StrCat("mode: FIRST ", kLink, kRest)),
                "ha.keys",
                "are required with wire SEALED, here or in key_file"},
        Refused{"PlainWithKey",
                absl::StrReplaceAll(Plain(""),
                                    {{"mode:", absl::StrCat("keys: '", kKey,
                                                            "' mode:")}}),
                "ha.keys",
                "must not be set with wire PLAIN, which protects nothing"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ballast::config
