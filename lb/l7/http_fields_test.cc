// Fields on their way through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "lb/l7/http_rig.h"

namespace ballast::l7 {
namespace {

using testing::HasSubstr;
using testing::Not;

// Davison, "Abusing HTTP hop-by-hop request headers" (2019): a client names in
// Connection what a proxy adds, and is taken for somebody nearer.
TEST_F(HttpConnectionTest, WhatIsAddedIsNotRemovedByTheClientsConnection) {
  settings.forwarding = {.x_forwarded_for = ForwardingFields::List::kAppend,
                         .x_forwarded_proto = true,
                         .x_forwarded_host = true,
                         .via = "ballast"};
  rig().Client(
      "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-A: b\r\n"
      "Connection: X-Forwarded-For, x-forwarded-proto, X-Forwarded-Host, "
      "Via, x-a\r\n\r\n");
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(),
            "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n"
            "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n"
            "Via: 1.1 ballast\r\n\r\n");
}

TEST_F(HttpConnectionTest, WhatIsAddedIsNotRemovedByTheServersConnection) {
  settings.forwarding.via = "ballast";
  rig().chooser.set_cookie = "LB=1";
  rig().Client(kGet);
  rig().Connected();
  rig().Server(
      "HTTP/1.1 200 OK\r\nConnection: Set-Cookie, via, X-A\r\nSet-Cookie: "
      "a=b\r\n"
      "X-A: b\r\nContent-Length: 0\r\n\r\n");
  const std::string answer = rig().TakeClient();
  EXPECT_THAT(answer, HasSubstr("Set-Cookie: LB=1\r\n"));
  EXPECT_THAT(answer, HasSubstr("Via: 1.1 ballast\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("X-A")));
  EXPECT_THAT(answer, Not(HasSubstr("a=b")));
}

// An upgrade needs the field that its Connection names.
TEST_F(HttpConnectionTest, AnUpgradeNamesMoreThanItself) {
  rig().Client(
      "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nX-A: b\r\n"
      "Connection: Upgrade, X-A\r\n\r\n");
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(),
            "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
            "Connection: upgrade\r\n\r\n");
}

}  // namespace
}  // namespace ballast::l7
