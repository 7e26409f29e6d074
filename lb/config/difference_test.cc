#include "lb/config/difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"
#include "lb/config/load.h"

namespace ballast::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

proto::Config Parse(const std::string& text) {
  const auto config = ParseConfig(text);
  EXPECT_THAT(config, IsOk());
  return config.value_or(proto::Config());
}

std::string Compare(const std::string& from, const std::string& to) {
  return Difference(Parse(from), Parse(to));
}

TEST(DifferenceTest, NamesEachFieldByItsPath) {
  EXPECT_EQ(Compare("threads: 2 drop_on_fail: true "
                    "health { timeout_s: 5 retry_count: 3 }",
                    "threads: 4 slow_start_s: 10 drain_time_s: 0 "
                    "health { timeout_s: 6 retry_count: 3 } limits {}"),
            "~ health.timeout_s: 5 -> 6\n"
            "+ limits\n"
            "~ threads: 2 -> 4\n"
            "+ drain_time_s: 0\n"
            "- drop_on_fail: true\n"
            "+ slow_start_s: 10\n");
}

TEST(DifferenceTest, ElementsAreKnownByAddressOrName) {
  const std::string a = "virtual_services { address: '192.0.2.1' port: 80 }";
  const std::string b =
      "virtual_services { address: '2001:db8::1' port: 53 protocol: UDP "
      "  real_servers { address: '2001:db8::2' weight: 5 }"
      "  real_servers { address: '2001:db8::3' } }";
  const std::string changed =
      "virtual_services { address: '2001:db8::1' port: 53 protocol: UDP "
      "  schedule: LC"
      "  real_servers { address: '2001:db8::3' }"
      "  real_servers { address: '2001:db8::2' weight: 6 }"
      "  real_servers { address: '2001:db8::4' state: DRAINING } }";
  EXPECT_EQ(Compare(a + b, changed),
            "- virtual_services[192.0.2.1:80]: "
            "address: \"192.0.2.1\" port: 80\n"
            "~ virtual_services[[2001:db8::1]:53 udp]"
            ".real_servers[[2001:db8::2]:0].weight: 5 -> 6\n"
            "+ virtual_services[[2001:db8::1]:53 udp]"
            ".real_servers[[2001:db8::4]:0]: "
            "address: \"2001:db8::4\" state: DRAINING\n"
            "~ virtual_services[[2001:db8::1]:53 udp]"
            ".real_servers: in another order\n"
            "+ virtual_services[[2001:db8::1]:53 udp].schedule: LC\n");
  EXPECT_EQ(Compare(a + b, b + a), "~ virtual_services: in another order\n");
  EXPECT_EQ(Compare("interfaces { name: 'a' }",
                    "interfaces { name: 'b' } interfaces { name: 'a' }"),
            "+ interfaces[b]: name: \"b\"\n");
}

TEST(DifferenceTest, ValuesOfAListAreAddedAndTakenAway) {
  EXPECT_EQ(Compare("ha { reboot_command: 'a' reboot_command: 'b' }",
                    "ha { reboot_command: 'b' reboot_command: 'b' }"),
            "- ha.reboot_command: \"a\"\n"
            "+ ha.reboot_command: \"b\"\n");
}

TEST(DifferenceTest, NothingAndTheGenerationAloneAreNoDifference) {
  const std::string text = "threads: 2 virtual_services { port: 80 } ";
  EXPECT_EQ(Compare(text, text), "");
  EXPECT_EQ(Compare(text + "generation: 1", text + "generation: 2"), "");
  EXPECT_TRUE(SameConfig(Parse(text + "generation: 1"), Parse(text)));
  EXPECT_FALSE(SameConfig(Parse(text), Parse("threads: 2")));
}

TEST(DifferenceTest, SecretsAreNotShown) {
  const std::string said =
      Compare("hash_key: 'sesame1' ha { keys: 'sesame2' }",
              "hash_key: 'sesame3' ha { keys: 'sesame2' keys: 'sesame4' }");
  EXPECT_EQ(said,
            "~ hash_key: \"(secret 1)\" -> \"(secret 3)\"\n"
            "+ ha.keys: \"(secret 4)\"\n");
  EXPECT_THAT(
      Compare("",
              "virtual_services { l7 { tls { certificates { key: 'x9x' } } "
              "} }"),
      Not(HasSubstr("x9x")));
}

TEST(DifferenceTest, LongValuesAreCut) {
  EXPECT_EQ(
      Compare("", absl::StrCat("state_dir: '", std::string(999, 'x'), "'")),
      absl::StrCat("+ state_dir: \"", std::string(kShownMax - 1, 'x'),
                   "... (1001 bytes)\n"));
}

}  // namespace
}  // namespace ballast::config
