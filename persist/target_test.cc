#include "persist/target.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace ballast::persist {
namespace {

// The forms of RFC 9112 §3.2, with its examples.
TEST(TargetTest, PathAndQueryOfEveryForm) {
  struct Case {
    const char* target;
    const char* path;
  };
  for (const Case& c : {
           Case{"/where?q=now", "/where?q=now"},
           Case{"/", "/"},
           Case{"http://www.example.org/pub/WWW/TheProject.html",
                "/pub/WWW/TheProject.html"},
           Case{"HTTPS://h:8/a/b?c", "/a/b?c"},
           Case{"http://www.example.org", "/"},
           Case{"http://www.example.org?q=1/2", "/?q=1/2"},
           Case{"/a#frag?x", "/a"},
           Case{"http://h#/x", "/"},
           Case{"/to?url=http://other/path", "/to?url=http://other/path"},
           Case{"?u=http://other/path", "?u=http://other/path"},
           Case{"www.example.com:80", "www.example.com:80"},
           Case{"*", "*"},
           Case{"", ""},
       }) {
    std::string scratch = "left over";
    EXPECT_EQ(PathAndQuery(c.target, scratch), c.path) << c.target;
  }
}

// Values as Python's urllib.parse.unquote_to_bytes gives them.
TEST(TargetTest, TheFirstItemOfTheNameDecoded) {
  struct Case {
    const char* target;
    const char* name;
    std::optional<absl::string_view> value;
  };
  for (const Case& c : {
           Case{"/p?user=anna", "user", "anna"},
           Case{"/p?a=1&user=anna&user=ben", "user", "anna"},
           Case{"/p?user=a%20b%2Fc%2f", "user", "a b/c/"},
           Case{"/p?user=a+b", "user", "a+b"},
           Case{"/p?user=100%&x=1", "user", "100%"},
           Case{"/p?user=%zz%4&x", "user", "%zz%4"},
           Case{"/p?user=%25%32%35", "user", "%25"},
           Case{"/p?user=%c3%A9", "user", "\xc3\xa9"},
           Case{"/p?us%65r=anna", "user", "anna"},
           Case{"/p?%75%73er=anna&user=ben", "user", "anna"},
           Case{"/p?User=anna", "user", std::nullopt},
           Case{"/p?user=a=b=", "user", "a=b="},
           Case{"/p?user", "user", ""},
           Case{"/p?user=", "user", ""},
           Case{"/p?&&user=1", "user", "1"},
           Case{"/p?xuser=1&userx=2", "user", std::nullopt},
           Case{"/p?x=1;user=2", "user", std::nullopt},
           Case{"/p?x=1#?user=2", "user", std::nullopt},
           Case{"/p?x=1&user=2#f", "user", "2"},
           Case{"/p?x=?user=1&user=2", "user", "2"},
           Case{"/user=1", "user", std::nullopt},
           Case{"", "user", std::nullopt},
           Case{"http://h?user=1", "user", "1"},
       }) {
    std::string scratch = "left over";
    EXPECT_EQ(QueryItem(c.target, c.name, scratch), c.value) << c.target;
  }
}

}  // namespace
}  // namespace ballast::persist
