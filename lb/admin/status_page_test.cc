#include "lb/admin/status_page.h"

#include <re2/re2.h>

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ballast::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What the files name, from the page on.
std::set<std::string> Reachable() {
  std::set<std::string> seen = {"/"};
  std::set<std::string> open = seen;
  while (!open.empty()) {
    const std::string path = *open.begin();
    open.erase(open.begin());
    const PageFile* const file = FindPageFile(path);
    if (file == nullptr) {
      ADD_FAILURE() << path << " is named and not there";
      continue;
    }
    re2::StringPiece text(file->body.data(), file->body.size());
    std::string next;
    while (
        RE2::FindAndConsume(&text, R"re(["'](/page/[a-z.]+)["'])re", &next)) {
      if (seen.insert(next).second) open.insert(next);
    }
  }
  return seen;
}

TEST(StatusPageTest, EveryFileIsThereWithItsType) {
  EXPECT_EQ(Reachable().size(), 7u);
  EXPECT_THAT(FindPageFile("/")->body, HasSubstr("<!DOCTYPE html>"));
  EXPECT_EQ(FindPageFile("/")->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(FindPageFile("/page/style.css")->content_type,
            "text/css; charset=utf-8");
  EXPECT_EQ(FindPageFile("/page"), nullptr);
  EXPECT_EQ(FindPageFile("/page/../page/page.js"), nullptr);
}

// The policy would stop it in the browser, without a word to anybody.
TEST(StatusPageTest, NothingIsInlineAndNothingFromElsewhere) {
  for (const std::string& path : Reachable()) {
    std::string body(FindPageFile(path)->body);
    EXPECT_FALSE(RE2::PartialMatch(body, R"re(\s(style|on[a-z]+)=["'])re"))
        << path;
    EXPECT_FALSE(RE2::PartialMatch(body, R"(<script>|<style|innerHTML|eval\()"))
        << path;
    RE2::GlobalReplace(&body, "http://www\\.w3\\.org/2000/svg", "");
    EXPECT_THAT(body, Not(HasSubstr("://"))) << path;
  }
}

TEST(StatusPageTest, ThePolicyAllowsOwnFilesAlone) {
  std::string policy;
  for (const auto& [name, value] : PageFields()) {
    if (name == "Content-Security-Policy") policy = std::string(value);
  }
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, HasSubstr("script-src 'self';"));
  EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
}

}  // namespace
}  // namespace ballast::admin
