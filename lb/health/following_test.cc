#include "lb/health/following.h"

#include <gtest/gtest.h>

#include <string>

#include "io/base/address.h"

namespace ballast::health {
namespace {

Following::Server Named(const std::string& server, const std::string& sub) {
  return {.protocol = Protocol::kTcp,
          .service = Endpoint::Parse("192.0.2.1:80").value(),
          .sub_service = sub,
          .server = Endpoint::Parse(server).value()};
}

TEST(FollowingTest, WhoIsNotKnownCountsAsUp) {
  Following following;
  const auto server = Named("10.0.0.1:80", "");
  EXPECT_TRUE(following.Up(server));
  following.Set(server, false);
  EXPECT_FALSE(following.Up(server));
  following.Forget(server);
  EXPECT_TRUE(following.Up(server));
}

TEST(FollowingTest, TellsOfChangesOfWhomOneFollowsAndOfNothingElse) {
  Following following;
  const auto server = Named("10.0.0.1:80", "");
  int told = 0;
  const auto handle = following.Follow(server, [&] { ++told; });
  following.Set(Named("10.0.0.1:80", "sub"), false);
  following.Set(Named("10.0.0.2:80", ""), false);
  following.Set(server, true);  // As it counted.
  EXPECT_EQ(told, 0);
  following.Set(server, false);
  following.Set(server, false);
  EXPECT_EQ(told, 1);
  following.Forget(server);
  EXPECT_EQ(told, 2);
  following.Unfollow(handle);
  following.Set(server, false);
  EXPECT_EQ(told, 2);
}

TEST(FollowingTest, ManyMayFollowOne) {
  Following following;
  const auto server = Named("10.0.0.1:80", "");
  int first = 0, second = 0;
  const auto handle = following.Follow(server, [&] { ++first; });
  following.Follow(server, [&] { ++second; });
  following.Set(server, false);
  following.Unfollow(handle);
  following.Set(server, true);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

}  // namespace
}  // namespace ballast::health
