#include "lb/tls/host_names.h"

#include <gtest/gtest.h>

namespace ballast::tls {
namespace {

// RFC 6125 §6.4.3, and its examples.
TEST(HostNamesTest, AWildcardStandsForOneLabel) {
  HostNames names;
  names.Add("default.test", 0);
  names.Add("*.example.com", 1);
  names.Add("bar.example.com", 2);
  names.Add("*.com", 3);
  EXPECT_EQ(names.Find("foo.example.com"), 1u);
  EXPECT_EQ(names.Find("bar.example.com"), 2u);
  EXPECT_EQ(names.Find("bar.foo.example.com"), 0u);
  EXPECT_EQ(names.Find("example.com"), 3u);
  EXPECT_EQ(names.Find("com"), 0u);
  EXPECT_EQ(names.Find(".example.com"), 0u);
  EXPECT_EQ(names.Find(""), 0u);
  EXPECT_EQ(names.Find("*.example.com"), 1u);  // As any label.
}

TEST(HostNamesTest, OfTwoTheFirstCounts) {
  HostNames names;
  names.Add("a.test", 1);
  names.Add("a.test", 2);
  EXPECT_EQ(names.Find("a.test"), 1u);
}

}  // namespace
}  // namespace ballast::tls
