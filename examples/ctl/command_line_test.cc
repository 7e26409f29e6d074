#include "examples/ctl/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "examples/ctl/commands.h"
#include "io/base/status_matchers.h"

namespace ballast::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<CommandLine> Parse(absl::string_view text) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, ' ', absl::SkipEmpty());
  return ParseCommandLine(words, Commands());
}

TEST(CommandLineTest, OptionsStandAnywhereWithEitherSpelling) {
  for (const char* text :
       {"--socket=/a/b weight web 192.0.2.1:80 7 --json",
        "weight --json web --socket /a/b 192.0.2.1:80 7",
        "weight web 192.0.2.1:80 --json --socket=/a/b -- 7"}) {
    const auto line = Parse(text);
    ASSERT_THAT(line, IsOk()) << text;
    EXPECT_STREQ(line->command->words, "weight");
    EXPECT_THAT(line->call.arguments, ElementsAre("web", "192.0.2.1:80", "7"));
    EXPECT_EQ(line->call.Value("--socket", "none"), "/a/b");
    EXPECT_TRUE(line->call.Has("--json"));
  }
  EXPECT_EQ(Parse("status")->call.Value("--socket", "none"), "none");
}

TEST(CommandLineTest, WhatIsNotUnderstoodIsNamed) {
  const struct {
    const char* text;
    const char* why;
  } kCases[] = {
      {"", "give a command"},
      {"--json", "give a command"},
      {"key old", "no command begins with \"key old\""},
      {"status /run/control", "status: 1 arguments, must be 0"},
      {"servers a b", "servers: 2 arguments, must be 0 to 1"},
      {"drain web", "drain: 1 arguments, must be 2"},
      {"status --wide", "no option --wide"},
      {"status --json=yes", "--json: has no value"},
      {"status --socket", "--socket: must be followed by PATH"},
      {"status --json --json", "--json: is there twice"},
      {"key new --socket=/a", "key new: takes no --socket"},
  };
  for (const auto& one : kCases) {
    EXPECT_THAT(Parse(one.text), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr(one.why)))
        << one.text;
  }
}

TEST(CommandLineTest, HelpIsOfACommandOrOfAll) {
  const auto help = [](absl::string_view text) {
    const auto line = Parse(text);
    EXPECT_EQ(line->command, nullptr);
    return Help(line->call.arguments, Commands());
  };
  for (const char* text : {"--help", "-h", "help", "help none"}) {
    EXPECT_THAT(help(text), HasSubstr("usage: ballastctl COMMAND\n")) << text;
  }
  for (const char* text : {"drain --help", "help drain", "drain a b -h"}) {
    EXPECT_THAT(help(text),
                HasSubstr("usage: ballastctl drain SERVICE SERVER [OPTION...]"))
        << text;
  }
  EXPECT_THAT(help("help key"), HasSubstr("ballastctl key new\n"));
  EXPECT_THAT(help("help key"), HasSubstr("ballastctl key id FILE|KEY\n"));
}

// A row that takes an option which is none would refuse it.
TEST(CommandLineTest, EachCommandIsFoundWithItsOptions) {
  for (const Command& command : Commands()) {
    std::string text = command.words;
    for (const absl::string_view place :
         absl::StrSplit(command.arguments, ' ', absl::SkipEmpty())) {
      if (place[0] != '[') text += " x";
    }
    for (const absl::string_view option :
         absl::StrSplit(command.options, ' ', absl::SkipEmpty())) {
      const std::string with = text + " " + std::string(option);
      EXPECT_TRUE(Parse(with).ok() || Parse(with + "=x").ok()) << with;
    }
    const auto line = Parse(text);
    ASSERT_THAT(line, IsOk()) << text;
    EXPECT_EQ(line->command, &command) << text;
  }
}

}  // namespace
}  // namespace ballast::ctl
