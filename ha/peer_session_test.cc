// Two units that speak through sealers and openers, and one who records: the
// rules S1 to S3 of envelope.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ha/envelope.h"
#include "ha/pair_key.h"

namespace ballast::ha {
namespace {

using Challenge = PeerSession::Challenge;
using Envelope = std::vector<uint8_t>;

constexpr uint8_t kPair = 7;

const std::array<PairKey, 1> kKeys = {};

// None twice: as good as random where nobody guesses.
Challenge NextChallenge() {
  static uint32_t next = 0;
  ++next;
  Challenge challenge{};
  for (size_t i = 0; i < 4; ++i) {
    challenge[i] = static_cast<uint8_t>(next >> (8 * i));
  }
  return challenge;
}

// One process of a unit. An advert is: the answer, then its own challenge.
class Unit {
 public:
  Unit(uint16_t unit, BootId boot)
      : sealer_(kKeys, kPair, unit, boot),
        opener_(kKeys, kPair, unit, boot),
        session_(NextChallenge()) {}

  Envelope Advert() {
    std::array<uint8_t, 32> payload;
    std::copy(given_.begin(), given_.end(), payload.begin());
    std::copy(session_.challenge().begin(), session_.challenge().end(),
              payload.begin() + 16);
    return Seal(EnvelopeType::kAdvert, payload);
  }
  Envelope Sync() { return Seal(EnvelopeType::kSync, {}); }
  Envelope Stream() { return Seal(EnvelopeType::kStream, {}); }

  OpenError Hear(const Envelope& envelope) {
    Opened opened;
    if (const auto error = opener_.Open(envelope, &opened);
        error != OpenError::kNone) {
      return error;
    }
    std::optional<Challenge> answer;
    if (opened.type == EnvelopeType::kAdvert) {
      answer.emplace();
      std::copy_n(opened.payload.begin(), 16, answer->begin());
      std::copy_n(opened.payload.begin() + 16, 16, given_.begin());
    }
    return session_.Accept(opened, answer, NextChallenge());
  }

  const PeerSession& session() const { return session_; }

 private:
  Envelope Seal(EnvelopeType type, std::span<const uint8_t> payload) {
    Envelope out;
    sealer_.Seal(type, payload, out);
    return out;
  }

  Sealer sealer_;
  Opener opener_;
  PeerSession session_;
  Challenge given_{};
};

// Each hears the other until both have proven themselves.
void Meet(Unit& a, Unit& b) {
  b.Hear(a.Advert());
  a.Hear(b.Advert());
  ASSERT_EQ(b.Hear(a.Advert()), OpenError::kNone);
  ASSERT_EQ(a.Hear(b.Advert()), OpenError::kNone);
}

TEST(PeerSessionTest, S1AnUnknownBootIsUnproven) {
  Unit a(1, 100), b(2, 200);
  EXPECT_EQ(a.Hear(b.Advert()), OpenError::kUnproven);
  EXPECT_EQ(a.Hear(b.Sync()), OpenError::kUnproven);
  EXPECT_EQ(a.Hear(b.Stream()), OpenError::kUnproven);
  EXPECT_EQ(a.session().boot(), std::nullopt);
}

TEST(PeerSessionTest, S2ABootThatReturnsOurChallengeIsProven) {
  Unit a(1, 100), b(2, 200);
  b.Hear(a.Advert());
  EXPECT_EQ(a.Hear(b.Advert()), OpenError::kNone);
  EXPECT_EQ(a.session().boot(), 200u);
  EXPECT_EQ(a.Hear(b.Sync()), OpenError::kNone);
  EXPECT_EQ(a.Hear(b.Stream()), OpenError::kNone);
}

TEST(PeerSessionTest, S2TheChallengeChangesWithEachProof) {
  Unit a(1, 100), b(2, 200);
  const Challenge before = a.session().challenge();
  a.Hear(b.Advert());
  EXPECT_EQ(a.session().challenge(), before);
  b.Hear(a.Advert());
  a.Hear(b.Advert());
  const Challenge after = a.session().challenge();
  EXPECT_NE(after, before);
  a.Hear(b.Advert());
  EXPECT_EQ(a.session().challenge(), after);
}

TEST(PeerSessionTest, S2AnAnswerOfZerosProvesNothing) {
  PeerSession session(Challenge{});
  const Opened opened = {
      .type = EnvelopeType::kAdvert, .unit = 2, .boot = 200, .sequence = 1};
  EXPECT_EQ(session.Accept(opened, Challenge{}, NextChallenge()),
            OpenError::kUnproven);
}

TEST(PeerSessionTest, S2OnlyAnAdvertAnswers) {
  const Challenge challenge = NextChallenge();
  PeerSession session(challenge);
  Opened opened = {
      .type = EnvelopeType::kSync, .unit = 2, .boot = 200, .sequence = 1};
  EXPECT_EQ(session.Accept(opened, challenge, NextChallenge()),
            OpenError::kUnproven);
  opened.type = EnvelopeType::kAdvert;
  EXPECT_EQ(session.Accept(opened, challenge, NextChallenge()),
            OpenError::kNone);
}

TEST(PeerSessionTest, S2EachBitOfTheAnswerCounts) {
  const Challenge challenge = NextChallenge();
  PeerSession session(challenge);
  for (size_t bit = 0; bit < 128; ++bit) {
    Challenge wrong = challenge;
    wrong[bit / 8] ^= 1 << (bit % 8);
    const Opened opened = {.type = EnvelopeType::kAdvert,
                           .unit = 2,
                           .boot = 200,
                           .sequence = bit + 1};
    EXPECT_EQ(session.Accept(opened, wrong, NextChallenge()),
              OpenError::kUnproven);
  }
}

TEST(PeerSessionTest, WhatWasRecordedBeforeThePeersRestartIsRefusedAfterIt) {
  Unit a(1, 100), b(2, 200);
  Meet(a, b);
  const Envelope advert = b.Advert(), sync = b.Sync(), stream = b.Stream();
  Unit b2(2, 201);
  Meet(a, b2);
  EXPECT_EQ(a.session().boot(), 201u);
  EXPECT_EQ(a.Hear(advert), OpenError::kTooOld);
  EXPECT_EQ(a.Hear(sync), OpenError::kTooOld);
  EXPECT_EQ(a.Hear(stream), OpenError::kTooOld);
  EXPECT_EQ(a.Hear(b2.Sync()), OpenError::kNone);
}

// The peer lives on, so its boot id does not tell old from new.
TEST(PeerSessionTest, WhatWasRecordedBeforeOurRestartIsRefusedAfterTheProof) {
  Unit a(1, 100), b(2, 200);
  Meet(a, b);
  const Envelope old_sync = b.Sync(), old_stream = b.Stream();
  for (int i = 0; i < 10; ++i) b.Stream();
  const Envelope new_sync = b.Sync(), new_stream = b.Stream();
  ASSERT_EQ(a.Hear(new_sync), OpenError::kNone);
  Unit a2(1, 101);
  Meet(a2, b);
  for (const Envelope& recorded :
       {old_sync, old_stream, new_sync, new_stream}) {
    EXPECT_EQ(a2.Hear(recorded), OpenError::kReplayed);
  }
  EXPECT_EQ(a2.Hear(b.Sync()), OpenError::kNone);
  EXPECT_EQ(a2.Hear(b.Stream()), OpenError::kNone);
  EXPECT_EQ(a2.Hear(old_sync), OpenError::kReplayed);
}

TEST(PeerSessionTest, WhatWasRecordedBeforeOurRestartIsRefusedAfterIt) {
  Unit a(1, 100), b(2, 200);
  b.Hear(a.Advert());
  const Envelope answer = b.Advert();
  ASSERT_EQ(a.Hear(answer), OpenError::kNone);
  const Envelope advert = b.Advert(), sync = b.Sync(), stream = b.Stream();
  Unit a2(1, 101);
  for (const Envelope& recorded : {answer, advert, sync, stream}) {
    EXPECT_EQ(a2.Hear(recorded), OpenError::kUnproven);
  }
  EXPECT_EQ(a2.session().boot(), std::nullopt);
}

TEST(PeerSessionTest, WhatWasRecordedBeforeBothRestartedIsRefused) {
  Unit a(1, 100), b(2, 200);
  Meet(a, b);
  const Envelope of_a = a.Advert(), of_b = b.Advert();
  Unit a2(1, 101), b2(2, 201);
  EXPECT_EQ(a2.Hear(of_b), OpenError::kUnproven);
  EXPECT_EQ(b2.Hear(of_a), OpenError::kUnproven);
  // Nor do two recordings prove each other.
  EXPECT_EQ(a2.Hear(of_a), OpenError::kUnproven);
  Meet(a2, b2);
  EXPECT_EQ(a2.Hear(of_b), OpenError::kUnproven);
}

TEST(PeerSessionTest, AnAnswerRecordedIsWorthNothingToTheNextBoot) {
  Unit a(1, 100), b(2, 200), b2(2, 201);
  const Envelope asked = a.Advert();
  b.Hear(asked);
  b2.Hear(asked);
  const Envelope held_back = b2.Advert();
  ASSERT_EQ(a.Hear(b.Advert()), OpenError::kNone);
  EXPECT_EQ(a.Hear(held_back), OpenError::kUnproven);
}

TEST(PeerSessionTest, ABootThatIsOverStaysOverThoughItLives) {
  Unit a(1, 100), b(2, 200), b2(2, 201);
  Meet(a, b);
  Meet(a, b2);
  b.Hear(a.Advert());
  EXPECT_EQ(a.Hear(b.Advert()), OpenError::kTooOld);
  EXPECT_EQ(a.session().boot(), 201u);
}

TEST(PeerSessionTest, TheLastSixteenBootsOverAreRemembered) {
  Unit a(1, 100);
  std::vector<Unit> boots;
  for (BootId boot = 0; boot < 20; ++boot) {
    boots.emplace_back(2, boot);
    Meet(a, boots.back());
  }
  for (size_t boot = 0; boot < 19; ++boot) {
    EXPECT_EQ(a.Hear(boots[boot].Sync()),
              boot < 3 ? OpenError::kUnproven : OpenError::kTooOld)
        << boot;
  }
}

TEST(PeerSessionTest, TheSameBootIdOfAnotherUnitIsAnotherBoot) {
  Unit a(1, 100), b(2, 200), c(3, 200);
  Meet(a, b);
  EXPECT_EQ(a.Hear(c.Advert()), OpenError::kUnproven);
  EXPECT_EQ(a.Hear(c.Sync()), OpenError::kUnproven);
}

TEST(PeerSessionTest, S2NoAdvertOlderThanTheAnswerIsTaken) {
  Unit a(1, 100), b(2, 200);
  const Envelope first = b.Advert();
  b.Hear(a.Advert());
  const Envelope second = b.Advert();
  const Envelope third = b.Advert();
  ASSERT_EQ(a.Hear(second), OpenError::kNone);
  EXPECT_EQ(a.Hear(first), OpenError::kReplayed);
  EXPECT_EQ(a.Hear(second), OpenError::kReplayed);
  EXPECT_EQ(a.Hear(third), OpenError::kNone);
}

TEST(PeerSessionTest, S3EachMessageIsTakenOnce) {
  Unit a(1, 100), b(2, 200);
  Meet(a, b);
  for (const Envelope& envelope : {b.Advert(), b.Sync(), b.Stream()}) {
    EXPECT_EQ(a.Hear(envelope), OpenError::kNone);
    EXPECT_EQ(a.Hear(envelope), OpenError::kReplayed);
  }
}

TEST(PeerSessionTest, S3ReorderedWithinTheWindowIsTakenOnce) {
  Unit a(1, 100), b(2, 200);
  Meet(a, b);
  const Envelope one = b.Sync(), two = b.Sync(), three = b.Sync();
  EXPECT_EQ(a.Hear(three), OpenError::kNone);
  EXPECT_EQ(a.Hear(one), OpenError::kNone);
  EXPECT_EQ(a.Hear(two), OpenError::kNone);
  EXPECT_EQ(a.Hear(one), OpenError::kReplayed);
  EXPECT_EQ(a.Hear(two), OpenError::kReplayed);
}

TEST(PeerSessionTest, S3TypesAreCountedApart) {
  Unit a(1, 100), b(2, 200);
  Meet(a, b);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(a.Hear(b.Sync()), OpenError::kNone);
  }
  EXPECT_EQ(a.Hear(b.Advert()), OpenError::kNone);
  EXPECT_EQ(a.Hear(b.Stream()), OpenError::kNone);
}

// -- The window, sequence by sequence, after an answer of sequence 1 ---------

class WindowTest : public ::testing::Test {
 protected:
  WindowTest() {
    const Challenge challenge = NextChallenge();
    session_.emplace(challenge);
    session_->Accept(
        {.type = EnvelopeType::kAdvert, .unit = 2, .boot = 200, .sequence = 1},
        challenge, NextChallenge());
  }
  OpenError Take(uint64_t sequence) {
    return session_->Accept({.type = EnvelopeType::kSync,
                             .unit = 2,
                             .boot = 200,
                             .sequence = sequence},
                            std::nullopt, Challenge{});
  }
  std::optional<PeerSession> session_;
};

TEST_F(WindowTest, TheOldestInsideIs1023Before) {
  ASSERT_EQ(Take(5000), OpenError::kNone);
  EXPECT_EQ(Take(5000 - 1024), OpenError::kTooOld);
  EXPECT_EQ(Take(5000 - 1023), OpenError::kNone);
  EXPECT_EQ(Take(5000 - 1023), OpenError::kReplayed);
  EXPECT_EQ(Take(4999), OpenError::kNone);
}

TEST_F(WindowTest, MovesOnWithTheHighest) {
  ASSERT_EQ(Take(2000), OpenError::kNone);
  ASSERT_EQ(Take(2001), OpenError::kNone);
  EXPECT_EQ(Take(2001 - 1024), OpenError::kTooOld);
  EXPECT_EQ(Take(2001 - 1023), OpenError::kNone);
  EXPECT_EQ(Take(2000), OpenError::kReplayed);
}

TEST_F(WindowTest, ForgetsWhatItMovesOver) {
  for (uint64_t n = 2; n <= 1024; ++n) ASSERT_EQ(Take(n), OpenError::kNone);
  ASSERT_EQ(Take(1500), OpenError::kNone);
  // 1025..1499 use the places of 1..475, and have not been seen.
  for (uint64_t n = 1025; n < 1500; ++n) {
    ASSERT_EQ(Take(n), OpenError::kNone) << n;
  }
  for (uint64_t n = 477; n <= 1500; ++n) {
    ASSERT_EQ(Take(n), OpenError::kReplayed) << n;
  }
  EXPECT_EQ(Take(476), OpenError::kTooOld);
}

TEST_F(WindowTest, JumpsOfAnyWidthLeaveNothingSeen) {
  uint64_t at = 2;
  ASSERT_EQ(Take(at), OpenError::kNone);
  for (const uint64_t jump : {1022, 1023, 1024, 1025, 2047, 2048, 100000}) {
    at += jump;
    ASSERT_EQ(Take(at), OpenError::kNone) << jump;
    EXPECT_EQ(Take(at - 1), OpenError::kNone) << jump;
    EXPECT_EQ(Take(at - 500), OpenError::kNone) << jump;
  }
}

TEST_F(WindowTest, SequenceZeroIsNobodys) {
  EXPECT_EQ(Take(0), OpenError::kTooOld);
  ASSERT_EQ(Take(2), OpenError::kNone);
  EXPECT_EQ(Take(0), OpenError::kTooOld);
}

TEST_F(WindowTest, TheLastSequenceOfAllIsTaken) {
  ASSERT_EQ(Take(~uint64_t{0}), OpenError::kNone);
  EXPECT_EQ(Take(~uint64_t{0}), OpenError::kReplayed);
  EXPECT_EQ(Take(~uint64_t{0} - 1023), OpenError::kNone);
  EXPECT_EQ(Take(~uint64_t{0} - 1024), OpenError::kTooOld);
  EXPECT_EQ(Take(1), OpenError::kTooOld);
}

}  // namespace
}  // namespace ballast::ha
