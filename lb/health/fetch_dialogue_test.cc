#include "lb/health/fetch_dialogue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "lb/health/dialogue_testing.h"

namespace ballast::health {
namespace {

using State = Dialogue::State;

struct Fetched {
  Dialogue::Step step;
  std::string body;
};

Fetched Fetch(absl::string_view answer, size_t piece, bool ends) {
  auto body = std::make_shared<std::string>();
  Fetched fetched;
  fetched.step = Hear(
      [&] {
        return std::make_unique<FetchDialogue>("/load", "192.0.2.1", 8, body);
      },
      answer, piece, ends);
  fetched.body = *body;
  return fetched;
}

TEST(FetchDialogueTest, AsksWithAHost) {
  FetchDialogue dialogue("/load", "[::1]", 8, std::make_shared<std::string>());
  EXPECT_EQ(dialogue.OnOpen().send,
            "GET /load HTTP/1.0\r\nHost: [::1]\r\n\r\n");
}

// RFC 9112 §6: a body by its length, in chunks, or to the end.
TEST(FetchDialogueTest, GivesTheBodyHoweverItIsFramedAndCut) {
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}}) {
    for (const char* answer :
         {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n42\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          "1\r\n4\r\n2\r\n2\n\r\n0\r\n\r\n",
          "HTTP/1.1 103 Early Hints\r\n\r\n"
          "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n42\n"}) {
      const Fetched fetched = Fetch(answer, piece, /*ends=*/false);
      EXPECT_EQ(fetched.step.state, State::kUp) << answer << fetched.step.why;
      EXPECT_EQ(fetched.body, "42\n");
    }
    const Fetched to_the_end =
        Fetch("HTTP/1.0 200 OK\r\n\r\n42\n", piece, true);
    EXPECT_EQ(to_the_end.step.state, State::kUp);
    EXPECT_EQ(to_the_end.body, "42\n");
  }
}

TEST(FetchDialogueTest, SaysWhyNot) {
  EXPECT_EQ(Fetch("HTTP/1.0 404 No\r\n\r\n", 1000, true).step.why,
            "HTTP status 404");
  EXPECT_EQ(Fetch("HTTP/1.0 204 No\r\n\r\n", 1000, true).step.why,
            "HTTP status 204");
  EXPECT_EQ(Fetch("HTTP/1.0 200 OK\r\n\r\n123456789", 1000, true).step.why,
            "more than 8 bytes");
  EXPECT_EQ(Fetch("SSH-2.0-x\r\n", 1000, true).step.state, State::kDown);
  EXPECT_EQ(Fetch("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n4", 1000, true)
                .step.state,
            State::kDown);
}

}  // namespace
}  // namespace ballast::health
