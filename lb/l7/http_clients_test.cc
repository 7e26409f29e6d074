// Clients that leave or stall, times, back-pressure, draining.
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

// Clients that leave.

TEST_F(HttpConnectionTest, AnAbortedRequestClosesItsServer) {
  rig().Client(kGet);
  rig().Connected();
  rig().ClientGone();
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server reset-client ");
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 client_aborted"));
  EXPECT_EQ(rig().chooser.open, 0);
}

TEST_F(HttpConnectionTest, AHalfClosedClientGetsItsAnswer) {
  rig().Client(absl::StrCat(kGet, kGet));
  rig().ClientEnd();
  rig().Connected();
  rig().Server(kOk);
  rig().Connected();
  rig().Server(kOk);
  EXPECT_EQ(rig().TakeClient(), absl::StrCat(kOk, kOk));
  EXPECT_EQ(rig().TakeLog(),
            "connect:1 release connect:2 release close-client ");
}

TEST_F(HttpConnectionTest, AnEndInsideABodyIsAnAbort) {
  rig().Client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  rig().Connected();
  rig().ClientEnd();
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server close-client ");
  EXPECT_EQ(
      counters.request_refused[static_cast<size_t>(http::Refusal::kTruncated)]
          .value(),
      1u);
}

// Times.

TEST_F(HttpConnectionTest, AnIdleConnectionIsClosedAfter660Seconds) {
  rig().Client(kGet);
  rig().Connected();
  rig().Server(kOk);
  rig().TakeLog();
  EXPECT_EQ(rig().connection.deadline(), rig().now + absl::Seconds(660));
  rig().Pass(absl::Seconds(659));
  EXPECT_EQ(rig().TakeLog(), "");
  rig().Pass(absl::Seconds(1));
  EXPECT_EQ(rig().TakeLog(), "close-client ");
  EXPECT_EQ(counters.idle_closed.value(), 1u);
}

TEST_F(HttpConnectionTest, AHeadHasToArriveInTime) {
  rig().Client("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 59; ++i) {  // A byte a second does not help.
    rig().Pass(absl::Seconds(1));
    rig().Client("x");
  }
  EXPECT_EQ(rig().TakeClient(), "");
  rig().Pass(absl::Seconds(1));
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(counters.heads_timed_out.value(), 1u);
}

// LoadMaster behaviour §4.1: the idle timeout is of any silence.
TEST_F(HttpConnectionTest, AHeadThatIsNotGoneOnWithIsIdle) {
  settings.stream.idle_timeout = absl::Seconds(5);
  rig().Client("GET / HTTP/1.1\r\n");
  rig().Pass(absl::Seconds(4));
  rig().Client("x");
  rig().Pass(absl::Seconds(4));
  EXPECT_EQ(rig().TakeClient(), "");
  rig().Pass(absl::Seconds(1));
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(counters.heads_timed_out.value(), 1u);
}

TEST_F(HttpConnectionTest, ASilentServerIs504) {
  rig().Client(kGet);
  rig().Connected();
  rig().Pass(absl::Seconds(660));
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 504 "));
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 server_silent"));
}

TEST_F(HttpConnectionTest, AStalledUploadIs408) {
  rig().Client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  rig().Connected();
  rig().Pass(absl::Seconds(600));
  rig().Client("c");
  rig().Pass(absl::Seconds(600));
  EXPECT_EQ(rig().TakeClient(), "");
  rig().Pass(absl::Seconds(60));
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpConnectionTest, AnythingEitherWayKeepsATunnelOpen) {
  rig().Client(kUpgrade);
  rig().Connected();
  rig().Server(
      "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    rig().Pass(absl::Seconds(659));
    rig().Client("x");
    rig().Pass(absl::Seconds(659));
    rig().Server("x");
  }
  rig().TakeLog();
  rig().Pass(absl::Seconds(660));
  EXPECT_EQ(rig().TakeLog(), "close-server reset-client ");
}

TEST_F(HttpConnectionTest, AClientThatDoesNotReadIsCutOff) {
  rig().hold_client = true;
  rig().Client(kGet);
  rig().Connected();
  rig().Server(kOk);
  rig().Pass(absl::Seconds(660));
  rig().Pass(absl::Seconds(660));
  EXPECT_TRUE(rig().client_closed);
}

// Back-pressure.

TEST_F(HttpConnectionTest, ASlowClientStopsTheServer) {
  settings.stream.buffer_max = 1000;
  rig().hold_client = true;
  rig().Client(kGet);
  rig().Connected();
  rig().Server("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
  EXPECT_TRUE(rig().read_server);
  rig().Server(std::string(2000, 'a'));
  EXPECT_FALSE(rig().read_server);
  rig().FinishClientSend();
  EXPECT_FALSE(rig().read_server);  // 2000 more on their way.
  rig().FinishClientSend();
  EXPECT_TRUE(rig().read_server);
}

TEST_F(HttpConnectionTest, ASlowServerStopsTheClient) {
  settings.stream.buffer_max = 1000;
  rig().hold_server = true;
  rig().Client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n");
  EXPECT_TRUE(rig().read_client);  // One read ahead.
  rig().Client("x");
  EXPECT_FALSE(rig().read_client);
  rig().Connected();
  EXPECT_TRUE(rig().read_client);
  rig().Client(std::string(1000, 'a'));
  rig().Client("b");
  EXPECT_FALSE(rig().read_client);
  rig().FinishServerSend();
  rig().FinishServerSend();
  EXPECT_TRUE(rig().read_client);
}

TEST_F(HttpConnectionTest, DrainingFinishesTheAnswerAndSaysClose) {
  rig().Client(kGet);
  rig().Connected();
  rig().Do(rig().connection.Drain(rig().now));
  EXPECT_EQ(rig().TakeLog(), "connect:1 ");
  rig().Server(kOk);
  EXPECT_THAT(rig().TakeClient(), HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(rig().TakeLog(), "release linger-close ");
  Start();
  rig().Do(rig().connection.Drain(rig().now));
  EXPECT_EQ(rig().TakeLog(), "close-client ");
}

TEST_F(HttpConnectionTest, DroppingCutsBothLegs) {
  rig().Client(kGet);
  rig().Connected();
  rig().Do(rig().connection.Drop(rig().now));
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server reset-client ");
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 dropped"));
  EXPECT_EQ(rig().connection.deadline(), Instant::Never());
}

// RFC 9110 §7.6.1: what Connection names is removed "before forwarding", and
// not after something was added.
TEST_F(HttpConnectionTest, ConnectionNamesNothingThatWeAdd) {
  settings.forwarding = {.x_forwarded_for = ForwardingFields::List::kAppend,
                         .via = "us"};
  rig().chooser.set_cookie = "ours";
  rig().Client(
      "GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.51.100.1\r\n"
      "Own: 1\r\nConnection: own, keep-alive, x-forwarded-for, via\r\n\r\n");
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(),
            "GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n"
            "Via: 1.1 us\r\n\r\n");
  rig().Server(
      "HTTP/1.1 204 No Content\r\nSet-Cookie: theirs\r\n"
      "Connection: set-cookie, via\r\n\r\n");
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 204 No Content\r\nSet-Cookie: ours\r\n"
            "Via: 1.1 us\r\n\r\n");
}

}  // namespace
}  // namespace ballast::l7
