#include "examples/ctl/top_frame.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace ballast::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

admin::proto::Status Parse(const std::string& text) {
  admin::proto::Status status;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &status));
  return status;
}

admin::proto::Status Many(int services, int servers) {
  std::string text;
  for (int i = 0; i < services; ++i) {
    absl::StrAppend(&text, "services { id: 'v", i, "/tcp' enabled: true ",
                    "traffic { connections_per_second: ", i, " } ");
    for (int j = 0; j < servers; ++j) {
      absl::StrAppend(&text, "servers { id: 's", i, ".", j,
                      "' kind: 'real' state: 'enabled' up: true traffic { ",
                      "requests_per_second: ", i * 100 + j, " } }");
    }
    absl::StrAppend(&text, "}");
  }
  return Parse(text);
}

std::string TextOf(const std::vector<TopLine>& lines) {
  std::string text;
  for (const TopLine& line : lines) absl::StrAppend(&text, line.text, "\n");
  return text;
}

TEST(TopFrameTest, TheBusiestComeFirst) {
  const auto status = Many(3, 2);
  const std::string text = TextOf(TopFrame({.now = &status}, 80, 24));
  EXPECT_LT(text.find("v2/tcp"), text.find("v1/tcp"));
  EXPECT_LT(text.find("v1/tcp"), text.find("v0/tcp"));
  EXPECT_LT(text.find("s2.1"), text.find("s2.0"));
  EXPECT_LT(text.find("s2.0"), text.find("s1.1"));
}

TEST(TopFrameTest, NeverMoreThanTheScreenHasRoomFor) {
  for (const auto& [services, servers] :
       {std::pair{0, 0}, {1, 1}, {3, 40}, {100, 3}}) {
    const auto status = Many(services, servers);
    for (const size_t height : {1, 2, 5, 6, 7, 8, 24, 50}) {
      for (const size_t width : {1, 20, 80}) {
        const auto lines =
            TopFrame({.now = &status, .error = "one\ntwo"}, width, height);
        EXPECT_LE(lines.size(), height);
        for (const TopLine& line : lines) EXPECT_LE(line.text.size(), width);
      }
    }
  }
}

TEST(TopFrameTest, WhatHasNoRoomIsCounted) {
  const auto status = Many(100, 3);
  const auto lines = TopFrame({.now = &status}, 80, 24);
  EXPECT_EQ(lines.size(), 24u);
  const std::string text = TextOf(lines);
  // Both parts are there: 18 lines, a head and the count of the rest in each.
  EXPECT_THAT(text, HasSubstr("... and 93 more\n"));
  EXPECT_THAT(text, HasSubstr("... and 293 more\n"));
}

TEST(TopFrameTest, RoleDropsAndErrors) {
  const auto before = Parse("dropped_frames { name: 'no_service' count: 5 }");
  const auto now = Parse(
      R"(active: true time: "2026-01-02T03:04:05.678Z"
         dropped_frames { name: "no_route" count: 9 }
         dropped_frames { name: "no_service" count: 25 }
         pair { configured: true role: "active" reason: "by\x1b[2J command"
                partner_icon_reason: "standby" })");
  const std::string text = TextOf(
      TopFrame({.now = &now, .before = &before, .seconds = 2, .error = "gone"},
               200, 24));
  EXPECT_THAT(text, HasSubstr("active (by?[2J command), partner: standby\n"));
  EXPECT_THAT(text, HasSubstr("dropped no_service=25 (+10/s) no_route=9 "
                              "(+4.5/s)\n"));
  EXPECT_THAT(text, HasSubstr("\ngone\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(TextOf(TopFrame({.now = &now}, 200, 24)),
              HasSubstr("dropped no_service=25 no_route=9\n"));
}

}  // namespace
}  // namespace ballast::ctl
