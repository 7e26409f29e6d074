#include "lb/health/http_dialogue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lb/health/dialogue_testing.h"

namespace ballast::health {
namespace {

using State = Dialogue::State;

std::shared_ptr<const HttpCheck> Make(const HttpCheck::Options& options) {
  auto check = HttpCheck::Create(options);
  EXPECT_TRUE(check.ok()) << check.status();
  return *check;
}
Dialogue::Step Answered(const HttpCheck::Options& options,
                        absl::string_view answer, size_t piece = 7,
                        bool ends = false) {
  const auto check = Make(options);
  return Hear([&] { return std::make_unique<HttpDialogue>(check); }, answer,
              piece, ends);
}
State Status(const HttpCheck::Options& options, int code) {
  return Answered(options, absl::StrCat("HTTP/1.1 ", code, " x\r\n\r\n")).state;
}

TEST(HttpDialogueTest, AsksForTheHeadOfRootInHttp10) {
  EXPECT_EQ(Make({})->request(), "HEAD / HTTP/1.0\r\n\r\n");
}

TEST(HttpDialogueTest, AsksAsConfigured) {
  EXPECT_EQ(Make({.method = HttpMethod::kGet,
                  .url = "/health?x=1",
                  .http11 = true,
                  .host = "www.example.com",
                  .headers = {{"User-Agent", "check"}, {"X-A", ""}}})
                ->request(),
            "GET /health?x=1 HTTP/1.1\r\nHost: www.example.com\r\n"
            "Connection: close\r\nUser-Agent: check\r\nX-A: \r\n\r\n");
  EXPECT_EQ(Make({.method = HttpMethod::kPost, .body = "a=b"})->request(),
            "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\na=b");
  EXPECT_EQ(Make({.method = HttpMethod::kOptions})->request(),
            "OPTIONS / HTTP/1.0\r\n\r\n");
}

// The vendor's lists.
TEST(HttpDialogueTest, CodesThatAreGoodByDefault) {
  for (const int code : {200, 204, 299, 301, 302, 401}) {
    EXPECT_EQ(Status({}, code), State::kUp) << code;
  }
  for (const int code : {300, 303, 307, 400, 403, 404, 500, 503}) {
    EXPECT_EQ(Status({}, code), State::kDown) << code;
  }
}

TEST(HttpDialogueTest, ConfiguredCodesReplaceTheDefaultOnesButFor2xx) {
  const HttpCheck::Options options{.codes = {404, 503}};
  for (const int code : {200, 206, 404, 503}) {
    EXPECT_EQ(Status(options, code), State::kUp) << code;
  }
  for (const int code : {301, 302, 401, 500}) {
    EXPECT_EQ(Status(options, code), State::kDown) << code;
  }
}

TEST(HttpDialogueTest, SaysTheCode) {
  EXPECT_EQ(Answered({}, "HTTP/1.0 503 Busy\r\n\r\n").why, "HTTP status 503");
}

TEST(HttpDialogueTest, ThePatternIsLookedForInTheBody) {
  const HttpCheck::Options options{.method = HttpMethod::kGet,
                                   .pattern = "st[ao]te: o?k"};
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n";
  for (const size_t piece : {1, 4, 1000}) {
    EXPECT_EQ(Answered(options, head + "state: ok!\n", piece).state,
              State::kUp);
    EXPECT_EQ(Answered(options, head + "state: bad\n", piece).state,
              State::kDown);
  }
  // Not in the head.
  EXPECT_EQ(Answered(options,
                     "HTTP/1.1 200 state: ok\r\nX: state: ok\r\n"
                     "Content-Length: 1\r\n\r\n.")
                .state,
            State::kDown);
  EXPECT_EQ(Answered(options,
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "4\r\nstat\r\n5\r\ne: ok\r\n0\r\n\r\n")
                .state,
            State::kUp);
  EXPECT_EQ(
      Answered(options, "HTTP/1.0 200 OK\r\n\r\nstate: ok", 5, true).state,
      State::kUp);
}

TEST(HttpDialogueTest, APatternIsForGoodAnswersToGetAndPostOnly) {
  const std::string empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  for (const HttpMethod method : {HttpMethod::kHead, HttpMethod::kOptions}) {
    EXPECT_EQ(Answered({.method = method, .pattern = "x"}, empty).state,
              State::kUp);
  }
  for (const HttpMethod method : {HttpMethod::kGet, HttpMethod::kPost}) {
    EXPECT_EQ(Answered({.method = method, .pattern = "x"}, empty).state,
              State::kDown);
  }
  EXPECT_EQ(Status({.method = HttpMethod::kGet, .pattern = "x"}, 302),
            State::kUp);
}

TEST(HttpDialogueTest, AnEndlessBodyIsSearchedSoFar) {
  const std::string body(Dialogue::kKeptMax + 100, 'a');
  const HttpCheck::Options options{.method = HttpMethod::kGet, .pattern = "b"};
  EXPECT_EQ(Answered(options, "HTTP/1.0 200 OK\r\n\r\n" + body, 1000).state,
            State::kDown);
}

TEST(HttpDialogueTest, InterimAnswersArePassedOver) {
  EXPECT_EQ(Answered({},
                     "HTTP/1.1 103 Early Hints\r\n\r\n"
                     "HTTP/1.1 200 OK\r\n\r\n")
                .state,
            State::kUp);
  EXPECT_EQ(Answered({}, "HTTP/1.1 101 Switching\r\n\r\n").state, State::kDown);
}

TEST(HttpDialogueTest, WhatIsNotHttpIsDown) {
  EXPECT_EQ(Answered({}, "SSH-2.0-OpenSSH_9.2\r\n\r\n").state, State::kDown);
  EXPECT_EQ(Answered({}, "HTTP/1.1 20", 1, true).state, State::kDown);
  EXPECT_EQ(Answered({}, "", 1, true).why, "closed before it had answered");
}

TEST(HttpDialogueTest, ABadPatternIsRefusedWithItsReason) {
  const auto check = HttpCheck::Create({.pattern = "a("});
  ASSERT_FALSE(check.ok());
  EXPECT_TRUE(absl::StrContains(check.status().message(), "missing )"))
      << check.status();
}

}  // namespace
}  // namespace ballast::health
