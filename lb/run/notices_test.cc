#include "lb/run/notices.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace ballast::run {
namespace {

TEST(NoticesTest, TheFirstAndHowManyMore) {
  Notices notices;
  EXPECT_EQ(notices.Take(), std::nullopt);
  const auto put = [&](const char* text) {
    notices.Put([&] { return std::string(text); });
  };
  put("a");
  EXPECT_EQ(notices.Take(), "a");
  EXPECT_EQ(notices.Take(), std::nullopt);
  put("b");
  put("c");
  put("d");
  EXPECT_EQ(notices.Take(), "b (and 2 more)");
  EXPECT_EQ(notices.Take(), std::nullopt);
}

}  // namespace
}  // namespace ballast::run
