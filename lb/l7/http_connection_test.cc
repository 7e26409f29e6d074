// Requests, answers, upgrades: what goes well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/l7/http_rig.h"

namespace ballast::l7 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(HttpConnectionTest, OneRequestAndThenAnother) {
  rig().Client(kGet);
  EXPECT_EQ(rig().TakeLog(), "connect:1 ");
  EXPECT_TRUE(rig().may_reuse);
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), kGet);
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeClient(), kOk);
  EXPECT_EQ(rig().TakeLog(), "release ");
  EXPECT_TRUE(rig().connection.idle());

  rig().Client("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
  rig().Connected(true);
  EXPECT_THAT(rig().TakeServer(), testing::EndsWith("\r\n\r\nabc"));
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeLog(), "connect:2 release ");
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 answered", "2 answered"));
  EXPECT_EQ(counters.requests.value(), 2u);
  EXPECT_EQ(counters.responses.value(), 2u);
}

TEST_F(HttpConnectionTest, PipelinedRequestsAreAnsweredInOrder) {
  rig().Client(absl::StrCat(kGet, kGet,
                            "GET /last HTTP/1.1\r\nHost: h\r\n"
                            "Connection: close\r\n\r\n",
                            kGet));
  EXPECT_FALSE(rig().read_client);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(rig().connecting);
    rig().Connected();
    rig().Server(
        absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", i));
  }
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0"
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n"
            "\r\n2");
  // What followed "close" is not answered.
  EXPECT_EQ(counters.requests.value(), 3u);
  EXPECT_TRUE(rig().client_closed);
}

TEST_F(HttpConnectionTest, EveryRequestChoosesItsServer) {
  rig().chooser.script = {ServerChoice{.tag = 7}, ServerChoice{.tag = 8}};
  rig().Client(absl::StrCat(kGet, kGet));
  rig().Connected();
  rig().Server(kOk);
  rig().Connected();
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeLog(), "connect:7 release connect:8 release ");
  EXPECT_THAT(rig().chooser.asked, ElementsAre("GET /a 0", "GET /a 0"));
}

TEST_F(HttpConnectionTest, Http10ClosesUnlessAskedNotTo) {
  rig().Client("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), "GET / HTTP/1.1\r\nHost: 10.0.0.1:80\r\n\r\n");
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
            "Connection: keep-alive\r\n\r\nhi");
  rig().Client("GET / HTTP/1.0\r\n\r\n");
  rig().Connected();
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
            "hi");
  EXPECT_TRUE(rig().client_closed);
}

// RFC 9112 §9.6: who sends "close" sends no further request.
TEST_F(HttpConnectionTest, AClientThatAsksForTheEndIsNotWaitedFor) {
  rig().Client("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  rig().Connected();
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeLog(), "connect:1 release close-client ");
}

TEST_F(HttpConnectionTest, AnEmptyLineMayComeBehindABody) {
  rig().Client(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
      "Connection: close\r\n\r\nab");
  rig().Connected();
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeLog(), "connect:1 release linger-close ");
}

TEST_F(HttpConnectionTest, ChunksAreUnmadeForHttp10) {
  rig().Client("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  rig().Connected();
  rig().Server(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n");
  rig().Server("1\r\nc\r\n0\r\n\r\n");
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
  EXPECT_EQ(rig().TakeLog(), "connect:1 release linger-close ");
}

TEST_F(HttpConnectionTest, ABodyThatEndsWithTheServerIsChunked) {
  rig().Client(kGet);
  rig().Connected();
  rig().Server("HTTP/1.0 200 OK\r\n\r\nab");
  rig().Server("c");
  rig().ServerEnd();
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server ");
  EXPECT_FALSE(rig().client_closed);
}

TEST_F(HttpConnectionTest, TrailersPass) {
  rig().Client(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
      "\r\n1;x=y\r\na\r\n");
  rig().Connected();
  rig().Client("0\r\nX: y\r\n\r\n");
  EXPECT_EQ(rig().TakeServer(),
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            "1\r\na\r\n0\r\nX: y\r\n\r\n");
  rig().Server(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
      "Z: 1\r\n\r\n");
  EXPECT_THAT(rig().TakeClient(), testing::EndsWith("0\r\nZ: 1\r\n\r\n"));
  EXPECT_EQ(rig().TakeLog(), "connect:1 release ");
}

TEST_F(HttpConnectionTest, HeadHasALengthAndNoBody) {
  rig().Client("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  rig().Connected();
  rig().Server("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
  EXPECT_EQ(rig().TakeLog(), "connect:1 release ");
}

TEST_F(HttpConnectionTest, ResponseFieldsCanBeEdited) {
  rig().chooser.set_cookie = "LMPERSIST=1";
  rig().Client(kGet);
  rig().Connected();
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 200 OK\r\nSet-Cookie: LMPERSIST=1\r\n"
            "Content-Length: 2\r\n\r\nhi");
  EXPECT_THAT(rig().chooser.responses, ElementsAre("/a 200"));
}

// RFC 9110 §7.6.2
TEST_F(HttpConnectionTest, MaxForwardsCountsDown) {
  rig().Client("OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 1\r\n\r\n");
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(),
            "OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
  rig().Server(kOk);
  rig().TakeClient();
  rig().Client("OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 200 OK\r\n"));
  rig().Client("GET / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
  EXPECT_TRUE(rig().connecting);
  EXPECT_EQ(rig().chooser.asked.size(), 2u);
}

// 100-continue.

TEST_F(HttpConnectionTest, ContinueComesFromTheServer) {
  rig().Client(
      "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
      "Expect: 100-continue\r\n\r\n");
  rig().Connected();
  EXPECT_THAT(rig().TakeServer(), HasSubstr("Expect: 100-continue\r\n"));
  rig().Server("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(rig().TakeClient(), "HTTP/1.1 100 Continue\r\n\r\n");
  rig().Client("ab");
  EXPECT_EQ(rig().TakeServer(), "ab");
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeClient(), kOk);
  EXPECT_EQ(rig().TakeLog(), "connect:1 release ");
}

TEST_F(HttpConnectionTest, AnAnswerInsteadOfContinueEndsTheConnection) {
  rig().Client(
      "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
      "Expect: 100-continue\r\n\r\n");
  rig().Connected();
  rig().Server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n"
            "Connection: close\r\n\r\n");
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server linger-close ");
}

TEST_F(HttpConnectionTest, InterimResponsesAreNotForHttp10) {
  rig().Client("GET / HTTP/1.0\r\n\r\n");
  rig().Connected();
  rig().Server("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
  EXPECT_EQ(rig().TakeClient(), "");
}

TEST_F(HttpConnectionTest, TooManyInterimResponsesAreAnError) {
  rig().Client(kGet);
  rig().Connected();
  for (int i = 0; i < 16; ++i) rig().Server("HTTP/1.1 102 P\r\n\r\n");
  rig().TakeClient();
  rig().Server("HTTP/1.1 102 P\r\n\r\n");
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 502 "));
}

// Upgrade.

TEST_F(HttpConnectionTest, WebSocketBecomesATunnel) {
  rig().Client(absl::StrCat(kUpgrade, "early"));
  EXPECT_FALSE(rig().may_reuse);
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(),
            "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
            "Connection: upgrade\r\n\r\n");
  rig().Server(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\n\r\nfrom server");
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            "Connection: upgrade\r\n\r\nfrom server");
  EXPECT_EQ(rig().TakeServer(), "early");
  rig().Client(kGet);  // Bytes like others now.
  EXPECT_EQ(rig().TakeServer(), kGet);
  rig().TakeLog();
  rig().ClientEnd();
  EXPECT_EQ(rig().TakeLog(), "end-server ");
  rig().Server("bye");
  EXPECT_EQ(rig().TakeClient(), "bye");
  rig().ServerEnd();
  EXPECT_EQ(rig().TakeLog(), "close-server close-client ");
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 tunnelled"));
}

TEST_F(HttpConnectionTest, ATunnelCanEndFromTheServersSide) {
  rig().Client(kUpgrade);
  rig().Connected();
  rig().Server(
      "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\n\r\n");
  rig().TakeLog();
  rig().ServerEnd();
  EXPECT_EQ(rig().TakeLog(), "end-client ");
  rig().Client("still");
  EXPECT_THAT(rig().TakeServer(), HasSubstr("still"));
  rig().ClientEnd();
  EXPECT_THAT(rig().TakeLog(), HasSubstr("close-client"));
}

// The published "websocket smuggling": a refused upgrade taken for a tunnel.
TEST_F(HttpConnectionTest, ARefusedUpgradeIsNoTunnel) {
  rig().Client(absl::StrCat(kUpgrade,
                            "GET /hidden HTTP/1.1\r\nHost: h\r\n"
                            "\r\n"));
  rig().Connected();
  rig().TakeServer();
  rig().Server(
      "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n"
      "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  // The hidden request is an exchange of its own: chosen, and seen.
  EXPECT_EQ(rig().TakeServer(), "");
  EXPECT_THAT(rig().chooser.asked, ElementsAre("GET /chat 0", "GET /hidden 0"));
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server connect:2 ");
}

TEST_F(HttpConnectionTest, SwitchingWithoutBeingAskedIsAnError) {
  rig().Client(kGet);
  rig().Connected();
  rig().Server(
      "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\n\r\n");
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 502 "));
  EXPECT_EQ(outcomes(Outcome::kServerInvalid), 1u);
}

TEST_F(HttpConnectionTest, OtherProtocolsAreNotUpgradedTo) {
  rig().Client(
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
      "Connection: Upgrade, HTTP2-Settings\r\n\r\n");
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(counters.upgrades_ignored.value(), 1u);
}

TEST_F(HttpConnectionTest, ConnectIsRefusedUnlessAllowed) {
  const char kConnect[] = "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n";
  rig().Client(kConnect);
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 405 "));
  settings.allow_connect = true;
  Start();
  rig().Client(kConnect);
  rig().Connected();
  rig().Server("HTTP/1.1 200 OK\r\n\r\nx");
  EXPECT_EQ(rig().TakeClient(), "HTTP/1.1 200 OK\r\n\r\nx");
  rig().Client("y");
  EXPECT_THAT(rig().TakeServer(), testing::EndsWith("\r\n\r\ny"));
}

}  // namespace
}  // namespace ballast::l7
