// Requests that are refused, and servers that are not to be had.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/l7/http_rig.h"

namespace ballast::l7 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// Errors.

TEST_F(HttpConnectionTest, AMalformedRequestIsRefusedAndCounted) {
  rig().Client("GET / HTTP/1.1\r\nHost: h\r\nA: b\n\r\n");
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
            "Content-Length: 16\r\nConnection: close\r\n\r\n400 Bad Request\n");
  EXPECT_EQ(rig().TakeLog(), "linger-close ");
  EXPECT_EQ(
      counters
          .request_refused[static_cast<size_t>(http::Refusal::kBareLineFeed)]
          .value(),
      1u);
  EXPECT_EQ(counters.replies[4].value(), 1u);
  EXPECT_THAT(rig().chooser.asked, IsEmpty());
}

TEST_F(HttpConnectionTest, ABadChunkIsRefusedIfNothingWasAnswered) {
  rig().Client(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
      "\r\n");
  rig().Connected();
  rig().Client("xyz\r\n");
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server linger-close ");
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 client_invalid"));
}

TEST_F(HttpConnectionTest, BodiesCanBeLimited) {
  settings.body_size_max = 3;
  rig().Client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 413 "));
  Start();
  rig().Client(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
      "\r\n3\r\nabc\r\n");
  rig().Connected();
  EXPECT_EQ(rig().TakeClient(), "");
  rig().Client("1\r\nd\r\n");
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpConnectionTest, HeadsCanBeTooLarge) {
  rig().Client(absl::StrCat("GET / HTTP/1.1\r\nHost: h\r\nX: ",
                            std::string(40000, 'x')));
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpConnectionTest, ADenialCanKeepTheConnection) {
  rig().chooser.script = {Denial{.status = 503}, Denial{.status = 503}};
  rig().Client(kGet);
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
            "Content-Length: 24\r\n\r\n503 Service Unavailable\n");
  EXPECT_FALSE(rig().client_closed);
  rig().Client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  EXPECT_THAT(rig().TakeClient(), HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(rig().TakeLog(), "linger-close ");
  EXPECT_EQ(counters.denied.value(), 2u);
}

// LoadMaster behaviour §5.5.
TEST_F(HttpConnectionTest, DenialsRedirectAndHavePagesOfTheirOwn) {
  settings.error_pages[503] = {.body = "<h1>sorry</h1>"};
  rig().chooser.script = {
      Denial{.status = 302, .location = "https://sorry.example/"},
      Denial{.status = 503},
      Denial{.status = 200, .body = "busy", .content_type = "text/plain"},
      Denial{.status = 0}};
  rig().Client(kGet);
  EXPECT_THAT(rig().TakeClient(),
              StartsWith("HTTP/1.1 302 Found\r\n"
                         "Location: https://sorry.example/\r\n"));
  rig().Client("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n"
            "Content-Length: 14\r\n\r\n");
  rig().Client(kGet);
  EXPECT_THAT(rig().TakeClient(), testing::EndsWith("busy"));
  rig().Client(kGet);
  EXPECT_EQ(rig().TakeClient(), "");
  EXPECT_EQ(rig().TakeLog(), "linger-close ");
}

TEST_F(HttpConnectionTest, ServersThatCannotBeReachedAreReplaced) {
  rig().Client("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
  rig().Failed();
  rig().Failed();
  EXPECT_EQ(rig().TakeLog(), "connect:1 connect:2 connect:3 ");
  rig().Connected();
  EXPECT_THAT(rig().TakeServer(), testing::EndsWith("\r\n\r\nx"));
  EXPECT_THAT(rig().chooser.asked,
              ElementsAre("POST /a 0", "POST /a 1", "POST /a 2"));
  EXPECT_THAT(rig().chooser.ended,
              ElementsAre("1 connect_failed", "2 connect_failed"));
  EXPECT_EQ(counters.retries.value(), 2u);
}

TEST_F(HttpConnectionTest, NoServerIs503AndNoAnswerToConnectIs504) {
  settings.stream.tries_max = 2;
  rig().Client(kGet);
  rig().Failed();
  rig().Failed();
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 503 "));
  Start();
  rig().Client(kGet);
  rig().Pass(absl::Seconds(4));
  rig().Pass(absl::Seconds(4));
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 504 "));
  EXPECT_EQ(rig().TakeLog(),
            "connect:1 close-server connect:2 close-server linger-close ");
}

TEST_F(HttpConnectionTest, AResponseThatIsNotPassedOnIs500) {
  rig().chooser.passes = false;
  rig().Client(kGet);
  rig().Connected();
  rig().TakeServer();
  rig().Server(kOk);
  EXPECT_THAT(rig().TakeClient(), StartsWith("HTTP/1.1 500 "));
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server linger-close ");
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 dropped"));
}

TEST_F(HttpConnectionTest, AnAnswerHasTheChoosersFields) {
  Denial denial{.status = 401, .body = "who?", .content_type = "text/plain"};
  denial.fields = {{"WWW-Authenticate", "Basic realm=\"x\""}};
  rig().chooser.script = {denial};
  rig().Client(kGet);
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\n"
            "WWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 4\r\n\r\n"
            "who?");
}

}  // namespace
}  // namespace ballast::l7
