#include "lb/config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"

namespace ballast::config {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kTextproto[] = R"pb(
  # A comment, before anything else.
  virtual_services {
    address: "192.0.2.1"
    port: 80
    schedule: WLC
    real_servers { address: "10.0.0.1" weight: 0 }
    real_servers { address: "10.0.0.2" }
  }
)pb";

constexpr char kJson[] = R"json(
  {"virtualServices": [{
    "address": "192.0.2.1", "port": 80, "schedule": "WLC",
    "real_servers": [{"address": "10.0.0.1", "weight": 0},
                     {"address": "10.0.0.2"}]}]}
)json";

TEST(LoadTest, TextformatAndJsonSayTheSame) {
  const auto text = ParseConfig(kTextproto);
  const auto json = ParseConfig(kJson);
  ASSERT_THAT(text, IsOk());
  ASSERT_THAT(json, IsOk());
  EXPECT_EQ(text->DebugString(), json->DebugString());
  const auto& service = text->virtual_services(0);
  EXPECT_EQ(service.schedule(), proto::WLC);
  // A weight of 0 and no weight at all are two different things.
  EXPECT_TRUE(service.real_servers(0).has_weight());
  EXPECT_EQ(service.real_servers(0).weight(), 0u);
  EXPECT_FALSE(service.real_servers(1).has_weight());
}

TEST(LoadTest, EmptyTextIsAnEmptyConfiguration) {
  EXPECT_THAT(ParseConfig(""), IsOk());
  EXPECT_THAT(ParseConfig("{}"), IsOk());
}

TEST(LoadTest, FormatIsNotGuessedWhenGiven) {
  EXPECT_THAT(ParseConfig(kJson, Format::kJson), IsOk());
  EXPECT_FALSE(ParseConfig(kJson, Format::kTextproto).ok());
  EXPECT_FALSE(ParseConfig(kTextproto, Format::kJson).ok());
}

struct Mistake {
  std::string name;
  std::string text;
  std::string where;
  std::string what;
};

class MistakeTest : public ::testing::TestWithParam<Mistake> {};

TEST_P(MistakeTest, IsReportedWithItsPlace) {
  EXPECT_THAT(
      ParseConfig(GetParam().text),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr(GetParam().where), HasSubstr(GetParam().what))));
}

INSTANTIATE_TEST_SUITE_P(
    , MistakeTest,
    ::testing::Values(
        Mistake{"UnknownField", "threads: 1\nvirtual_services {\n  prot: 80\n}",
                "line 3, column 7: ", "\"prot\""},
        Mistake{"UnknownEnumValue", "virtual_services { schedule: SHH }",
                "line 1, ", "SHH"},
        Mistake{"WrongType", "\nthreads: \"two\"", "line 2, ", "two"},
        Mistake{"OutOfType", "threads: 4294967296", "line 1, ", "4294967296"},
        Mistake{"Negative", "threads: -1", "line 1, ", "-"},
        Mistake{"GivenTwice", "threads: 1\nthreads: 2", "line 2, ", "threads"},
        Mistake{"Unclosed", "virtual_services {", "line 1, ", "Expected"},
        Mistake{"JsonUnknownField", R"({"virtual_services": [{"prot": 80}]})",
                "virtual_services[0]", "prot"},
        Mistake{"JsonUnknownEnumValue",
                R"({"virtual_services": [{"schedule": "SHH"}]})",
                "virtual_services[0].schedule", "SHH"},
        Mistake{"NotUtf8", "threads: 1 state_dir: '/\\377'",
                "state_dir: ", "is not UTF-8"},
        Mistake{"NotUtf8Below",
                "virtual_services { } virtual_services { real_servers { name: "
                "'\\303' } }",
                "virtual_services[1].real_servers[0].name: ", "is not UTF-8"},
        Mistake{"NotUtf8InAList",
                "ha { reboot_command: '/r' reboot_command: '\\200' }",
                "ha.reboot_command[1]: ", "is not UTF-8"},
        Mistake{"JsonSyntax", "{\"threads\": 1,,}", "", "Expected"}),
    [](const auto& info) { return info.param.name; });

// The edges of RFC 3629, section 4.
TEST(LoadTest, StringsAreUtf8) {
  const auto ok = [](const std::string& bytes) {
    return ParseConfig(absl::StrCat("state_dir: '", bytes, "'"),
                       Format::kTextproto)
        .ok();
  };
  for (const char* good : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
                           "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(ok(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41",
        "\xe0\x9f\xbf", "\xe1\x80", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf", "\xf1\x80\x80", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(ok(bad)) << bad;
  }
}

TEST(LoadTest, HugeTextIsRefused) {
  EXPECT_THAT(ParseConfig(std::string(kConfigBytesMax + 1, ' ')),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("16777217 bytes")));
}

}  // namespace
}  // namespace ballast::config
