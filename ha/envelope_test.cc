#include "ha/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "ha/pair_key.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAreArray;
using ::testing::Not;
using ::testing::SizeIs;

using Bytes = std::vector<uint8_t>;
using Keys = std::vector<PairKey>;

constexpr uint8_t kPair = 7;
constexpr uint16_t kUnit = 1;
constexpr uint16_t kPeer = 2;
constexpr BootId kBoot = 0x1111;
constexpr BootId kPeerBoot = 0x2222;

PairKey Key(uint8_t fill) {
  PairKey key;
  key.fill(fill);
  return key;
}

std::span<const uint8_t> View(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Bytes Seal(Sealer& sealer, EnvelopeType type, absl::string_view payload) {
  Bytes out;
  sealer.Seal(type, View(payload), out);
  return out;
}

std::string Text(const Opened& opened) {
  return std::string(opened.payload.begin(), opened.payload.end());
}

// The peer seals, this unit opens.
class EnvelopeTest : public ::testing::Test {
 protected:
  Bytes Seal(absl::string_view payload) {
    return ha::Seal(sealer_, EnvelopeType::kSync, payload);
  }
  OpenError Open(const Bytes& envelope) {
    return opener_.Open(envelope, &opened_);
  }

  Keys keys_ = {Key(1)};
  Sealer sealer_{keys_, kPair, kPeer, kPeerBoot};
  Opener opener_{keys_, kPair, kUnit, kBoot};
  Opened opened_;
};

// -- Vectors -----------------------------------------------------------------

struct Vector {
  std::string how;
  PairKey key{};
  EnvelopeType type{};
  uint8_t virtual_id = 0;
  uint16_t unit = 0;
  BootId boot = 0;
  uint64_t sequence = 0;
  std::string payload;
  std::string envelope;
};

// testdata/envelope_vectors.txt: made by Node's crypto; see the .js beside it.
std::vector<Vector> ReadVectors() {
  std::ifstream file("ha/testdata/envelope_vectors.txt");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    if (line[0] == '#') continue;
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    Vector vector;
    uint32_t type, virtual_id, unit;
    if (fields.size() != 9 || !absl::SimpleAtoi(fields[2], &type) ||
        !absl::SimpleAtoi(fields[3], &virtual_id) ||
        !absl::SimpleAtoi(fields[4], &unit) ||
        !absl::SimpleHexAtoi(fields[5], &vector.boot) ||
        !absl::SimpleAtoi(fields[6], &vector.sequence)) {
      ADD_FAILURE() << line;
      continue;
    }
    vector.how = fields[0];
    vector.key = *ParsePairKey(fields[1]);
    vector.type = static_cast<EnvelopeType>(type);
    vector.virtual_id = static_cast<uint8_t>(virtual_id);
    vector.unit = static_cast<uint16_t>(unit);
    if (fields[7] != "-") vector.payload = absl::HexStringToBytes(fields[7]);
    vector.envelope = absl::HexStringToBytes(fields[8]);
    vectors.push_back(vector);
  }
  return vectors;
}

TEST(EnvelopeVectorTest, SealedByteForByteAsByNodesCrypto) {
  const auto vectors = ReadVectors();
  ASSERT_THAT(vectors, SizeIs(15));
  std::map<std::tuple<PairKey, uint16_t, BootId>, Sealer> sealers;
  for (const Vector& vector : vectors) {
    if (vector.how != "seal") continue;
    Sealer& sealer = sealers
                         .try_emplace({vector.key, vector.unit, vector.boot},
                                      Keys{vector.key}, vector.virtual_id,
                                      vector.unit, vector.boot)
                         .first->second;
    EXPECT_EQ(absl::BytesToHexString(vector.envelope), [&] {
      const Bytes out = Seal(sealer, vector.type, vector.payload);
      return absl::BytesToHexString(std::string(out.begin(), out.end()));
    }());
  }
}

TEST(EnvelopeVectorTest, OpensWhatNodesCryptoSealed) {
  for (const Vector& vector : ReadVectors()) {
    SCOPED_TRACE(absl::BytesToHexString(vector.envelope.substr(0, 32)));
    Opener opener(Keys{vector.key}, vector.virtual_id, kUnit, kBoot);
    Opened opened;
    ASSERT_EQ(opener.Open(View(vector.envelope), &opened), OpenError::kNone);
    EXPECT_EQ(opened.type, vector.type);
    EXPECT_EQ(opened.unit, vector.unit);
    EXPECT_EQ(opened.boot, vector.boot);
    EXPECT_EQ(opened.sequence, vector.sequence);
    EXPECT_EQ(Text(opened), vector.payload);
  }
}

// -- Nonces ------------------------------------------------------------------

// Sequences repeat from type to type, and from boot to boot; were the keys
// equal too, equal plaintexts would give equal ciphertexts.
TEST(EnvelopeNonceTest, NoTwoTypesUnitsBootsOrPairsShareAKeyStream) {
  const std::string payload(64, 'x');
  std::set<Bytes> ciphertexts;
  size_t count = 0;
  const auto add = [&](Sealer sealer) {
    for (const auto type :
         {EnvelopeType::kAdvert, EnvelopeType::kSync, EnvelopeType::kStream}) {
      for (int i = 0; i < 3; ++i) {
        const Bytes sealed = Seal(sealer, type, payload);
        ciphertexts.insert(Bytes(sealed.begin() + kEnvelopeHeaderSize,
                                 sealed.begin() + kEnvelopeHeaderSize + 64));
        ++count;
      }
    }
  };
  add(Sealer(Keys{Key(1)}, 7, 1, 100));
  add(Sealer(Keys{Key(2)}, 7, 1, 100));
  add(Sealer(Keys{Key(1)}, 8, 1, 100));
  add(Sealer(Keys{Key(1)}, 7, 2, 100));
  add(Sealer(Keys{Key(1)}, 7, 1, 101));
  EXPECT_EQ(count, 45u);
  EXPECT_THAT(ciphertexts, SizeIs(45));
}

TEST(EnvelopeNonceTest, SequencesGoOnWhenTheKeysChangeAndChangeBack) {
  Sealer sealer(Keys{Key(1)}, kPair, kPeer, kPeerBoot);
  const Bytes before = Seal(sealer, EnvelopeType::kSync, "same");
  sealer.SetKeys(Keys{Key(2)});
  Seal(sealer, EnvelopeType::kSync, "same");
  sealer.SetKeys(Keys{Key(1)});
  const Bytes after = Seal(sealer, EnvelopeType::kSync, "same");
  EXPECT_EQ(after[23], 3);
  EXPECT_THAT(Bytes(after.begin() + 32, after.end()),
              Not(ElementsAreArray(before.begin() + 32, before.end())));
}

TEST(EnvelopeNonceTest, SequencesGoOnInASealerThatWasMoved) {
  Sealer sealer(Keys{Key(1)}, kPair, kPeer, kPeerBoot);
  Seal(sealer, EnvelopeType::kSync, "one");
  Sealer moved(std::move(sealer));
  EXPECT_EQ(Seal(moved, EnvelopeType::kSync, "two")[23], 2);
}

// -- Refusals ----------------------------------------------------------------

TEST_F(EnvelopeTest, WhatThePeerSealsOpens) {
  ASSERT_EQ(Open(Seal("hello")), OpenError::kNone);
  EXPECT_EQ(Text(opened_), "hello");
  EXPECT_EQ(opened_.type, EnvelopeType::kSync);
  EXPECT_EQ(opened_.unit, kPeer);
  EXPECT_EQ(opened_.boot, kPeerBoot);
  EXPECT_EQ(opened_.sequence, 1u);
}

TEST_F(EnvelopeTest, SealAppends) {
  Bytes out = {1, 2, 3};
  sealer_.Seal(EnvelopeType::kSync, View("hello"), out);
  ASSERT_THAT(out, SizeIs(3 + kEnvelopeOverhead + 5));
  EXPECT_EQ(out[0], 1);
  EXPECT_EQ(Open(Bytes(out.begin() + 3, out.end())), OpenError::kNone);
}

TEST_F(EnvelopeTest, CutShortAnywhereIsRefused) {
  const Bytes whole = Seal("hello");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(
        Open(Bytes(whole.begin(), whole.begin() + size)),
        size < kEnvelopeOverhead ? OpenError::kTooShort : OpenError::kForged);
  }
}

TEST_F(EnvelopeTest, LongerByOneByteIsForged) {
  Bytes longer = Seal("hello");
  longer.push_back(0);
  EXPECT_EQ(Open(longer), OpenError::kForged);
}

// Which bit stands for what decides under which reason it is refused.
TEST_F(EnvelopeTest, AnySingleBitFlippedIsRefused) {
  const Bytes whole = Seal("hello");
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes flipped = whole;
    flipped[bit / 8] ^= 1 << (bit % 8);
    const size_t at = bit / 8;
    const uint8_t type = flipped[4];
    const OpenError expected =
        at < 4                              ? OpenError::kNotOurs
        : at == 4 && (type < 1 || type > 3) ? OpenError::kNotOurs
        : at == 5                           ? OpenError::kOtherPair
        : at >= 24 && at < 28               ? OpenError::kUnknownKey
        : at >= 28 && at < 32               ? OpenError::kNotOurs
        : at == 23 && flipped[23] == 0      ? OpenError::kNotOurs
                                            : OpenError::kForged;
    EXPECT_EQ(OpenErrorName(Open(flipped)), OpenErrorName(expected)) << bit;
  }
}

TEST_F(EnvelopeTest, OfAForgedMessageNothingIsHandedOut) {
  Bytes forged = Seal("hello");
  forged.back() ^= 1;
  opened_.unit = 99;
  EXPECT_EQ(Open(forged), OpenError::kForged);
  EXPECT_EQ(opened_.unit, 99);
  EXPECT_TRUE(opened_.payload.empty());
}

TEST_F(EnvelopeTest, OwnMulticastIsKnown) {
  Sealer own(keys_, kPair, kUnit, kBoot);
  EXPECT_EQ(Open(ha::Seal(own, EnvelopeType::kAdvert, "me")), OpenError::kOwn);
}

TEST_F(EnvelopeTest, AnotherPairsIsOtherPair) {
  Sealer other(keys_, kPair + 1, kPeer, kPeerBoot);
  EXPECT_EQ(Open(ha::Seal(other, EnvelopeType::kAdvert, "x")),
            OpenError::kOtherPair);
}

TEST_F(EnvelopeTest, AnotherKeysIsUnknownKey) {
  Sealer other(Keys{Key(9)}, kPair, kPeer, kPeerBoot);
  EXPECT_EQ(Open(ha::Seal(other, EnvelopeType::kAdvert, "x")),
            OpenError::kUnknownKey);
}

TEST_F(EnvelopeTest, AnotherKeyUnderOurKeysIdIsForged) {
  Sealer other(Keys{Key(9)}, kPair, kPeer, kPeerBoot);
  Bytes envelope = ha::Seal(other, EnvelopeType::kAdvert, "x");
  const Bytes ours = Seal("x");
  std::copy(ours.begin() + 24, ours.begin() + 28, envelope.begin() + 24);
  EXPECT_EQ(Open(envelope), OpenError::kForged);
}

// -- Key rotation ------------------------------------------------------------

// The order the header describes, with both units sending after each step and
// each step done on one unit before the other.
TEST(EnvelopeRotationTest, NoMessageIsRefusedWhileKeysRotate) {
  struct Unit {
    Sealer sealer;
    Opener opener;
  };
  const Keys old_only = {Key(1)};
  Unit a{{old_only, kPair, kUnit, kBoot}, {old_only, kPair, kUnit, kBoot}};
  Unit b{{old_only, kPair, kPeer, kPeerBoot},
         {old_only, kPair, kPeer, kPeerBoot}};
  const auto set = [](Unit& unit, Keys keys) {
    unit.sealer.SetKeys(keys);
    unit.opener.SetKeys(keys);
  };
  const auto talk = [&](const char* step) {
    for (const auto type :
         {EnvelopeType::kAdvert, EnvelopeType::kSync, EnvelopeType::kStream}) {
      Opened opened;
      EXPECT_EQ(b.opener.Open(Seal(a.sealer, type, "a"), &opened),
                OpenError::kNone)
          << step;
      EXPECT_EQ(a.opener.Open(Seal(b.sealer, type, "b"), &opened),
                OpenError::kNone)
          << step;
    }
  };
  talk("old only");
  set(a, {Key(1), Key(2)});
  talk("new last on one");
  set(b, {Key(1), Key(2)});
  talk("new last on both");
  set(a, {Key(2), Key(1)});
  talk("new first on one");
  set(b, {Key(2), Key(1)});
  talk("new first on both");
  set(a, {Key(2)});
  talk("old dropped on one");
  set(b, {Key(2)});
  talk("old dropped on both");

  // And then the old one opens nothing any more.
  Opened opened;
  Sealer holder_of_old(old_only, kPair, kPeer, kPeerBoot);
  EXPECT_EQ(
      a.opener.Open(Seal(holder_of_old, EnvelopeType::kSync, "x"), &opened),
      OpenError::kUnknownKey);
}

// -- Derived keys ------------------------------------------------------------

TEST_F(EnvelopeTest, AKeyIsDerivedOncePerPeerAndType) {
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Open(Seal("x")), OpenError::kNone);
  EXPECT_EQ(opener_.derivations(), 1u);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Open(ha::Seal(sealer_, EnvelopeType::kAdvert, "x")),
              OpenError::kNone);
  }
  EXPECT_EQ(opener_.derivations(), 2u);
}

TEST_F(EnvelopeTest, ForgedBootsPushOutNothing) {
  ASSERT_EQ(Open(Seal("x")), OpenError::kNone);
  for (uint8_t i = 0; i < 200; ++i) {
    Bytes forged = Seal("x");
    forged[15] ^= i + 1;
    ASSERT_EQ(Open(forged), OpenError::kForged);
  }
  const uint64_t derived = opener_.derivations();
  EXPECT_EQ(derived, 201u);
  ASSERT_EQ(Open(Seal("x")), OpenError::kNone);
  EXPECT_EQ(opener_.derivations(), derived);
}

class OldBootsTest : public EnvelopeTest {
 protected:
  // Recorded messages of so many old boots of the peer, repeated: authentic.
  void RepeatOldBoots(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      Sealer old(keys_, kPair, kPeer, 1000 + i);
      ASSERT_EQ(Open(ha::Seal(old, EnvelopeType::kSync, "old")),
                OpenError::kNone);
    }
  }
  uint64_t DerivationsOf(const Bytes& envelope) {
    const uint64_t before = opener_.derivations();
    EXPECT_EQ(Open(envelope), OpenError::kNone);
    return opener_.derivations() - before;
  }
};

TEST_F(OldBootsTest, FewerThanThereIsRoomForPushOutNothing) {
  ASSERT_EQ(Open(Seal("x")), OpenError::kNone);
  RepeatOldBoots(Opener::kDerivedKeyMax - 1);
  EXPECT_EQ(DerivationsOf(Seal("x")), 0u);
}

TEST_F(OldBootsTest, ManyPushOutAPeerThatIsNotPinned) {
  ASSERT_EQ(Open(Seal("x")), OpenError::kNone);
  RepeatOldBoots(Opener::kDerivedKeyMax);
  EXPECT_EQ(DerivationsOf(Seal("x")), 1u);
}

TEST_F(OldBootsTest, ManyLeaveThePinnedPeerAlone) {
  ASSERT_EQ(Open(Seal("x")), OpenError::kNone);
  opener_.Pin(kPeer, kPeerBoot);
  RepeatOldBoots(1000);
  EXPECT_EQ(DerivationsOf(Seal("x")), 0u);
  // Its other types come under the pin when they are first met.
  EXPECT_EQ(DerivationsOf(ha::Seal(sealer_, EnvelopeType::kAdvert, "x")), 1u);
  RepeatOldBoots(1000);
  EXPECT_EQ(DerivationsOf(ha::Seal(sealer_, EnvelopeType::kAdvert, "x")), 0u);
  EXPECT_EQ(DerivationsOf(Seal("x")), 0u);
}

TEST_F(OldBootsTest, APinEndsWhenTheNextBootIsPinned) {
  ASSERT_EQ(Open(Seal("x")), OpenError::kNone);
  opener_.Pin(kPeer, kPeerBoot);
  opener_.Pin(kPeer, kPeerBoot + 1);
  RepeatOldBoots(Opener::kDerivedKeyMax);
  EXPECT_EQ(DerivationsOf(Seal("x")), 1u);
}

TEST_F(OldBootsTest, EveryKeyTypeAndThePinLeaveRoomForOthers) {
  Keys keys;
  for (uint8_t i = 0; i < kPairKeyMax; ++i) keys.push_back(Key(i));
  keys_ = keys;
  opener_.SetKeys(keys);
  opener_.Pin(kPeer, kPeerBoot);
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < keys.size(); ++i) {
      sealer_.SetKeys(std::span(keys).subspan(i, 1));
      for (const auto type : {EnvelopeType::kAdvert, EnvelopeType::kSync,
                              EnvelopeType::kStream}) {
        EXPECT_EQ(DerivationsOf(ha::Seal(sealer_, type, "x")),
                  round == 0 ? 1u : 0u);
      }
    }
    RepeatOldBoots(100);
  }
}

TEST(OpenErrorTest, EveryErrorHasANameOfItsOwn) {
  std::set<std::string> names;
  for (size_t i = 0; i < kOpenErrorCount; ++i) {
    names.insert(OpenErrorName(static_cast<OpenError>(i)));
  }
  EXPECT_THAT(names, SizeIs(kOpenErrorCount));
  EXPECT_EQ(names.count("unknown"), 0u);
}

}  // namespace
}  // namespace ballast::ha
