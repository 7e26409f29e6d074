#include "lb/l7/request_match.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/http/message_reader.h"

namespace ballast::l7 {
namespace {

// A request as it came over the wire.
class RequestMatchTest : public ::testing::Test {
 protected:
  bool Is(const config::RequestMatch& match, const std::string& target,
          const std::string& host, const std::string& fields = "") {
    const std::string text = absl::StrCat(
        "GET ", target, " HTTP/1.1\r\nHost: ", host, "\r\n", fields, "\r\n");
    absl::string_view input = text;
    reader_.Begin();
    EXPECT_EQ(reader_.Next(&input), http::Read::kHead) << text;
    return Matches(match, reader_.head());
  }

  http::RequestReader reader_{http::Limits()};
};

TEST_F(RequestMatchTest, HostsWithoutPortInAnyCase) {
  const config::RequestMatch match = {.host = "www.example.org"};
  EXPECT_TRUE(Is(match, "/", "www.example.org"));
  EXPECT_TRUE(Is(match, "/", "WWW.Example.org:8080"));
  EXPECT_FALSE(Is(match, "/", "example.org"));
  EXPECT_FALSE(Is(match, "/", "www.example.org.evil.net"));
  EXPECT_TRUE(Is({.host = "[2001:db8::1]"}, "/", "[2001:db8::1]:80"));
  EXPECT_TRUE(Is({.host = "[2001:db8::1]"}, "/", "[2001:db8::1]"));
}

TEST_F(RequestMatchTest, AStarIsOneOrMoreLabels) {
  const config::RequestMatch match = {.host = "*.example.org"};
  EXPECT_TRUE(Is(match, "/", "a.example.org"));
  EXPECT_TRUE(Is(match, "/", "a.b.example.org"));
  EXPECT_FALSE(Is(match, "/", "example.org"));
  EXPECT_FALSE(Is(match, "/", ".example.org"));
  EXPECT_FALSE(Is(match, "/", "aexample.org"));
}

TEST_F(RequestMatchTest, PathsByWholeSegments) {
  const config::RequestMatch match = {.path_prefix = "/shop"};
  EXPECT_TRUE(Is(match, "/shop", "h"));
  EXPECT_TRUE(Is(match, "/shop/cart", "h"));
  EXPECT_TRUE(Is(match, "/shop?x=1", "h"));
  EXPECT_FALSE(Is(match, "/shopping", "h"));
  EXPECT_FALSE(Is(match, "/a/shop", "h"));
  EXPECT_FALSE(Is(match, "/Shop", "h"));
  EXPECT_TRUE(Is({.path_prefix = "/img/"}, "/img/a", "h"));
  EXPECT_FALSE(Is({.path_prefix = "/img/"}, "/img", "h"));
  EXPECT_TRUE(Is({.path_prefix = "/"}, "/anything", "h"));
}

TEST_F(RequestMatchTest, MethodsAndFields) {
  EXPECT_TRUE(Is({.method = "GET"}, "/", "h"));
  EXPECT_FALSE(Is({.method = "get"}, "/", "h"));
  EXPECT_TRUE(Is({.header = "x-a"}, "/", "h", "X-A: 1\r\n"));
  EXPECT_FALSE(Is({.header = "x-a"}, "/", "h"));
  const config::RequestMatch valued = {.header = "X-A", .header_value = "2"};
  EXPECT_TRUE(Is(valued, "/", "h", "X-A: 1\r\nx-a: 2\r\n"));
  EXPECT_FALSE(Is(valued, "/", "h", "X-A: 22\r\n"));
}

TEST_F(RequestMatchTest, AllOfOneAndAnyOfSeveral) {
  const config::RequestMatch both = {.host = "h", .path_prefix = "/a"};
  EXPECT_TRUE(Is(both, "/a", "h"));
  EXPECT_FALSE(Is(both, "/b", "h"));
  EXPECT_FALSE(Is(both, "/a", "g"));
  EXPECT_FALSE(MatchesAny({both, {.path_prefix = "/c"}}, reader_.head()));
  EXPECT_TRUE(MatchesAny({both, {.host = "g"}}, reader_.head()));
  EXPECT_TRUE(MatchesAny({}, reader_.head()));
}

}  // namespace
}  // namespace ballast::l7
