// Retries, connections that are used again, and servers that misbehave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/l7/http_rig.h"

namespace ballast::l7 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Retries: RFC 9110 §9.2.2.

TEST_F(HttpConnectionTest, AStaleConnectionIsReplacedForAnIdempotentRequest) {
  rig().Client(kGet);
  rig().Connected(true);
  rig().ServerEnd();
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server connect:2 ");
  EXPECT_FALSE(rig().may_reuse);
  rig().TakeServer();
  rig().Connected();
  EXPECT_TRUE(rig().read_server);
  EXPECT_EQ(rig().TakeServer(), kGet);
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeClient(), kOk);
}

// E1: nothing was sent, whatever the method.
TEST_F(HttpConnectionTest, AServerWithoutTlsIsReplaced) {
  const std::string post =
      "POST / HTTP/1.1\r\nHost: shop.example:8443\r\nContent-Length: "
      "1\r\n\r\nx";
  rig().Client(post);
  EXPECT_EQ(rig().host, "shop.example:8443");
  rig().Failed(Outcome::kTlsFailed);
  rig().Failed(Outcome::kTlsNameFailed);
  EXPECT_EQ(rig().TakeLog(), "connect:1 connect:2 connect:3 ");
  EXPECT_EQ(rig().host, "shop.example:8443");
  EXPECT_EQ(counters.retries.value(), 2u);
  EXPECT_EQ(outcomes(Outcome::kTlsFailed), 1u);
  EXPECT_EQ(outcomes(Outcome::kTlsNameFailed), 1u);
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), post);
}

TEST_F(HttpConnectionTest, NoServerWithTlsIs502) {
  rig().Client(kGet);
  for (int i = 0; i < 3; ++i) rig().Failed(Outcome::kTlsFailed);
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 502 "));
}

TEST_F(HttpConnectionTest, ARetryIsNotRetried) {
  rig().Client(kGet);
  rig().Connected(true);
  rig().ServerGone();
  rig().Connected();
  rig().ServerGone();
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 502 "));
}

TEST_F(HttpConnectionTest, AStaleConnectionIsTheEndOfOtherRequests) {
  const char* kCases[] = {
      // Not idempotent.
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
      "PATCH / HTTP/1.1\r\nHost: h\r\n\r\n",
      "FROB / HTTP/1.1\r\nHost: h\r\n\r\n",
      // A body that is gone.
      "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"};
  for (const char* request : kCases) {
    Start();
    rig().Client(request);
    rig().Connected(true);
    rig().ServerEnd();
    EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 502 ")) << request;
    EXPECT_EQ(counters.retries.value(), 0u);
  }
}

TEST_F(HttpConnectionTest, ANewConnectionThatClosesIsNoStaleOne) {
  rig().Client(kGet);
  rig().Connected(false);
  rig().ServerEnd();
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 502 "));
}

TEST_F(HttpConnectionTest, NothingIsRetriedOnceAnswered) {
  rig().Client(kGet);
  rig().Connected(true);
  rig().Server("HTTP/1.1 103 E\r\n\r\n");
  rig().TakeClient();
  rig().ServerEnd();
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 502 "));
  EXPECT_EQ(counters.retries.value(), 0u);
}

TEST_F(HttpConnectionTest, UnsafeRequestsCanBeKeptOffUsedConnections) {
  settings.reuse_for_unsafe = false;
  rig().Client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(rig().may_reuse);
}

// Which connections are used again (E4).

TEST_F(HttpConnectionTest, SpoiledConnectionsAreClosed) {
  struct Case {
    const char* request;
    const char* response;
  };
  for (const Case& c : {
           Case{kGet,
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                "Connection: close\r\n\r\n"},
           Case{kGet, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
           // More than was asked for.
           Case{kGet, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP"},
           // CL.0: the server may take the body for a request.
           Case{"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nG",
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
           // Answered before the request was read.
           Case{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nG",
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
       }) {
    Start();
    rig().Client(c.request);
    rig().Connected();
    rig().Server(c.response);
    EXPECT_THAT(rig().TakeLog(), StartsWith("connect:1 close-server "))
        << c.response;
  }
}

TEST_F(HttpConnectionTest, UnaskedBytesDoNotReachTheClient) {
  rig().Client(kGet);
  rig().Connected();
  rig().Server(absl::StrCat(kOk,
                            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
                            "poison"));
  EXPECT_EQ(rig().TakeClient(), kOk);
}

// A response may come before the report that the request was sent.
TEST_F(HttpConnectionTest, AConnectionIsReleasedAfterItsSend) {
  rig().hold_server = true;
  rig().Client(kGet);
  rig().Connected();
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeClient(), kOk);
  EXPECT_EQ(rig().TakeLog(), "connect:1 ");
  rig().Client(kGet);
  rig().FinishServerSend();
  EXPECT_EQ(rig().TakeLog(), "release connect:2 ");
}

TEST_F(HttpConnectionTest, NoOtherServerWhileASendIsUnderWay) {
  rig().hold_server = true;
  rig().Client(kGet);
  rig().Connected();
  rig().Server(
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
      "\r\n");
  rig().Client(kGet);
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server ");
  rig().FinishServerSend();
  EXPECT_EQ(rig().TakeLog(), "connect:2 ");
}

// Servers that misbehave.

TEST_F(HttpConnectionTest, AServerThatBreaksOffLeavesTheAnswerIncomplete) {
  rig().Client(kGet);
  rig().Connected();
  rig().Server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
  rig().ServerEnd();
  EXPECT_THAT(rig().TakeClient(), testing::EndsWith("\r\n\r\nab"));
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server close-client ");
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 server_broke"));
}

TEST_F(HttpConnectionTest, AnIncompleteChunkedAnswerHasNoLastChunk) {
  rig().Client(kGet);
  rig().Connected();
  rig().Server(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n");
  rig().ServerEnd();
  EXPECT_THAT(rig().TakeClient(), Not(HasSubstr("0\r\n\r\n")));
  EXPECT_TRUE(rig().client_closed);
}

TEST_F(HttpConnectionTest, WhereTheEndIsTheFramingAResetTellsTheClient) {
  rig().Client("GET / HTTP/1.0\r\n\r\n");
  rig().Connected();
  rig().Server(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n");
  rig().ServerEnd();
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server reset-client ");
}

TEST_F(HttpConnectionTest, AResetIsNoEndOfABody) {
  rig().Client(kGet);
  rig().Connected();
  rig().Server("HTTP/1.1 200 OK\r\n\r\nab");
  rig().ServerGone();
  EXPECT_THAT(rig().TakeClient(), Not(HasSubstr("0\r\n\r\n")));
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 server_broke"));
}

TEST_F(HttpConnectionTest, GarbageIs502) {
  for (const char* garbage :
       {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"}) {
    Start();
    rig().Client(kGet);
    rig().Connected();
    rig().Server(garbage);
    EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 502 ")) << garbage;
    EXPECT_THAT(rig().chooser.ended, ElementsAre("1 server_invalid"));
  }
}

}  // namespace
}  // namespace ballast::l7
