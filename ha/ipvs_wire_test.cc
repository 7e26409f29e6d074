// Messages of a real kernel, read and written: the IPVS sync notes §10 and §2.
#include "ha/ipvs_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ha/ipvs_wire_testing.h"
#include "io/base/address.h"

namespace ballast::ha {
namespace {

using namespace ipvs_testing;  // NOLINT: made for this.
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Address Ip(absl::string_view text) { return Address::Parse(text).value(); }

TEST(IpvsWireTest, TcpNatEstablished) {
  const Outcome outcome = Read(FromHex(kNat));
  ASSERT_THAT(outcome.entries, SizeIs(1));
  SyncRecord expected;
  expected.protocol = 6;
  expected.state = 1;
  expected.timeout_s = 900;
  expected.client = {Ip("10.0.0.10"), 30001};
  expected.virtual_service = {Ip("10.0.0.100"), 80};
  expected.server = {Ip("10.1.0.10"), 8080};
  EXPECT_EQ(outcome.entries[0].record, expected);
  EXPECT_EQ(outcome.entries[0].offset, 8u);
  EXPECT_EQ(outcome.entries[0].size, 36u);
  EXPECT_EQ(outcome.reader.entries, 1u);
  EXPECT_EQ(outcome.reader.messages, 1u);
  EXPECT_EQ(outcome.all_errors(), 0u);
}

TEST(IpvsWireTest, TcpDirectRoutingFinWait) {
  const Outcome outcome = Read(FromHex(kDirect));
  ASSERT_THAT(outcome.entries, SizeIs(1));
  const SyncRecord& record = outcome.entries[0].record;
  EXPECT_EQ(record.flags, kForwardDirect | kNoOutput | kInactive);
  EXPECT_EQ(record.state, 4);
  EXPECT_EQ(record.timeout_s, 120u);
  EXPECT_EQ(record.server, (Endpoint{Ip("10.1.0.10"), 80}));
}

TEST(IpvsWireTest, BothFamiliesInOneMessage) {
  const Outcome outcome = Read(FromHex(kMixed));
  ASSERT_THAT(outcome.entries, SizeIs(2));
  const SyncRecord& v6 = outcome.entries[0].record;
  EXPECT_TRUE(v6.v6);
  EXPECT_EQ(v6.client, (Endpoint{Ip("fd00::10"), 34000}));
  EXPECT_EQ(v6.virtual_service, (Endpoint{Ip("fd00::100"), 80}));
  EXPECT_EQ(v6.server, (Endpoint{Ip("fd01::10"), 8080}));
  EXPECT_FALSE(outcome.entries[1].record.v6);
  EXPECT_EQ(outcome.entries[1].record.client.port, 34001);
}

TEST(IpvsWireTest, TemplateOfAPersistenceEngine) {
  const Outcome outcome = Read(FromHex(kEngine));
  ASSERT_THAT(outcome.entries, SizeIs(1));
  const IpvsEntry& entry = outcome.entries[0];
  EXPECT_EQ(entry.record.kind, SyncRecord::Kind::kTemplate);
  EXPECT_EQ(entry.record.flags, kTemplate | kInactive);
  EXPECT_EQ(entry.record.protocol, 17);
  EXPECT_EQ(entry.options.pe_name, "sip");
  EXPECT_EQ(entry.options.pe_data, "abc123@10.0.0.10");
  EXPECT_EQ(entry.size, 59u);
}

TEST(IpvsWireTest, FirewallMarkTemplateAndItsConnection) {
  const Outcome outcome = Read(FromHex(kFirewallMark));
  ASSERT_THAT(outcome.entries, SizeIs(2));
  const SyncRecord& mark = outcome.entries[0].record;
  EXPECT_EQ(mark.kind, SyncRecord::Kind::kTemplate);
  EXPECT_EQ(mark.protocol, 0);
  EXPECT_EQ(mark.fwmark, 77u);
  EXPECT_EQ(mark.virtual_service, (Endpoint{Ip("0.0.0.77"), 0}));
  EXPECT_EQ(outcome.entries[1].record.fwmark, 77u);
  EXPECT_EQ(outcome.entries[1].record.virtual_service.port, 8443);
}

TEST(IpvsWireTest, Version0) {
  const Outcome outcome = Read(FromHex(kVersion0));
  ASSERT_TRUE(outcome.info);
  EXPECT_EQ(outcome.info->version, 0);
  EXPECT_EQ(outcome.info->count, 4);
  ASSERT_THAT(outcome.entries, SizeIs(4));
  std::vector<int> states;
  for (const IpvsEntry& entry : outcome.entries) {
    states.push_back(entry.record.state);
    EXPECT_EQ(entry.record.server, (Endpoint{Ip("10.1.0.10"), 8080}));
    EXPECT_EQ(entry.record.timeout_s, 0u);
    EXPECT_EQ(entry.size, 24u);
  }
  EXPECT_THAT(states, ElementsAre(1, 1, 7, 1));
  EXPECT_EQ(outcome.entries[0].record.client.port, 38000);
  EXPECT_EQ(outcome.entries[1].record.kind, SyncRecord::Kind::kTemplate);
  EXPECT_EQ(outcome.entries[3].offset, 76u);
}

TEST(IpvsWireTest, EveryOneIsWrittenAgainByteForByte) {
  for (const char* hex :
       {kNat, kDirect, kMixed, kEngine, kFirewallMark, kVersion0}) {
    const Bytes bytes = FromHex(hex);
    const Outcome outcome = Read(bytes);
    ASSERT_TRUE(outcome.info);
    EXPECT_EQ(
        Write({.version = outcome.info->version, .syncid = 5}, outcome.entries),
        bytes);
  }
}

TEST(IpvsWireTest, AnEntryAfterAnUnalignedOneIsPaddedBefore) {
  // "Size 59, one zero byte follows if another entry does."
  const Outcome engine = Read(FromHex(kEngine));
  const Outcome nat = Read(FromHex(kNat));
  const Bytes both = Write({.syncid = 5}, {engine.entries[0], nat.entries[0]});
  Bytes expected = FromHex(kEngine);
  expected[3] = 8 + 60 + 36;
  expected[4] = 2;
  expected.push_back(0);
  const Bytes second = FromHex(kNat);
  expected.insert(expected.end(), second.begin() + 8, second.end());
  EXPECT_EQ(both, expected);
  const Outcome again = Read(both);
  ASSERT_THAT(again.entries, SizeIs(2));
  EXPECT_EQ(again.entries[1].offset, 68u);
  EXPECT_EQ(again.entries[1].record, nat.entries[0].record);
}

// -- Writing ------------------------------------------------------------------

SyncRecord Connection(bool v6 = false) {
  return Read(FromHex(v6 ? kMixed : kNat)).entries[0].record;
}

// How many entries like `record` a message takes, and its size then.
std::pair<int, size_t> Capacity(const IpvsWriter::Options& options,
                                const SyncRecord& record) {
  IpvsWriter writer(options);
  while (writer.count() < 1000 && writer.Add(record)) {
  }
  return {writer.count(), writer.size()};
}

TEST(IpvsWriterTest, HoldsAsManyEntriesAsTheKernels) {
  using Pair = std::pair<int, size_t>;
  EXPECT_EQ(Capacity({}, Connection()), Pair(40, 1448));
  EXPECT_EQ(Capacity({.message_max = 1472}, Connection(true)), Pair(20, 1448));
  EXPECT_EQ(Capacity({.message_max = 1452}, Connection(true)), Pair(20, 1448));
  EXPECT_EQ(Capacity({.version = 0}, Connection()), Pair(61, 1468));
  EXPECT_EQ(Capacity({.message_max = 1448}, Connection()), Pair(40, 1448));
  EXPECT_EQ(Capacity({.message_max = 1447}, Connection()), Pair(39, 1412));
}

TEST(IpvsWriterTest, ClosesAMessageAt255Entries) {
  EXPECT_EQ(Capacity({.message_max = 65507}, Connection()).first, 255);
  EXPECT_EQ(Capacity({.version = 0, .message_max = 65507}, Connection()).first,
            255);
}

TEST(IpvsWriterTest, BeginsAnotherMessageAfterTake) {
  IpvsWriter writer({.syncid = 5});
  EXPECT_THAT(writer.Take(), IsEmpty());
  ASSERT_TRUE(writer.Add(Connection(true)));
  EXPECT_THAT(writer.Take(), SizeIs(80));
  EXPECT_TRUE(writer.empty());
  EXPECT_EQ(writer.size(), 0u);
  EXPECT_THAT(writer.Take(), IsEmpty());
  ASSERT_TRUE(writer.Add(Connection()));
  EXPECT_EQ(writer.count(), 1);
  EXPECT_THAT(writer.Take(), ElementsAreArray(FromHex(kNat)));
}

TEST(IpvsWriterTest, FlagsThatAreNeverSentAreNotWritten) {
  SyncRecord record = Connection();
  record.flags = 0xffffffff & ~(kTemplate | kOnePacket);
  EXPECT_EQ(
      Read(Write({.syncid = 5}, {{.record = record}})).entries[0].record.flags,
      0x10fa7u);
}

TEST(IpvsWriterTest, TheKindMakesATemplate) {
  SyncRecord record = Connection();
  record.kind = SyncRecord::Kind::kTemplate;
  record.flags = kInactive;
  EXPECT_EQ(
      Read(Write({.syncid = 5}, {{.record = record}})).entries[0].record.kind,
      SyncRecord::Kind::kTemplate);
}

TEST(IpvsWriterTest, Version0SendsSequenceFlagsOnlyWithSequences) {
  SyncRecord record = Connection();
  record.flags = kSequenceMask;
  const Outcome outcome =
      Read(Write({.version = 0, .syncid = 5}, {{.record = record}}));
  ASSERT_THAT(outcome.entries, SizeIs(1));
  EXPECT_EQ(outcome.entries[0].record.flags, 0u);
}

TEST(IpvsWriterTest, WhatCannotBeWrittenIsCounted) {
  const auto skipped = [](const IpvsWriter::Options& options,
                          const SyncRecord& record,
                          const IpvsOptions& extra = {}) {
    IpvsWriter writer(options);
    EXPECT_TRUE(writer.Add(record, &extra));
    EXPECT_TRUE(writer.empty());
    return writer.skipped() == 1;
  };
  SyncRecord gone = Connection();
  gone.kind = SyncRecord::Kind::kGone;
  EXPECT_TRUE(skipped({}, gone));
  SyncRecord one_packet = Connection();
  one_packet.flags |= kOnePacket;
  EXPECT_TRUE(skipped({}, one_packet));
  EXPECT_TRUE(skipped({.version = 0}, Connection(true)));
  EXPECT_TRUE(skipped({.message_max = 43}, Connection()));
  EXPECT_TRUE(skipped({}, Connection(), {.pe_data = "no name"}));
  EXPECT_TRUE(skipped({}, Connection(), {.pe_name = "seventeen letters"}));
  EXPECT_TRUE(skipped({}, Connection(),
                      {.pe_name = "sip", .pe_data = std::string(256, 'x')}));
}

TEST(IpvsWriterTest, DetailTravelsAsAnOptionThatOthersIgnore) {
  SyncRecord record = Connection();
  record.has_detail = true;
  record.idle_ms = 1;
  record.client_packets = 2;
  record.client_next_sequence = 3;
  record.client_acknowledged = 4;
  const Bytes bytes =
      Write({.syncid = 5, .detail = true}, {{.record = record}});
  Bytes expected = FromHex(kNat);
  expected[3] += 18;
  expected[11] += 18;
  const Bytes option = FromHex("7d 10 00000001 00000002 00000003 00000004");
  expected.insert(expected.end(), option.begin(), option.end());
  EXPECT_EQ(bytes, expected);
  EXPECT_EQ(Read(bytes).entries[0].record, record);
  // Without the option set, and in version 0, it stays here.
  EXPECT_EQ(Write({.syncid = 5}, {{.record = record}}), FromHex(kNat));
  EXPECT_THAT(Write({.version = 0, .detail = true}, {{.record = record}}),
              SizeIs(4 + 24));
}

}  // namespace
}  // namespace ballast::ha
