#include "lb/http/writer.h"

#include <gtest/gtest.h>

#include <string>

#include "lb/http/message_reader.h"

namespace ballast::http {
namespace {

std::string Rewrite(absl::string_view stream, const RequestWriting& writing) {
  RequestReader reader(Limits{});
  reader.Begin();
  EXPECT_EQ(reader.Next(&stream), Read::kHead);
  std::string out = "<";
  WriteRequestHead(reader.head(), writing, &out);
  return out;
}

std::string Rewrite(absl::string_view stream, Method method,
                    const ResponseWriting& writing) {
  ResponseReader reader(Limits{});
  reader.Begin(method);
  EXPECT_EQ(reader.Next(&stream), Read::kHead);
  std::string out;
  WriteResponseHead(reader.head(), writing, &out);
  return out;
}

TEST(WriterTest, RequestOfHttp10GetsAHost) {
  EXPECT_EQ(Rewrite("GET /a HTTP/1.0\r\nX:y\r\n\r\n",
                    {.host_if_missing = "10.0.0.1:80"}),
            "<GET /a HTTP/1.1\r\nHost: 10.0.0.1:80\r\nX: y\r\n\r\n");
  EXPECT_EQ(Rewrite("GET http://b:1/a HTTP/1.0\r\n\r\n", {}),
            "<GET /a HTTP/1.1\r\nHost: b:1\r\n\r\n");
  EXPECT_EQ(Rewrite("CONNECT b:1 HTTP/1.0\r\n\r\n", {}),
            "<CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n");
}

TEST(WriterTest, FramingIsTheWritersOwn) {
  const absl::string_view stream =
      "POST /a HTTP/1.1\r\nHost: a\r\ncontent-length: 007\r\n\r\n";
  EXPECT_EQ(
      Rewrite(stream, {.framing = BodyFraming::kLength, .content_length = 7}),
      "<POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(Rewrite(stream, {.framing = BodyFraming::kChunked,
                             .connection = ConnectionOption::kClose}),
            "<POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            "Connection: close\r\n\r\n");
}

TEST(WriterTest, UpgradeAndExpectPassByConsentOnly) {
  const absl::string_view stream =
      "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n";
  EXPECT_EQ(Rewrite(stream, {.expect = false}),
            "<GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(Rewrite(stream, {.connection = ConnectionOption::kUpgrade}),
            "<GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n");
}

TEST(WriterTest, ResponseLengthOfHeadIsKept) {
  const absl::string_view stream =
      "HTTP/1.0 200 Fine\r\nContent-Length: 5\r\nServer: x\r\n\r\n";
  EXPECT_EQ(Rewrite(stream, Method::kHead,
                    {.connection = ConnectionOption::kKeepAlive,
                     .length_informs = true}),
            "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nServer: x\r\n"
            "Connection: keep-alive\r\n\r\n");
  EXPECT_EQ(Rewrite(stream, Method::kHead, {}),
            "HTTP/1.1 200 Fine\r\nServer: x\r\n\r\n");
}

TEST(WriterTest, Chunks) {
  std::string out;
  WriteChunk("0123456789abcdef0", &out);
  Fields trailers;
  trailers.Add("X-Sum", "1");
  // RFC 9110 §6.5.1
  trailers.Add("Host", "b");
  trailers.Add("authorization", "c");
  trailers.Add("X-Forwarded-For", "d");
  trailers.Add("Connection", "close");
  WriteLastChunk(trailers, &out);
  EXPECT_EQ(out, "11\r\n0123456789abcdef0\r\n0\r\nX-Sum: 1\r\n\r\n");
}

TEST(WriterTest, Replies) {
  std::string out;
  WriteReply({.status = 302, .location = "https://a/", .body = "moved"}, &out);
  EXPECT_EQ(out,
            "HTTP/1.1 302 Found\r\nLocation: https://a/\r\n"
            "Content-Type: text/plain\r\nContent-Length: 5\r\n"
            "Connection: close\r\n\r\nmoved");
  out.clear();
  WriteReply({.status = 503, .body = "x", .close = false, .head_only = true},
             &out);
  EXPECT_EQ(out,
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
            "Content-Length: 1\r\n\r\n");
  out.clear();
  WriteReply({.status = 429, .body = "x", .retry_after_s = 4294967295}, &out);
  EXPECT_EQ(out,
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 4294967295\r\n"
            "Content-Type: text/plain\r\nContent-Length: 1\r\n"
            "Connection: close\r\n\r\nx");
}

}  // namespace
}  // namespace ballast::http
