#include "lb/config/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "io/base/status_matchers.h"
#include "lb/config/load.h"

namespace ballast::config {
namespace {

TEST(FormatTest, WritesTextFormatBelowAComment) {
  proto::Config config;
  config.set_drain_time_s(0);  // Unlike none at all.
  config.add_interfaces()->set_name("eth0");
  config.mutable_ha()->set_mode(proto::HighAvailability::SECOND);
  config.set_generation(7);
  EXPECT_EQ(FormatConfig(config, "Written by the program.\n\nDo not edit."),
            R"(# Written by the program.
#
# Do not edit.
interfaces {
  name: "eth0"
}
drain_time_s: 0
ha {
  mode: SECOND
}
generation: 7
)");
  EXPECT_EQ(FormatConfig({}), "");
}

TEST(FormatTest, ParsesBackToTheSame) {
  proto::Config config;
  auto& service = *config.add_virtual_services();
  service.set_name("quotes ' \" backslash \\ tab \t newline \n umlaut \u00e4");
  service.set_schedule(proto::SH);
  service.add_real_servers()->set_weight(0);
  service.add_real_servers();
  config.mutable_ha()->mutable_plain();
  config.mutable_ha()->add_reboot_command("");
  config.set_generation(~uint64_t{0});
  const std::string text = FormatConfig(config, "threads: 1\n}{\n\r\"");
  const auto parsed = ParseConfig(text);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->SerializeAsString(), config.SerializeAsString());
}

TEST(FormatTest, LeavesOutWhatOnlyALaterVersionKnows) {
  // Field 1000, a varint.
  proto::Config config;
  ASSERT_TRUE(config.ParseFromString(std::string("\xc0\x3e\x05\x38\x02", 5)));
  EXPECT_EQ(FormatConfig(config), "threads: 2\n");
}

}  // namespace
}  // namespace ballast::config
