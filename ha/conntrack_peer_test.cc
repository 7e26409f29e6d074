#include "ha/conntrack_peer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "ha/conntrack_testing.h"
#include "ha/fake_state_table.h"
#include "ha/sync_record.h"

namespace ballast::ha {
namespace {

using namespace conntrack_testing;  // NOLINT: made for this.
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

SyncRecord Connection(uint32_t n, bool v6 = false) {
  return FakeStateTable::Connection(n, 1, v6);
}

// One side over a table, on virtual time.
class ConntrackPeerTest : public ::testing::Test, public ConntrackPeer::Host {
 protected:
  void Make(ConntrackPeer::Options options, size_t changes_max = 100000) {
    options.out.first_sequence = 100;
    table_ = std::make_unique<FakeStateTable>(changes_max);
    table_->set_tells_applied(false);
    peer_ = std::make_unique<ConntrackPeer>(options, now_, *table_, *this);
  }
  void SendConntrack(Instant now, std::span<const uint8_t> bytes) override {
    EXPECT_EQ(now, now_);
    const Outcome outcome = Read(bytes);
    EXPECT_EQ(outcome.all_errors(), 0u);
    ++datagrams_;
    for (const ConntrackMessage& message : outcome.messages) {
      if (message.is_data()) {
        data_.push_back(message);
      } else if ((message.flags & kConntrackResync) != 0) {
        ++resyncs_;
      }
    }
  }
  void Run(absl::Duration duration) {
    const Instant end = now_ + duration;
    while (peer_->deadline() <= end) {
      now_ = std::max(now_, peer_->deadline());
      peer_->Tick(now_);
      ASSERT_GT(peer_->deadline(), now_);
    }
    now_ = end;
  }
  void HearControl(uint8_t flags, uint32_t from = 0, uint32_t to = 0) {
    Bytes bytes(kConntrackControlSize);
    bytes.resize(WriteConntrackControl(flags, heard_++, from, to, bytes));
    peer_->OnDatagram(now_, bytes);
  }
  void Hear(ConntrackType type, const ConntrackEntry& entry) {
    Bytes bytes(kConntrackMessageMax);
    bytes.resize(WriteConntrackEntry(type, 0, heard_++, entry, bytes));
    peer_->OnDatagram(now_, bytes);
  }
  void Hear(ConntrackType type, SyncRecord record) {
    Hear(type, *EntryOf(record));
  }
  // "<type> <client's port>" of what was told since.
  std::vector<std::string> Told() {
    std::vector<std::string> lines;
    for (const ConntrackMessage& message : std::exchange(data_, {})) {
      lines.push_back(absl::StrCat(
          std::vector<const char*>{"new", "update",
                                   "delete"}[static_cast<int>(message.type)],
          " ", message.entry.tuple.source_port - 1024));
    }
    return lines;
  }

  Instant now_ = Instant::FromNanos(0) + absl::Hours(1);
  std::unique_ptr<FakeStateTable> table_;
  std::unique_ptr<ConntrackPeer> peer_;
  std::vector<ConntrackMessage> data_;
  int datagrams_ = 0;
  int resyncs_ = 0;
  uint32_t heard_ = 1;
};

TEST_F(ConntrackPeerTest, TellsBeginningChangeAndEnd) {
  Make({.mode = ConntrackMode::kNotrack});
  table_->Put(Connection(1));
  peer_->Lead(now_);
  Run(absl::Milliseconds(50));
  EXPECT_THAT(Told(), ElementsAre("new 1"));
  SyncRecord record = Connection(2);
  record.state = 2;  // SYN_SENT
  table_->Put(record);
  table_->Put(Connection(2));
  table_->Remove(Connection(1));
  table_->Put(Connection(3, true));
  Run(absl::Milliseconds(50));
  EXPECT_THAT(Told(), ElementsAre("new 2", "update 2", "delete 1", "update 3"));
}

TEST_F(ConntrackPeerTest, AStandbyTellsNothing) {
  Make({.mode = ConntrackMode::kNotrack});
  table_->Put(Connection(1));
  Run(absl::Seconds(2));
  HearControl(kConntrackResync);
  Run(absl::Seconds(2));
  EXPECT_THAT(Told(), IsEmpty());
  peer_->Lead(now_);
  peer_->Follow(now_);
  table_->Put(Connection(2));
  Run(absl::Seconds(2));
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(ConntrackPeerTest, WhatHappenedIsToldBeforeTheRoleIsLeft) {
  Make({.mode = ConntrackMode::kNotrack});
  peer_->Lead(now_);
  Run(absl::Milliseconds(50));
  for (uint32_t n = 1; n <= 200; ++n) table_->Put(Connection(n));
  peer_->Follow(now_);
  EXPECT_EQ(data_.size(), 200u);
}

TEST_F(ConntrackPeerTest, TakesWhatThePeerTells) {
  Make({.mode = ConntrackMode::kNotrack});
  peer_->Lead(now_);
  Hear(ConntrackType::kNew, Connection(1));
  Hear(ConntrackType::kUpdate, Connection(2, true));
  EXPECT_TRUE(table_->Has(Connection(1)));
  EXPECT_TRUE(table_->Has(Connection(2, true)));
  SyncRecord gone = Connection(1);
  gone.kind = SyncRecord::Kind::kGone;
  Hear(ConntrackType::kDelete, gone);
  EXPECT_FALSE(table_->Has(Connection(1)));
  EXPECT_EQ(peer_->stats().applied.created, 2u);
  EXPECT_EQ(peer_->stats().applied.removed, 1u);
  // It is not told back, nor its end.
  Run(absl::Seconds(1));
  table_->Remove(Connection(2, true));
  Run(absl::Seconds(1));
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(ConntrackPeerTest, WhatNoDirectorCouldHaveIsCountedByItsReason) {
  Make({.mode = ConntrackMode::kNotrack});
  ConntrackEntry entry = *EntryOf(Connection(1));
  entry.nat_destination.reset();
  entry.nat_destination_port.reset();
  Hear(ConntrackType::kNew, entry);
  EXPECT_EQ(table_->connection_count(), 0u);
  EXPECT_EQ(peer_->stats()
                .unmatched[static_cast<size_t>(ConntrackUnmatched::kNoServer)],
            1u);
}

TEST_F(ConntrackPeerTest, EverythingIsToldWhenThePeerAsks) {
  Make({.mode = ConntrackMode::kNotrack});
  peer_->Lead(now_);
  for (uint32_t n = 1; n <= 3; ++n) table_->Put(Connection(n));
  Run(absl::Milliseconds(50));
  Told();
  HearControl(kConntrackResync);
  Run(absl::Milliseconds(50));
  EXPECT_THAT(Told(), ElementsAre("new 1", "new 2", "new 3"));
}

TEST_F(ConntrackPeerTest, EverythingIsToldAfterALoss) {
  Make({.mode = ConntrackMode::kNotrack}, /*changes_max=*/2);
  peer_->Lead(now_);
  Run(absl::Milliseconds(50));
  for (uint32_t n = 1; n <= 5; ++n) table_->Put(Connection(n));
  Run(absl::Milliseconds(50));
  EXPECT_EQ(peer_->stats().changes_lost, 3u);
  EXPECT_EQ(peer_->stats().tell_all_complete, 2u);
  EXPECT_THAT(Told(), SizeIs(7));
}

TEST_F(ConntrackPeerTest, AGreetingAsksForEverythingAndTellsIt) {
  Make({.mode = ConntrackMode::kFtfw});
  peer_->Lead(now_);
  table_->Put(Connection(1));
  Run(absl::Milliseconds(1500));
  Told();
  EXPECT_EQ(resyncs_, 0);
  HearControl(kConntrackAck | kConntrackHelloBack, 100, 101);
  Run(absl::Milliseconds(50));
  EXPECT_EQ(resyncs_, 1);
  EXPECT_THAT(Told(), ElementsAre("new 1"));
}

TEST_F(ConntrackPeerTest, AlarmTellsEverythingAgainAndAgain) {
  Make({.mode = ConntrackMode::kAlarm,
        .refresh = absl::Seconds(20),
        .cache_timeout = absl::Seconds(60)});
  peer_->Lead(now_);
  Run(absl::Seconds(1));
  table_->Put(Connection(1));
  Run(absl::Seconds(62));
  EXPECT_THAT(Told(), ElementsAre("update 1", "new 1", "new 1", "new 1"));
  Hear(ConntrackType::kNew, Connection(2));
  EXPECT_EQ(table_->Find(Connection(2))->timeout_s, 60u);
}

TEST_F(ConntrackPeerTest, KeepsThePaceAndLosesNothing) {
  ConntrackPeer::Options options{.mode = ConntrackMode::kNotrack};
  options.out.burst_max = 2;
  Make(options);
  for (uint32_t n = 0; n < 5000; ++n) table_->Put(Connection(n));
  peer_->Lead(now_);
  const Instant begun = now_;
  while (data_.size() < 5000 && now_ < begun + absl::Seconds(10)) {
    const int before = datagrams_;
    Run(absl::Milliseconds(10));
    // Two bursts, and what had been begun behind each.
    EXPECT_LE(datagrams_ - before, 6);
  }
  EXPECT_EQ(data_.size(), 5000u);
  // 21 in each of at least 239 datagrams.
  EXPECT_GT(now_ - begun, absl::Milliseconds(390));
}

TEST_F(ConntrackPeerTest, ATableThatDoesNotAnswerIsNotAsked) {
  Make({.mode = ConntrackMode::kNotrack});
  peer_->Lead(now_);
  Run(absl::Milliseconds(50));
  table_->Put(Connection(1));
  table_->set_ready(false);
  Run(absl::Milliseconds(50));
  EXPECT_EQ(table_->asked_not_ready(), 0u);
  table_->set_ready(true);
  Run(absl::Milliseconds(50));
  EXPECT_THAT(Told(), ElementsAre("update 1"));
}

}  // namespace
}  // namespace ballast::ha
