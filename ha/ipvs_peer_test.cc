#include "ha/ipvs_peer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ha/capture.h"
#include "ha/fake_state_table.h"
#include "ha/ipvs_wire_testing.h"

namespace ballast::ha {
namespace {

using namespace ipvs_testing;  // NOLINT: made for this.
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

SyncRecord Connection(uint32_t n, bool v6 = false) {
  return FakeStateTable::Connection(n, 1, v6);
}

// A master or backup over a table, on virtual time.
class IpvsPeerTest : public ::testing::Test, public IpvsPeer::Host {
 protected:
  void Make(const IpvsPeer::Options& options, size_t changes_max = 100000) {
    table_ = std::make_unique<FakeStateTable>(changes_max);
    peer_ = std::make_unique<IpvsPeer>(options, *table_, *this);
  }
  void SetUp() override { Make({.syncid = 5}); }

  void SendSync(Instant now, std::span<const uint8_t> bytes) override {
    EXPECT_EQ(now, now_);
    EXPECT_FALSE(bytes.empty());
    sent_.emplace_back(bytes.begin(), bytes.end());
    sent_at_.push_back(now - start_);
  }

  // Calls Tick() at each deadline until then.
  void Run(absl::Duration duration) {
    const Instant end = now_ + duration;
    while (peer_->deadline() <= end) {
      now_ = std::max(now_, peer_->deadline());
      peer_->Tick(now_);
      ASSERT_GT(peer_->deadline(), now_);
    }
    now_ = end;
  }
  std::vector<IpvsEntry> SentEntries(uint8_t syncid = 5) const {
    std::vector<IpvsEntry> entries;
    for (const Bytes& message : sent_) {
      const Outcome outcome = Read(message, {.syncid = syncid});
      EXPECT_EQ(outcome.all_errors(), 0u);
      entries.insert(entries.end(), outcome.entries.begin(),
                     outcome.entries.end());
    }
    return entries;
  }
  std::vector<SyncRecord> Sent() const {
    std::vector<SyncRecord> records;
    for (const IpvsEntry& entry : SentEntries()) {
      records.push_back(entry.record);
    }
    return records;
  }
  // A backup that has heard everything knows what this unit does.
  void ExpectAllTold() {
    FakeStateTable other;
    IpvsPeer backup({.syncid = 5}, other, *this);
    for (const Bytes& message : sent_) backup.OnMessage(now_, message);
    EXPECT_TRUE(other.Connections() == table_->Connections())
        << other.connection_count() << " of " << table_->connection_count();
  }
  const IpvsPeer::Stats& stats() const { return peer_->stats(); }
  uint64_t errors(IpvsReadError error) const {
    return stats().errors[static_cast<size_t>(error)];
  }

  const Instant start_ = Instant::FromNanos(1'000'000'000);
  Instant now_ = start_;
  std::unique_ptr<FakeStateTable> table_;
  std::unique_ptr<IpvsPeer> peer_;
  std::vector<Bytes> sent_;
  std::vector<absl::Duration> sent_at_;
};

std::vector<Bytes> MessagesOf(const std::string& name) {
  std::ifstream in("ha/testdata/" + name, std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  PacketCapture capture(
      {reinterpret_cast<const uint8_t*>(file.data()), file.size()});
  std::vector<Bytes> messages;
  while (const auto packet = capture.Next()) {
    const auto segment = SegmentOf(*packet);
    if (segment && segment->destination_port == 8848) {
      messages.emplace_back(segment->payload.begin(), segment->payload.end());
    }
  }
  return messages;
}

// -- Backup -----------------------------------------------------------------

TEST_F(IpvsPeerTest, LearnsWhatALinuxMasterTold) {
  // 90 connections through their whole life: 270 records in 8 messages, of
  // which the last of each says TIME_WAIT (testdata/*.records.csv).
  Make({.syncid = 7});
  for (const Bytes& message : MessagesOf("ipvs-v1-burst.pcap")) {
    peer_->OnMessage(now_, message);
  }
  EXPECT_EQ(stats().messages_received, 8u);
  EXPECT_EQ(stats().records_received, 270u);
  EXPECT_EQ(stats().applied.created, 90u);
  EXPECT_EQ(stats().applied.updated, 180u);
  EXPECT_EQ(table_->connection_count(), 90u);
  for (const SyncRecord& record : table_->Connections()) {
    EXPECT_EQ(record.state, 5);
    EXPECT_FALSE(record.has_detail);
  }
}

TEST_F(IpvsPeerTest, LearnsBothFamiliesAndTemplatesInBothVersions) {
  peer_->OnMessage(now_, FromHex(kMixed));
  EXPECT_EQ(table_->connection_count(), 2u);
  peer_->OnMessage(now_, FromHex(kVersion0));
  EXPECT_EQ(table_->connection_count(), 3u);
  ASSERT_THAT(table_->templates(), SizeIs(2));
  EXPECT_EQ(table_->templates()[0].virtual_service.ToString(), "10.0.0.100:80");
}

TEST_F(IpvsPeerTest, AnotherSyncIdIsNotOurs) {
  Make({.syncid = 6});
  peer_->OnMessage(now_, FromHex(kNat));
  EXPECT_EQ(errors(IpvsReadError::kOtherSyncId), 1u);
  EXPECT_EQ(table_->connection_count(), 0u);
  // 0 in a message is no wildcard ...
  Bytes bytes = FromHex(kNat);
  bytes[1] = 0;
  peer_->OnMessage(now_, bytes);
  EXPECT_EQ(errors(IpvsReadError::kOtherSyncId), 2u);
  // ... but ours is.
  Make({.syncid = 0});
  peer_->OnMessage(now_, FromHex(kNat));
  EXPECT_EQ(table_->connection_count(), 1u);
}

TEST_F(IpvsPeerTest, DamageIsCountedAndTheRestTaken) {
  Bytes bytes = FromHex(kMixed);
  bytes[8 + 72 + 9] = 11;  // The second entry's state: TCP has 0..10.
  peer_->OnMessage(now_, bytes);
  EXPECT_EQ(errors(IpvsReadError::kState), 1u);
  EXPECT_EQ(stats().applied.created, 1u);
  bytes.pop_back();
  peer_->OnMessage(now_, bytes);
  EXPECT_EQ(errors(IpvsReadError::kWrongSize), 1u);
  EXPECT_EQ(stats().messages_received, 1u);
}

TEST_F(IpvsPeerTest, EntriesOfAPersistenceEngineAreLeftOut) {
  Bytes bytes = FromHex(kEngine);
  bytes[1] = 5;
  peer_->OnMessage(now_, bytes);
  EXPECT_EQ(stats().engine_skipped, 1u);
  EXPECT_THAT(table_->templates(), IsEmpty());
}

TEST_F(IpvsPeerTest, ShiftedSequencesAreLeftOutAndUnshiftedOnesTaken) {
  IpvsEntry shifted{.record = Connection(1)};
  shifted.record.flags = 0x0600;
  shifted.options.sequence = {
      {{SequenceAdjust{1, 7, 0}, SequenceAdjust{2, 0, 0}}}};
  IpvsEntry unshifted = shifted;
  unshifted.record.client.port++;
  unshifted.options.sequence = {
      {{SequenceAdjust{1, 0, 0}, SequenceAdjust{2, 0, 0}}}};
  peer_->OnMessage(now_, Write({.syncid = 5}, {shifted, unshifted}));
  EXPECT_EQ(stats().sequence_skipped, 1u);
  EXPECT_FALSE(table_->Has(shifted.record));
  EXPECT_TRUE(table_->Has(unshifted.record));
}

TEST_F(IpvsPeerTest, DetailIsNotTakenFromAStranger) {
  IpvsEntry entry{.record = Connection(1)};
  entry.record.has_detail = true;
  entry.record.idle_ms = 4000000;
  entry.record.client_packets = 9;
  entry.record.client_next_sequence = 9;
  entry.record.client_acknowledged = 9;
  peer_->OnMessage(now_, Write({.syncid = 5, .detail = true}, {entry}));
  ASSERT_EQ(table_->connection_count(), 1u);
  EXPECT_EQ(table_->Connections()[0], Connection(1));
}

TEST_F(IpvsPeerTest, ABackupTellsNothing) {
  EXPECT_EQ(peer_->deadline(), Instant::Never());
  table_->Put(Connection(1));
  peer_->Resync(now_);
  peer_->Tick(now_ + absl::Seconds(1));
  EXPECT_THAT(sent_, IsEmpty());
  EXPECT_EQ(stats().resyncs_begun, 0u);
}

// -- Master -----------------------------------------------------------------

TEST_F(IpvsPeerTest, AMasterIgnoresWhatItIsTold) {
  peer_->Lead(now_);
  peer_->OnMessage(now_, FromHex(kNat));
  EXPECT_EQ(stats().ignored_while_leading, 1u);
  EXPECT_EQ(table_->connection_count(), 0u);
  peer_->Follow(now_);
  peer_->OnMessage(now_, FromHex(kNat));
  EXPECT_EQ(table_->connection_count(), 1u);
}

TEST_F(IpvsPeerTest, TellsChangesInTheKernelsBytes) {
  peer_->Lead(now_);
  for (const char* golden : {kNat, kDirect, kMixed}) {
    for (const IpvsEntry& entry : Read(FromHex(golden)).entries) {
      table_->Put(entry.record);
    }
    Run(absl::Milliseconds(50));
    ASSERT_FALSE(sent_.empty());
    EXPECT_EQ(sent_.back(), FromHex(golden));
  }
  EXPECT_EQ(stats().messages_sent, 3u);
  EXPECT_EQ(stats().records_sent, 4u);
}

TEST_F(IpvsPeerTest, TellsVersion0InTheKernelsBytes) {
  Make({.version = 0, .syncid = 5});
  peer_->Lead(now_);
  for (const IpvsEntry& entry : Read(FromHex(kVersion0)).entries) {
    if (entry.record.kind == SyncRecord::Kind::kTemplate) {
      table_->TellTemplate(entry.record);
    } else {
      table_->Put(entry.record);
    }
  }
  table_->Put(Connection(1, /*v6=*/true));
  Run(absl::Milliseconds(50));
  EXPECT_THAT(sent_, ElementsAre(FromHex(kVersion0)));
  EXPECT_EQ(stats().unsendable, 1u);
}

TEST_F(IpvsPeerTest, NothingOfBeforeItLedIsAChange) {
  table_->Put(Connection(1));
  peer_->Lead(now_);
  Run(absl::Seconds(1));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(IpvsPeerTest, AMessageHolds40EntriesAndWaitsNoLongerThanSaid) {
  Make({.syncid = 5, .flush_after = absl::Milliseconds(25)});
  peer_->Lead(now_);
  for (uint32_t n = 0; n < 41; ++n) table_->Put(Connection(n));
  Run(absl::Seconds(1));
  ASSERT_THAT(sent_, SizeIs(2));
  EXPECT_EQ(sent_[0].size(), 1448u);
  EXPECT_EQ(sent_[1].size(), 44u);
  // Found by the first look, at 10 ms; full at once.
  EXPECT_THAT(sent_at_,
              ElementsAre(absl::Milliseconds(10), absl::Milliseconds(35)));
}

TEST_F(IpvsPeerTest, TheEndOfAConnectionHasNoWords) {
  peer_->Lead(now_);
  table_->Put(Connection(1));
  table_->Remove(Connection(1));
  Run(absl::Seconds(1));
  EXPECT_THAT(Sent(), ElementsAre(Connection(1)));
  EXPECT_EQ(stats().ends_untold, 1u);
}

TEST_F(IpvsPeerTest, ItTellsWhatIsLeftBeforeItFollows) {
  peer_->Lead(now_);
  for (uint32_t n = 0; n < 1000; ++n) table_->Put(Connection(n));
  peer_->Follow(now_);
  EXPECT_THAT(Sent(), SizeIs(1000));
  EXPECT_FALSE(table_->telling());
  table_->Put(Connection(1000));
  EXPECT_EQ(peer_->deadline(), Instant::Never());
  peer_->Tick(now_ + absl::Seconds(1));
  EXPECT_THAT(Sent(), SizeIs(1000));
}

// -- The whole table --------------------------------------------------------

TEST_F(IpvsPeerTest, AResyncTellsEverythingOnceMore) {
  for (uint32_t n = 0; n < 500; ++n) table_->Put(Connection(n, n % 3 == 0));
  peer_->Lead(now_);
  peer_->Resync(now_);
  EXPECT_TRUE(peer_->resyncing());
  Run(absl::Seconds(1));
  EXPECT_FALSE(peer_->resyncing());
  EXPECT_EQ(stats().resyncs_complete, 1u);
  EXPECT_EQ(stats().resync_records, 500u);

  ExpectAllTold();
}

TEST_F(IpvsPeerTest, AReceiverWithRoomForABurstLosesNothing) {
  Make({.syncid = 5,
        .burst_max = 4,
        .burst_interval = absl::Milliseconds(5),
        .flush_after = absl::Milliseconds(2)});
  for (uint32_t n = 0; n < 10000; ++n) table_->Put(Connection(n));
  peer_->Lead(now_);
  peer_->Resync(now_);
  // Changes meanwhile keep to the same pace.
  for (uint32_t n = 0; n < 1000; ++n) {
    Run(absl::Milliseconds(1));
    table_->Put(Connection(20000 + n));
  }
  Run(absl::Seconds(1));
  ExpectAllTold();
  EXPECT_EQ(stats().changes_lost, 0u);
  for (size_t i = 0; i + 4 < sent_at_.size(); ++i) {
    EXPECT_GE(sent_at_[i + 4] - sent_at_[i], absl::Milliseconds(5))
        << "message " << i;
  }
}

TEST_F(IpvsPeerTest, ABurstThatIsDueLateIsNotTwo) {
  Make({.syncid = 5, .burst_max = 2});
  for (uint32_t n = 0; n < 1000; ++n) table_->Put(Connection(n));
  peer_->Lead(now_);
  peer_->Resync(now_);
  now_ += absl::Seconds(10);
  peer_->Tick(now_);
  EXPECT_THAT(sent_, SizeIs(2));
}

TEST_F(IpvsPeerTest, AChangeIsToldBeforeTheRestOfAResync) {
  Make({.syncid = 5, .burst_max = 1});
  for (uint32_t n = 0; n < 2000; ++n) table_->Put(Connection(n));
  peer_->Lead(now_);
  peer_->Resync(now_);
  Run(absl::Milliseconds(30));
  table_->Put(Connection(5000));
  // Behind the 256 taken already: 7 messages, 10 ms each.
  Run(absl::Milliseconds(100));
  EXPECT_THAT(Sent(), ::testing::Contains(Connection(5000)));
  EXPECT_TRUE(peer_->resyncing());
}

TEST_F(IpvsPeerTest, ALaterChangeIsNeverUndone) {
  Make({.syncid = 5, .burst_max = 1});
  for (uint32_t n = 0; n < 300; ++n) table_->Put(Connection(n));
  peer_->Lead(now_);
  peer_->Resync(now_);
  Run(absl::Milliseconds(30));
  for (uint32_t n = 0; n < 300; ++n) {
    SyncRecord closing = Connection(n);
    closing.state = 4;
    table_->Put(closing);
  }
  Run(absl::Seconds(1));
  ExpectAllTold();
}

TEST_F(IpvsPeerTest, LostChangesBringTheWholeTable) {
  Make({.syncid = 5}, /*changes_max=*/100);
  peer_->Lead(now_);
  for (uint32_t n = 0; n < 150; ++n) table_->Put(Connection(n));
  EXPECT_EQ(table_->changes_lost(), 50u);
  Run(absl::Seconds(1));
  EXPECT_EQ(stats().changes_lost, 50u);
  EXPECT_EQ(stats().resyncs_complete, 1u);
  ExpectAllTold();
}

TEST_F(IpvsPeerTest, AnOrderDuringAResyncIsCarriedOutAfterIt) {
  Make({.syncid = 5, .burst_max = 1});
  for (uint32_t n = 0; n < 400; ++n) table_->Put(Connection(n));
  peer_->Lead(now_);
  peer_->Resync(now_);
  Run(absl::Milliseconds(30));
  peer_->Resync(now_);
  peer_->Resync(now_);
  Run(absl::Seconds(2));
  EXPECT_EQ(stats().resyncs_begun, 2u);
  EXPECT_EQ(stats().resyncs_complete, 2u);
  EXPECT_THAT(Sent(), SizeIs(800));
}

TEST_F(IpvsPeerTest, WhatWasLostBeforeItLedIsNobodysLoss) {
  Make({.syncid = 5}, /*changes_max=*/1);
  table_->StartTelling(now_);
  table_->Put(Connection(1));
  table_->Put(Connection(2));
  ASSERT_EQ(table_->changes_lost(), 1u);
  peer_->Lead(now_);
  Run(absl::Seconds(1));
  EXPECT_EQ(stats().resyncs_begun, 0u);
}

}  // namespace
}  // namespace ballast::ha
