// What a kernel's receiver does with a damaged message: each check of the IPVS
// sync notes §8.1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "ha/ipvs_wire.h"
#include "ha/ipvs_wire_testing.h"

namespace ballast::ha {
namespace {

using namespace ipvs_testing;  // NOLINT: made for this.
using ::testing::IsEmpty;
using ::testing::SizeIs;

// kNat twice, so that "the rest" can be told from "this one", damaged.
Bytes Two(const std::function<void(Bytes&)>& damage = [](Bytes&) {}) {
  Bytes bytes = FromHex(kNat);
  const Bytes entry(bytes.begin() + 8, bytes.end());
  bytes.insert(bytes.end(), entry.begin(), entry.end());
  bytes[4] = 2;
  damage(bytes);
  bytes[2] = static_cast<uint8_t>(bytes.size() >> 8);
  bytes[3] = static_cast<uint8_t>(bytes.size());
  return bytes;
}

// kNat with `hex` as options, and kNat plain behind it.
Bytes WithOptions(absl::string_view hex) {
  return Two([&](Bytes& bytes) {
    Bytes options = FromHex(hex);
    bytes[11] = static_cast<uint8_t>(36 + options.size());
    while (options.size() % 4 != 0) options.push_back(0);
    bytes.insert(bytes.begin() + 44, options.begin(), options.end());
  });
}

const char kSequenceHex[] =
    "01 18 00000001 00000002 00000003 00000004 00000005 00000006";

void ExpectRefused(const Bytes& payload, IpvsReadError error) {
  const Outcome outcome = Read(payload);
  EXPECT_FALSE(outcome.info);
  EXPECT_THAT(outcome.entries, IsEmpty());
  EXPECT_EQ(outcome.errors(error), 1u);
  EXPECT_EQ(outcome.all_errors(), 1u);
  EXPECT_EQ(outcome.reader.messages, 0u);
}

// `left` entries were read before or after the bad one.
void ExpectLeft(const Bytes& payload, IpvsReadError error, size_t left) {
  const Outcome outcome = Read(payload);
  EXPECT_TRUE(outcome.info);
  EXPECT_THAT(outcome.entries, SizeIs(left));
  EXPECT_EQ(outcome.errors(error), 1u) << IpvsReadErrorName(error);
  EXPECT_EQ(outcome.all_errors(), 1u);
}
// The entries from the bad one on are left out.
void ExpectStop(const Bytes& payload, IpvsReadError error) {
  ExpectLeft(payload, error, 0);
}
// The bad one alone is.
void ExpectSkip(const Bytes& payload, IpvsReadError error) {
  ExpectLeft(payload, error, 1);
}

TEST(IpvsReadTest, TwoGoodEntries) {
  EXPECT_THAT(Read(Two()).entries, SizeIs(2));
  EXPECT_EQ(Read(Two()).all_errors(), 0u);
}

TEST(IpvsReadTest, LessThanFourBytesAreRefused) {
  ExpectRefused({}, IpvsReadError::kTooShort);
  ExpectRefused({0, 5, 0}, IpvsReadError::kTooShort);
}

TEST(IpvsReadTest, ASizeThatIsNotTheDatagramsIsRefused) {
  Bytes longer = FromHex(kNat);
  longer.push_back(0);
  ExpectRefused(longer, IpvsReadError::kWrongSize);
  Bytes shorter = FromHex(kNat);
  shorter.pop_back();
  ExpectRefused(shorter, IpvsReadError::kWrongSize);
}

TEST(IpvsReadTest, AnotherSyncIdIsRefused) {
  Bytes bytes = FromHex(kNat);
  bytes[1] = 6;
  ExpectRefused(bytes, IpvsReadError::kOtherSyncId);
}

TEST(IpvsReadTest, AMessagesSyncId0IsNoWildcard) {
  Bytes bytes = FromHex(kNat);
  bytes[1] = 0;
  ExpectRefused(bytes, IpvsReadError::kOtherSyncId);
}

TEST(IpvsReadTest, AnySyncIdTakesAll) {
  Bytes bytes = FromHex(kNat);
  bytes[1] = 200;
  const Outcome outcome = Read(bytes, {.any_syncid = true});
  ASSERT_TRUE(outcome.info);
  EXPECT_EQ(outcome.info->syncid, 200);
  EXPECT_THAT(outcome.entries, SizeIs(1));
}

TEST(IpvsReadTest, ACountTooHighCostsNothingElse) {
  const Outcome outcome = Read(Two([](Bytes& bytes) { bytes[4] = 9; }));
  EXPECT_THAT(outcome.entries, SizeIs(2));
  EXPECT_EQ(outcome.errors(IpvsReadError::kEntryTruncated), 1u);
}

TEST(IpvsReadTest, ACountTooLowLeavesTheRest) {
  const Outcome outcome = Read(Two([](Bytes& bytes) { bytes[4] = 1; }));
  EXPECT_THAT(outcome.entries, SizeIs(1));
  EXPECT_EQ(outcome.all_errors(), 0u);
}

TEST(IpvsReadTest, AnEntryCutShortEndsTheMessage) {
  ExpectLeft(Two([](Bytes& bytes) { bytes.pop_back(); }),
             IpvsReadError::kEntryTruncated, 1);
}

TEST(IpvsReadTest, AnEntrySizeBeyondTheDatagramEndsTheMessage) {
  ExpectLeft(Two([](Bytes& bytes) { bytes[44 + 3] = 37; }),
             IpvsReadError::kEntryTruncated, 1);
  ExpectStop(Two([](Bytes& bytes) { bytes[8 + 2] = 0x0f; }),
             IpvsReadError::kEntryTruncated);
}

TEST(IpvsReadTest, AnotherEntryVersionEndsTheMessage) {
  ExpectStop(Two([](Bytes& bytes) { bytes[8 + 2] = 0x10; }),
             IpvsReadError::kEntryVersion);
}

TEST(IpvsReadTest, AnUnknownEntryTypeEndsTheMessage) {
  ExpectStop(Two([](Bytes& bytes) { bytes[8] = 2; }),
             IpvsReadError::kEntryType);
}

TEST(IpvsReadTest, OtherTypeBitsBesideIpv6AreIgnored) {
  Bytes bytes = FromHex(kMixed);
  bytes[8] = 0x81;
  EXPECT_THAT(Read(bytes).entries, SizeIs(2));
}

TEST(IpvsReadTest, AnEntrySizeBelowItsFamilysEndsTheMessage) {
  ExpectStop(Two([](Bytes& bytes) { bytes[8 + 3] = 35; }),
             IpvsReadError::kEntrySize);
  ExpectStop(Two([](Bytes& bytes) { bytes[8 + 3] = 0; }),
             IpvsReadError::kEntrySize);
  // An IPv6 entry of 36 bytes.
  ExpectStop(Two([](Bytes& bytes) { bytes[8] = 1; }),
             IpvsReadError::kEntrySize);
}

TEST(IpvsReadTest, SequencesAreRead) {
  const Outcome outcome = Read(WithOptions(kSequenceHex));
  ASSERT_THAT(outcome.entries, SizeIs(2));
  ASSERT_TRUE(outcome.entries[0].options.sequence);
  const auto& [in, out] = *outcome.entries[0].options.sequence;
  EXPECT_EQ(in, (SequenceAdjust{1, 2, 3}));
  EXPECT_EQ(out, (SequenceAdjust{4, 5, 6}));
  EXPECT_EQ(outcome.entries[0].size, 62u);
  EXPECT_FALSE(outcome.entries[1].options.sequence);
}

TEST(IpvsReadTest, AKnownOptionWithTheIgnorableBitIsTheKnownOne) {
  std::string hex = kSequenceHex;
  hex[0] = '4';
  const Outcome outcome = Read(WithOptions(hex));
  ASSERT_THAT(outcome.entries, SizeIs(2));
  EXPECT_TRUE(outcome.entries[0].options.sequence);
}

TEST(IpvsReadTest, AMalformedOptionEndsTheMessage) {
  for (const char* hex : {
           "01",              // A stray byte.
           "44 00",           // Length 0.
           "02 03 6161",      // Longer than the entry.
           "01 04 00000000",  // A sequence of another length.
           "7d 04 00000000",  // The same of our own detail.
           "03 11 6161616161616161616161616161616161",  // A name of 17.
       }) {
    SCOPED_TRACE(hex);
    ExpectStop(WithOptions(hex), IpvsReadError::kOptionMalformed);
  }
}

TEST(IpvsReadTest, AnOptionTwiceEndsTheMessage) {
  const std::string sequence = kSequenceHex;
  const std::string detail = "7d 10 00000001 00000002 00000003 00000004";
  for (const std::string& hex :
       {sequence + sequence, std::string("02 01 61 02 01 61"),
        std::string("03 01 61 03 01 61"), detail + detail}) {
    SCOPED_TRACE(hex);
    ExpectStop(WithOptions(hex), IpvsReadError::kOptionTwice);
  }
}

TEST(IpvsReadTest, AnUnknownOptionSkipsItsEntry) {
  ExpectSkip(WithOptions("04 01 00"), IpvsReadError::kOptionUnknown);
  ExpectSkip(WithOptions("3d 10 00000001 00000002 00000003 00000004"),
             IpvsReadError::kOptionUnknown);
}

TEST(IpvsReadTest, AnUnknownOptionThatMayBeIgnoredIs) {
  const Outcome outcome = Read(WithOptions("44 01 00"));
  EXPECT_THAT(outcome.entries, SizeIs(2));
  EXPECT_EQ(outcome.all_errors(), 0u);
}

TEST(IpvsReadTest, EngineDataWithoutNameSkipsTheEntry) {
  ExpectSkip(WithOptions("02 01 61"), IpvsReadError::kPersistenceEngine);
}

TEST(IpvsReadTest, AnUnknownProtocolSkipsTheEntry) {
  ExpectSkip(Two([](Bytes& bytes) { bytes[8 + 1] = 1; }),
             IpvsReadError::kProtocol);
}

TEST(IpvsReadTest, AStateOutOfRangeSkipsTheEntry) {
  struct Range {
    uint8_t protocol;
    uint8_t states;
  };
  for (const Range range :
       {Range{6, 11}, {132, 14}, {17, 1}, {50, 1}, {51, 1}}) {
    SCOPED_TRACE(int{range.protocol});
    const auto with_state = [&](uint8_t state) {
      return Two([&](Bytes& bytes) {
        bytes[8 + 1] = range.protocol;
        bytes[8 + 9] = state;
      });
    };
    EXPECT_THAT(Read(with_state(range.states - 1)).entries, SizeIs(2));
    ExpectSkip(with_state(range.states), IpvsReadError::kState);
  }
  ExpectSkip(Two([](Bytes& bytes) { bytes[8 + 8] = 1; }),
             IpvsReadError::kState);
}

TEST(IpvsReadTest, AOnePacketConnectionIsSkipped) {
  ExpectSkip(Two([](Bytes& bytes) { bytes[8 + 6] = 0x20; }),
             IpvsReadError::kFlags);
}

TEST(IpvsReadTest, ATemplateWithoutClientPortFlagIsTakenWithItSkipped) {
  const auto with_flags = [](uint8_t high) {
    return Two([&](Bytes& bytes) { bytes[8 + 6] = high; });
  };
  EXPECT_THAT(Read(with_flags(0x10)).entries, SizeIs(2));
  ExpectSkip(with_flags(0x18), IpvsReadError::kFlags);
  // A connection may have it: an FTP data connection announced.
  EXPECT_THAT(Read(with_flags(0x08)).entries, SizeIs(2));
}

TEST(IpvsReadTest, ATemplateHasState0Or1) {
  const auto with_state = [](uint8_t state) {
    return Two([&](Bytes& bytes) {
      bytes[8 + 6] = 0x11;
      bytes[8 + 9] = state;
    });
  };
  EXPECT_THAT(Read(with_state(0)).entries, SizeIs(2));
  EXPECT_THAT(Read(with_state(1)).entries, SizeIs(2));
  ExpectSkip(with_state(2), IpvsReadError::kFlags);
}

TEST(IpvsReadTest, AnotherHeaderVersionIsAnEmptyVersion0Message) {
  for (const size_t byte : {5, 6, 7}) {
    SCOPED_TRACE(byte);
    Bytes bytes = FromHex(kNat);
    bytes[byte] = 2;
    const Outcome outcome = Read(bytes);
    ASSERT_TRUE(outcome.info);
    EXPECT_EQ(outcome.info->version, 0);
    EXPECT_EQ(outcome.info->count, 0);
    EXPECT_THAT(outcome.entries, IsEmpty());
  }
}

TEST(IpvsReadTest, AVersion0EntryCutShortEndsTheMessage) {
  Bytes bytes = FromHex(kVersion0);
  bytes.pop_back();
  bytes[3] = static_cast<uint8_t>(bytes.size());
  ExpectLeft(bytes, IpvsReadError::kEntryTruncated, 3);
  // Sequences are announced, and 24 bytes are left.
  Bytes sequence = FromHex(kVersion0);
  sequence[4 + 72 + 20] = 0x06;
  ExpectLeft(sequence, IpvsReadError::kEntryTruncated, 3);
}

TEST(IpvsReadTest, Version0SkipsABadEntryOnly) {
  const auto with = [](size_t offset, uint8_t value) {
    Bytes bytes = FromHex(kVersion0);
    bytes[4 + offset] = value;
    return bytes;
  };
  ExpectLeft(with(1, 1), IpvsReadError::kProtocol, 3);
  ExpectLeft(with(23, 11), IpvsReadError::kState, 3);
  ExpectLeft(with(20, 0x20), IpvsReadError::kFlags, 3);
  ExpectLeft(with(24 + 20, 0x18), IpvsReadError::kFlags, 3);
  ExpectLeft(with(24 + 23, 2), IpvsReadError::kFlags, 3);
}

TEST(IpvsReadTest, Version0SequencesAreInTheSendersOrder) {
  const Bytes bytes = FromHex(
      "01050034"
      "0006 9470 0050 1f90 0a00000a 0a000064 0a01000a 0600 0001"
      "01000000 02000000 03000000 04000000 05000000 06000000");
  const Outcome outcome = Read(bytes);
  ASSERT_THAT(outcome.entries, SizeIs(1));
  ASSERT_TRUE(outcome.entries[0].options.sequence);
  const auto& [in, out] = *outcome.entries[0].options.sequence;
  EXPECT_EQ(in, (SequenceAdjust{1, 2, 3}));
  EXPECT_EQ(out, (SequenceAdjust{4, 5, 6}));
  EXPECT_EQ(Write({.version = 0, .syncid = 5}, outcome.entries), bytes);
}

}  // namespace
}  // namespace ballast::ha
