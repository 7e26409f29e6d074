#include "lb/health/binary_dialogue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "lb/health/dialogue_testing.h"

namespace ballast::health {
namespace {

using State = Dialogue::State;

Dialogue::Step Answered(const std::string& pattern, size_t match_length,
                        absl::string_view answer, size_t piece, bool ends) {
  return Hear(
      [&] {
        return std::make_unique<BinaryDialogue>("ask", pattern, match_length);
      },
      answer, piece, ends);
}

TEST(BinaryDialogueTest, AsksFirst) {
  EXPECT_EQ(BinaryDialogue("ask", "x", 0).OnOpen().send, "ask");
}

TEST(BinaryDialogueTest, FindsThePatternWhereverTheAnswerIsCut) {
  for (const size_t piece : {1, 2, 3, 4, 100}) {
    EXPECT_EQ(Answered("needle", 0, "a needl in a needle", piece, false).state,
              State::kUp)
        << piece;
  }
}

TEST(BinaryDialogueTest, SearchesMatchLenBytesOnly) {
  for (const size_t piece : {1, 3, 100}) {
    EXPECT_EQ(Answered("cd", 4, "abcdef", piece, false).state, State::kUp);
    EXPECT_EQ(Answered("de", 4, "abcdef", piece, false).state, State::kDown);
  }
}

TEST(BinaryDialogueTest, GoesOnUntilTheServerEnds) {
  EXPECT_EQ(Answered("x", 0, "abc", 1, false).state, State::kGoesOn);
  EXPECT_EQ(Answered("x", 0, "abc", 1, true).state, State::kDown);
}

TEST(BinaryDialogueTest, WithoutAPatternAnyAnswerWillDo) {
  EXPECT_EQ(Answered("", 0, "a", 1, false).state, State::kUp);
  EXPECT_EQ(Answered("", 0, "", 1, true).state, State::kDown);
}

TEST(BinaryDialogueTest, AnEndlessAnswerIsHeardSoFar) {
  const std::string endless(Dialogue::kKeptMax + 10, 'a');
  EXPECT_EQ(Answered("b", 0, endless, 1000, false).state, State::kDown);
}

}  // namespace
}  // namespace ballast::health
