#include "ha/sync_datagram.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/fake_state_table.h"
#include "io/base/address.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using Bytes = std::vector<uint8_t>;

SyncRecord Connection(uint32_t n, bool v6 = false) {
  return FakeStateTable::Connection(n, 1, v6);
}

SyncRecord GoneOf(const SyncRecord& record) {
  SyncRecord gone;
  gone.kind = SyncRecord::Kind::kGone;
  gone.protocol = record.protocol;
  gone.v6 = record.v6;
  gone.client = record.client;
  gone.virtual_service = record.virtual_service;
  return gone;
}

Bytes TakeFrom(SyncPacker& packer) {
  const auto bytes = packer.Take();
  return {bytes.begin(), bytes.end()};
}

std::vector<SyncRecord> RecordsIn(const Bytes& sections) {
  SyncContent content;
  EXPECT_TRUE(ReadSections(sections, 0, content));
  return content.records;
}

TEST(SyncPackerTest, RecordsComeOutInTheOrderTheyWentIn) {
  SyncPacker packer(0, 1400, 0);
  SyncRecord detailed = Connection(3);
  detailed.has_detail = true;
  detailed.idle_ms = 1234;
  detailed.client_packets = 17;
  detailed.client_next_sequence = 0x01020304;
  detailed.client_acknowledged = 0xf0e0d0c0;
  SyncRecord persistence = Connection(4);
  persistence.kind = SyncRecord::Kind::kTemplate;
  persistence.flags = kTemplate;
  persistence.client.port = 0;
  const std::vector<SyncRecord> records = {
      Connection(1),         Connection(2, true),
      GoneOf(Connection(1)), GoneOf(Connection(2, true)),
      Connection(1),         detailed,
      persistence,           GoneOf(detailed)};
  for (const SyncRecord& record : records) ASSERT_TRUE(packer.Add(record));
  EXPECT_EQ(packer.records(), records.size());
  EXPECT_THAT(RecordsIn(TakeFrom(packer)), ElementsAreArray(records));
}

// Expected bytes: from the layout in replicator.h, by hand.
TEST(SyncPackerTest, GoneConnectionsAreWrittenAsDocumented) {
  SyncPacker packer(0, 1400, 0);
  SyncRecord v4;
  v4.kind = SyncRecord::Kind::kGone;
  v4.protocol = 17;
  v4.client = *Endpoint::Parse("10.1.2.3:4660");
  v4.virtual_service = *Endpoint::Parse("192.0.2.1:53");
  SyncRecord v6 = v4;
  v6.protocol = 6;
  v6.v6 = true;
  v6.client = *Endpoint::Parse("[2001:db8::5]:65535");
  v6.virtual_service = *Endpoint::Parse("[2001:db8::1]:443");
  packer.Add(v4);
  packer.Add(v6);
  EXPECT_THAT(
      TakeFrom(packer),
      ElementsAreArray(Bytes{2,    0,    0,    52,  //
                             17,   0,    10,   1,    2, 3, 0x12, 0x34, 192, 0,
                             2,    1,    0,    53,  //
                             6,    1,               //
                             0x20, 0x01, 0x0d, 0xb8, 0, 0, 0,    0,    0,   0,
                             0,    0,    0,    0,    0, 5, 0xff, 0xff,  //
                             0x20, 0x01, 0x0d, 0xb8, 0, 0, 0,    0,    0,   0,
                             0,    0,    0,    0,    0, 1, 0x01, 0xbb}));
}

TEST(SyncPackerTest, SumsAndAdviceAreWrittenAsDocumented) {
  SyncPacker packer(3, 1400, 0);
  packer.AddSum({.count = 0x0102, .digest = 0x1122334455667788});
  const auto sum = TakeFrom(packer);
  EXPECT_THAT(std::span(sum).subspan(3),
              ElementsAre(4, 0, 0, 16, 0, 0, 0, 0, 0, 0, 1, 2, 0x11, 0x22, 0x33,
                          0x44, 0x55, 0x66, 0x77, 0x88));
  packer.AddAskAnew();
  const auto advice = TakeFrom(packer);
  EXPECT_THAT(std::span(advice).subspan(3), ElementsAre(5, 0, 0, 0));
}

TEST(SyncPackerTest, ConnectionsAreOneIpvsMessageInASection) {
  SyncPacker packer(0, 1400, /*syncid=*/9);
  packer.Add(Connection(1));
  packer.Add(Connection(2));
  const auto bytes = TakeFrom(packer);
  // Header 8, entries of 36 (ip_vs_sync.c).
  ASSERT_EQ(bytes.size(), 4u + 8 + 36 + 36);
  EXPECT_THAT(std::span(bytes).first(12),
              ElementsAre(1, 0, 0, 80, 0, 9, 0, 80, 2, 1, 0, 0));
}

TEST(SyncPackerTest, NothingIsLongerThanItMayBeAndNothingIsLost) {
  for (const size_t size_max : {256, 300, 777, 1400, 60000}) {
    SyncPacker packer(8, size_max, 0);
    std::vector<SyncRecord> in, out;
    const auto take = [&] {
      const auto bytes = packer.Take();
      ASSERT_LE(bytes.size(), size_max);
      SyncContent content;
      ASSERT_TRUE(ReadSections(bytes.subspan(8), 0, content));
      out.insert(out.end(), content.records.begin(), content.records.end());
    };
    for (uint32_t n = 0; n < 2000; ++n) {
      SyncRecord record = Connection(n, n % 5 == 0);
      if (n % 7 == 0) record = GoneOf(record);
      if (record.kind != SyncRecord::Kind::kGone && n % 3 == 0) {
        record.has_detail = true;
        record.client_packets = n;
      }
      in.push_back(record);
      if (packer.Add(record)) continue;
      take();
      ASSERT_TRUE(packer.empty());
      ASSERT_TRUE(packer.Add(record));
    }
    take();
    EXPECT_THAT(out, ElementsAreArray(in));
  }
}

TEST(SyncPackerTest, AMessageHasAtMost255EntriesThenAnotherSectionBegins) {
  SyncPacker packer(0, 60000, 0);
  for (uint32_t n = 0; n < 600; ++n) ASSERT_TRUE(packer.Add(Connection(n)));
  EXPECT_EQ(RecordsIn(TakeFrom(packer)).size(), 600u);
}

TEST(SyncPackerTest, WhatIpvsDoesNotKnowMakesNoSection) {
  SyncPacker packer(8, 1400, 0);
  SyncRecord one_packet = Connection(1);
  one_packet.flags |= kOnePacket;
  EXPECT_TRUE(packer.Add(one_packet));
  EXPECT_TRUE(packer.empty());
  EXPECT_EQ(packer.records(), 0u);
  EXPECT_EQ(packer.Take().size(), 8u);
}

TEST(SyncPackerTest, ClearForgetsWhatWasAdded) {
  SyncPacker packer(0, 1400, 0);
  packer.Add(Connection(1));
  packer.Clear();
  EXPECT_TRUE(packer.empty());
  packer.Add(Connection(2));
  EXPECT_THAT(RecordsIn(TakeFrom(packer)), ElementsAre(Connection(2)));
}

// -- All or nothing ---------------------------------------------------------

Bytes Sample() {
  SyncPacker packer(0, 1400, 0);
  packer.Add(Connection(1));
  packer.Add(Connection(2, true));
  packer.Add(GoneOf(Connection(3)));
  packer.Add(L7Record{.service = 7,
                      .mode = 2,
                      .key = {1, 2, 3},
                      .server = *Endpoint::Parse("10.0.0.9:80"),
                      .timeout_ms = 1000});
  packer.AddSum({.count = 2, .digest = 3});
  return TakeFrom(packer);
}

TEST(ReadSectionsTest, ReadsOneOfEach) {
  SyncContent content;
  ASSERT_TRUE(ReadSections(Sample(), 0, content));
  EXPECT_EQ(content.records.size(), 3u);
  ASSERT_EQ(content.l7.size(), 1u);
  EXPECT_EQ(content.l7[0].service, 7u);
  EXPECT_THAT(std::span(content.l7[0].key).first(4), ElementsAre(1, 2, 3, 0));
  EXPECT_EQ(content.sum, (TableSummary{.count = 2, .digest = 3}));
  EXPECT_FALSE(content.ask_anew);
}

TEST(ReadSectionsTest, WhatIsCutAnywhereButBetweenSectionsIsRefused) {
  const Bytes sample = Sample();
  std::vector<size_t> accepted;
  SyncContent content;
  for (size_t size = 0; size < sample.size(); ++size) {
    if (ReadSections(std::span(sample).first(size), 0, content)) {
      accepted.push_back(size);
    }
  }
  // Sections: an IPVS message of 8 + 36 + 72, gone 14, L7 63, sum 16.
  EXPECT_THAT(accepted, ElementsAre(4 + 116, 120 + 4 + 14, 138 + 4 + 63));
}

TEST(ReadSectionsTest, NothingFollowsASumOrTheAdviceToAskAnew) {
  SyncContent content;
  Bytes sample = Sample();
  const Bytes advice = {5, 0, 0, 0};
  EXPECT_TRUE(ReadSections(advice, 0, content));
  EXPECT_TRUE(content.ask_anew);
  sample.insert(sample.end(), advice.begin(), advice.end());
  EXPECT_FALSE(ReadSections(sample, 0, content));
  EXPECT_FALSE(ReadSections(Bytes{5, 0, 0, 0, 5, 0, 0, 0}, 0, content));
}

TEST(ReadSectionsTest, ForeignBytesAreRefused) {
  SyncContent content;
  EXPECT_FALSE(ReadSections(Bytes{6, 0, 0, 0}, 0, content));     // Unknown.
  EXPECT_FALSE(ReadSections(Bytes{16, 0, 0, 0}, 0, content));    // A question.
  EXPECT_FALSE(ReadSections(Bytes{5, 1, 0, 0}, 0, content));     // Not zero.
  EXPECT_FALSE(ReadSections(Bytes{5, 0, 0, 1, 0}, 0, content));  // Too long.
  EXPECT_FALSE(ReadSections(Bytes{2, 0, 0, 0}, 0, content));  // Nothing gone.
  Bytes family = {2, 0, 0, 14, 6, 2, 1, 1, 1, 1, 0, 1, 2, 2, 2, 2, 0, 2};
  EXPECT_FALSE(ReadSections(family, 0, content));
  family[5] = 0;
  EXPECT_TRUE(ReadSections(family, 0, content));
}

TEST(ReadSectionsTest, OneBadEntryRefusesAll) {
  SyncPacker packer(0, 1400, 0);
  packer.Add(Connection(1));
  packer.Add(Connection(2));
  packer.Add(Connection(3));
  Bytes bytes = TakeFrom(packer);
  SyncContent content;
  ASSERT_TRUE(ReadSections(bytes, 0, content));
  // The protocol of the second: 4 + 8 + 36 + 1.
  ASSERT_EQ(bytes[49], 6);
  bytes[49] = 1;
  EXPECT_FALSE(ReadSections(bytes, 0, content));
}

TEST(ReadSectionsTest, AnotherSyncIdIsRefused) {
  SyncPacker packer(0, 1400, /*syncid=*/9);
  packer.Add(Connection(1));
  const Bytes bytes = TakeFrom(packer);
  SyncContent content;
  EXPECT_FALSE(ReadSections(bytes, 8, content));
  EXPECT_TRUE(ReadSections(bytes, 9, content));
}

// -- Questions --------------------------------------------------------------

TEST(SyncQuestionsTest, AreWrittenAsDocumentedAndRead) {
  Bytes bytes;
  WriteQuestions({.repair = {{1, 0x0203}}, .forgotten = {{4, 4}}}, bytes);
  EXPECT_THAT(bytes, ElementsAreArray(Bytes{
                         0,  0, 0, 0,  0, 0, 0, 0,                          //
                         16, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,  //
                         0,  0, 2, 3,                                       //
                         17, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0,  //
                         0,  0, 0, 4}));
  const auto read = ReadQuestions(std::span(bytes).subspan(8));
  ASSERT_TRUE(read);
  EXPECT_THAT(read->repair, ElementsAre(SyncRange{1, 0x0203}));
  EXPECT_THAT(read->forgotten, ElementsAre(SyncRange{4, 4}));
  for (size_t size = 0; size < bytes.size() - 8; ++size) {
    EXPECT_EQ(ReadQuestions(std::span(bytes).subspan(8, size)).has_value(),
              size == 20);
  }
}

TEST(SyncQuestionsTest, RangesThatAreNoneOrTooManyAreRefused) {
  const auto accepts = [](const std::vector<SyncRange>& ranges) {
    Bytes bytes;
    WriteQuestions({.repair = ranges, .forgotten = {}}, bytes);
    return ReadQuestions(std::span(bytes).subspan(8)).has_value();
  };
  EXPECT_TRUE(accepts({{1, 1}}));
  EXPECT_FALSE(accepts({{2, 1}}));
  EXPECT_FALSE(accepts({{0, 1}}));  // No datagram has position 0.
  EXPECT_TRUE(accepts(std::vector<SyncRange>(32, {1, 1})));
  EXPECT_FALSE(accepts(std::vector<SyncRange>(33, {1, 1})));
}

}  // namespace
}  // namespace ballast::ha
