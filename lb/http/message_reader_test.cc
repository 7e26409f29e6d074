// What RFC 9112 and 9110 say about well-formed messages, by section.
#include "lb/http/message_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/http/transcript.h"

namespace ballast::http {
namespace {

// The head of the one request in `stream`.
class OneRequest {
 public:
  explicit OneRequest(absl::string_view stream) : reader_(Limits{}) {
    reader_.Begin();
    EXPECT_EQ(reader_.Next(&stream), Read::kHead)
        << RefusalName(reader_.refusal());
  }
  const RequestHead* operator->() const { return &reader_.head(); }

 private:
  RequestReader reader_;
};

TEST(RequestReaderTest, ExampleOfSection3) {
  // RFC 9112 §3.2.1.
  const OneRequest head(
      "GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
  EXPECT_EQ(head->method, Method::kGet);
  EXPECT_EQ(head->target(), "/where?q=now");
  EXPECT_EQ(head->path(), "/where?q=now");
  EXPECT_EQ(head->host(), "www.example.org");
  EXPECT_EQ(head->framing, BodyFraming::kNone);
  EXPECT_TRUE(head->keep_alive);
}

TEST(RequestReaderTest, AbsoluteFormIsTakenApart) {
  // §3.2.2
  const OneRequest head(
      "GET http://www.example.org/pub/WWW/TheProject.html HTTP/1.1\r\n"
      "Host: www.example.org\r\n\r\n");
  EXPECT_EQ(head->path(), "/pub/WWW/TheProject.html");
  EXPECT_EQ(head->host(), "www.example.org");
}

TEST(RequestReaderTest, AbsoluteFormWithoutPathBecomesSlashOrAsterisk) {
  // §3.2.1, §3.2.4
  EXPECT_EQ(ReadRequests("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").rewritten,
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(
      ReadRequests("GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n").rewritten,
      "GET /?b HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(ReadRequests("OPTIONS http://www.example.org:8001 HTTP/1.1\r\n"
                         "Host: www.example.org:8001\r\n\r\n")
                .rewritten,
            "OPTIONS * HTTP/1.1\r\nHost: www.example.org:8001\r\n\r\n");
}

TEST(RequestReaderTest, AuthorityFormIsForConnect) {
  // §3.2.3
  const OneRequest head(
      "CONNECT www.example.com:80 HTTP/1.1\r\nHost: www.example.com:80\r\n"
      "\r\n");
  EXPECT_EQ(head->method, Method::kConnect);
  EXPECT_EQ(head->host(), "www.example.com:80");
}

TEST(RequestReaderTest, HostsOfAllKinds) {
  for (const char* host :
       {"a", "a.b.", "192.0.2.1", "192.0.2.1:8080", "[2001:db8::1]",
        "[::1]:443", "a:", "a%20b", "a_b", "a:65535"}) {
    EXPECT_EQ(
        ReadRequests(absl::StrCat("GET / HTTP/1.1\r\nHost: ", host, "\r\n\r\n"))
            .messages,
        1u)
        << host;
  }
}

TEST(RequestReaderTest, MethodsAreCaseSensitiveTokens) {
  EXPECT_EQ(OneRequest("get / HTTP/1.1\r\nHost: a\r\n\r\n")->method,
            Method::kOther);
  EXPECT_EQ(OneRequest("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n")->method_text(),
            "PROPFIND");
}

TEST(RequestReaderTest, OneEmptyLineBeforeARequestIsSkipped) {
  // §2.2
  EXPECT_EQ(ReadRequests("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").messages, 1u);
  EXPECT_EQ(ReadRequests("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", {},
                         [](size_t) { return 1; })
                .messages,
            1u);
}

TEST(RequestReaderTest, BlanksAroundAValueAreNotOfIt) {
  // §5
  const OneRequest head(
      "GET / HTTP/1.1\r\nHost:a\r\nX: \t y  z \t\r\nEmpty:  \r\n\r\n");
  EXPECT_EQ(head->fields.Find("x"), "y  z");
  EXPECT_EQ(head->fields.Find("EMPTY"), "");
  EXPECT_EQ(head->fields.Find("none"), std::nullopt);
}

TEST(RequestReaderTest, OtherOctetsOfAValueAreKept) {
  // RFC 9110 §5.5, obs-text.
  EXPECT_EQ(OneRequest("GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\r\n\r\n")
                ->fields.Find("X"),
            "\xe9\xff");
}

struct Persistence {
  const char* version;
  const char* fields;
  bool keep_alive;
};

TEST(RequestReaderTest, Persistence) {
  // §9.3, in its order.
  for (const Persistence& p : {
           Persistence{"1.1", "", true},
           Persistence{"1.1", "Connection: close\r\n", false},
           Persistence{"1.1", "Connection: a, CLOSE\r\n", false},
           Persistence{"1.1", "Connection: a\r\nConnection: close\r\n", false},
           Persistence{"1.1", "Connection: keep-alive, close\r\n", false},
           Persistence{"1.1", "Connection: closed\r\n", true},
           Persistence{"1.0", "", false},
           Persistence{"1.0", "Connection: Keep-Alive\r\n", true},
           Persistence{"1.0", "Connection: keep-alive, close\r\n", false},
           Persistence{"1.0", "Keep-Alive: 5\r\n", false},
           Persistence{"1.0", "Proxy-Connection: keep-alive\r\n", false},
       }) {
    EXPECT_EQ(OneRequest(absl::StrCat("GET / HTTP/", p.version,
                                      "\r\nHost: a\r\n", p.fields, "\r\n"))
                  ->keep_alive,
              p.keep_alive)
        << p.version << " " << p.fields;
  }
}

TEST(RequestReaderTest, ExpectationsOfHttp10AreIgnored) {
  // RFC 9110 §10.1.1
  const absl::string_view fields =
      "\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n";
  EXPECT_TRUE(
      OneRequest(absl::StrCat("POST / HTTP/1.1", fields))->expect_continue);
  EXPECT_FALSE(
      OneRequest(absl::StrCat("POST / HTTP/1.0", fields))->expect_continue);
}

TEST(RequestReaderTest, UpgradeNeedsTheConnectionOption) {
  // RFC 9110 §7.8
  const absl::string_view start = "GET / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_TRUE(OneRequest(absl::StrCat(start, "Upgrade: websocket\r\n",
                                      "Connection: Upgrade\r\n\r\n"))
                  ->upgrade);
  EXPECT_FALSE(
      OneRequest(absl::StrCat(start, "Upgrade: websocket\r\n\r\n"))->upgrade);
  EXPECT_FALSE(
      OneRequest(absl::StrCat(start, "Connection: Upgrade\r\n\r\n"))->upgrade);
  EXPECT_FALSE(OneRequest("GET / HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\n\r\n")
                   ->upgrade);
}

TEST(RequestReaderTest, PipelinedRequestsComeApart) {
  const Transcript t = ReadRequests(
      "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
      "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "A;x=y\r\n0123456789\r\n00a\r\nabcdefghij\r\n0\r\nX: y\r\nZ:\r\n\r\n"
      "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\n"
      "GET /4 HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /5 HTTP");
  EXPECT_EQ(t.text,
            "POST /1 host=a\n  Host: a\n  Content-Length: 3\n  [abc]\n"
            "POST /2 host=a\n  Host: a\n  Transfer-Encoding: Chunked\n"
            "  [0123456789abcdefghij]\n  trailer X: y\n  trailer Z: \n"
            "POST /3 host=a\n  Host: a\n  Content-Length: 000\n  []\n"
            "GET /4 host=a\n  Host: a\n  []\n");
  EXPECT_TRUE(t.in_head);
}

TEST(RequestReaderTest, EveryCutOfAStreamReadsAlike) {
  const std::string stream =
      "\r\nPOST /1 HTTP/1.1\r\nHost: a\r\nX:  y \r\nContent-Length: 3\r\n\r\n"
      "abcPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x=\"y\"\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX: y\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n";
  const Transcript whole = ReadRequests(stream);
  ASSERT_EQ(whole.messages, 3u);
  for (size_t size = 1; size < stream.size(); ++size) {
    const Transcript cut =
        ReadRequests(stream, {}, [size](size_t) { return size; });
    EXPECT_EQ(cut.text, whole.text) << "pieces of " << size;
    EXPECT_EQ(cut.rewritten, whole.rewritten);
    bool first = true;
    const Transcript twice = ReadRequests(stream, {}, [&](size_t left) {
      return std::exchange(first, false) ? size : left;
    });
    EXPECT_EQ(twice.text, whole.text) << "cut at " << size;
  }
}

// A sender that ends its lines with LF alone never sends what a strict reader
// waits for: it has to be told at once.
TEST(RequestReaderTest, BareLineFeedsAreRefusedBeforeTheHeadIsComplete) {
  for (const size_t piece : {1, 2, 3, 5, 1000}) {
    const Transcript t = ReadRequests("GET / HTTP/1.1\r\nHost: a\nX: y\n\n", {},
                                      [piece](size_t) { return piece; });
    EXPECT_TRUE(t.refusal == Refusal::kBareLineFeed)
        << RefusalName(t.refusal) << " in pieces of " << piece;
  }
}

// Limits: the last size that passes, and the next.
struct Limit {
  const char* name;
  Limits limits;
  std::string passes;
  std::string refused;
  Refusal refusal;
};

TEST(RequestReaderTest, LimitsAreExactHoweverTheStreamIsCut) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto size = [](const std::string& s) {
    return static_cast<uint32_t>(s.size());
  };
  for (const Limit& limit : {
           Limit{"head",
                 {.head_size_max = size(head) + 2},
                 head + "\r\n",
                 head + "A:\r\n\r\n",
                 Refusal::kHeadTooLarge},
           Limit{"first line",
                 {.head_size_max = 100},
                 head + "\r\n",
                 "GET /" + std::string(200, 'a'),
                 Refusal::kTargetTooLong},
           Limit{"target",
                 {.target_size_max = 4},
                 "GET /abc HTTP/1.1\r\nHost: a\r\n\r\n",
                 "GET /abcd HTTP/1.1\r\nHost: a\r\n\r\n",
                 Refusal::kTargetTooLong},
           Limit{"field",
                 {.field_size_max = 10},
                 head + "X: 12345\r\n\r\n",
                 head + "X: 123456\r\n\r\n",
                 Refusal::kFieldTooLong},
           Limit{"fields",
                 {.fields_max = 2},
                 head + "X:\r\n\r\n",
                 head + "X:\r\nX:\r\n\r\n",
                 Refusal::kTooManyFields},
           Limit{"trailer fields",
                 {.fields_max = 2},
                 chunked + "0\r\nA:\r\nA:\r\n\r\n",
                 chunked + "0\r\nA:\r\nA:\r\nA:\r\n\r\n",
                 Refusal::kTooManyFields},
           Limit{"chunk line",
                 {.chunk_head_size_max = 9},
                 chunked + "1;abcde\r\nx\r\n0\r\n\r\n",
                 chunked + "1;abcdef\r\nx\r\n0\r\n\r\n",
                 Refusal::kChunkHeadTooLong},
           Limit{"trailers",
                 {.chunk_head_size_max = 12},
                 chunked + "0\r\nA: bc\r\n\r\n",
                 chunked + "0\r\nA: bcd\r\n\r\n",
                 Refusal::kChunkHeadTooLong},
       }) {
    SCOPED_TRACE(limit.name);
    for (size_t piece : {1000, 1, 2, 5}) {
      const Cut cut = [piece](size_t) { return piece; };
      EXPECT_EQ(ReadRequests(limit.passes, limit.limits, cut).messages, 1u);
      const Transcript refused = ReadRequests(limit.refused, limit.limits, cut);
      EXPECT_TRUE(refused.refusal == limit.refusal)
          << RefusalName(refused.refusal) << " in pieces of " << piece;
      EXPECT_EQ(refused.messages, 0u);
    }
  }
}

TEST(RequestReaderTest, TooManyConnectionOptionsAreRefused) {
  std::string options = "Connection: a";
  for (int i = 1; i < 16; ++i) options += ",a";
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(ReadRequests(start + options + "\r\n\r\n").messages, 1u);
  EXPECT_EQ(ReadRequests(start + options + ",a\r\n\r\n").refusal,
            Refusal::kConnectionInvalid);
}

// Responses.

struct Body {
  const char* name;
  Method method;
  const char* status;
  const char* fields;
  const char* rest;
  const char* body;  // nullptr: refused.
  bool chunked_on = false;
};

TEST(ResponseReaderTest, LengthOfTheBody) {
  // §6.3, rule by rule. `rest` beyond the body would be another message.
  for (const Body& b : {
           Body{"HEAD", Method::kHead, "200 OK", "Content-Length: 5\r\n", "",
                ""},
           Body{"HEAD chunked", Method::kHead, "200 OK",
                "Transfer-Encoding: chunked\r\n", "", ""},
           Body{"204", Method::kGet, "204 No Content", "", "", ""},
           Body{"304", Method::kGet, "304 Not Modified",
                "Content-Length: 5\r\n", "", ""},
           Body{"100", Method::kGet, "100 Continue", "", "", ""},
           Body{"CONNECT 200", Method::kConnect, "200 OK",
                "Content-Length: 5\r\n", "", ""},
           Body{"CONNECT 403", Method::kConnect, "403 Forbidden",
                "Content-Length: 5\r\n", "abcde", "abcde"},
           Body{"length", Method::kGet, "200 OK", "Content-Length: 5\r\n",
                "abcde", "abcde"},
           Body{"length 0", Method::kGet, "200 OK", "Content-Length: 0\r\n", "",
                ""},
           Body{"chunked", Method::kGet, "200 OK",
                "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", "ab"},
           Body{"until close", Method::kGet, "200 OK", "", "abc\r\n0\r\n",
                "abc\r\n0\r\n"},
           Body{"until close, empty", Method::kGet, "200 OK", "", "", ""},
           Body{"both", Method::kGet, "200 OK",
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "abcde",
                nullptr},
           Body{"lengths", Method::kGet, "200 OK",
                "Content-Length: 5\r\nContent-Length: 5\r\n", "abcde", nullptr},
           Body{"gzip", Method::kGet, "200 OK", "Transfer-Encoding: gzip\r\n",
                "abcde", nullptr},
           Body{"short", Method::kGet, "200 OK", "Content-Length: 5\r\n",
                "abcd", nullptr},
           Body{"chunks cut off", Method::kGet, "200 OK",
                "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n", nullptr},
       }) {
    SCOPED_TRACE(b.name);
    const std::string stream =
        absl::StrCat("HTTP/1.1 ", b.status, "\r\n", b.fields, "\r\n", b.rest);
    for (size_t piece : {1000, 1, 3}) {
      const Transcript t = ReadResponses(stream, b.method, {},
                                         [piece](size_t) { return piece; });
      if (b.body == nullptr) {
        EXPECT_NE(t.refusal, Refusal::kNone);
        EXPECT_EQ(t.messages, 0u);
      } else {
        EXPECT_TRUE(t.refusal == Refusal::kNone) << RefusalName(t.refusal);
        EXPECT_EQ(t.messages, 1u);
        EXPECT_NE(t.text.find(absl::StrCat("  [", b.body, "]\n")),
                  std::string::npos)
            << t.text;
      }
    }
  }
}

TEST(ResponseReaderTest, FirstLines) {
  EXPECT_EQ(ReadResponses("HTTP/1.1 200 OK\r\n\r\n", Method::kHead).text,
            "200 OK\n  []\n");
  EXPECT_EQ(ReadResponses("HTTP/1.1 200 \r\n\r\n", Method::kHead).text,
            "200 \n  []\n");
  for (const char* line :
       {"HTTP/1.1 200\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n"}) {
    const Transcript t = ReadResponses(line, Method::kHead);
    EXPECT_NE(t.refusal, Refusal::kNone) << line;
    EXPECT_EQ(t.messages, 0u) << line;
  }
}

TEST(ResponseReaderTest, InterimResponsesComeBeforeTheFinalOne) {
  const Transcript t = ReadResponses(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n"
      "\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
      Method::kGet);
  EXPECT_EQ(t.text,
            "100 Continue\n  []\n103 Early Hints\n  Link: x\n  []\n"
            "200 OK\n  Content-Length: 1\n  [a]\n");
}

}  // namespace
}  // namespace ballast::http
