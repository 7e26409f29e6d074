// Expected values: what a Linux firewall that translates has for the same.
#include "ha/conntrack_record.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ha/conntrack_testing.h"
#include "ha/sync_record.h"
#include "io/base/address.h"

namespace ballast::ha {
namespace {

using namespace conntrack_testing;  // NOLINT: made for this.

SyncRecord Nat() {
  SyncRecord record;
  record.protocol = 6;
  record.state = 1;  // ESTABLISHED of IPVS.
  record.timeout_s = 900;
  record.client = *Endpoint::Parse("10.1.1.1:1001");
  record.virtual_service = *Endpoint::Parse("10.2.2.2:80");
  record.server = *Endpoint::Parse("10.3.3.3:8080");
  return record;
}

ConntrackUnmatched Unmatched(const ConntrackEntry& entry) {
  SyncRecord record;
  return RecordOf(ConntrackType::kUpdate, entry, record);
}

// The same connection stands in a capture: 10.1.1.1:1001 to 10.2.2.2:80,
// translated to 10.3.3.3:8080.
ConntrackEntry Captured() {
  for (const CapturedDatagram& datagram :
       conntrack_testing::Captured("types")) {
    for (const ConntrackMessage& message : Read(datagram.payload).messages) {
      if (message.has_entry() && message.entry.nat_destination) {
        return message.entry;
      }
    }
  }
  ADD_FAILURE();
  return {};
}

TEST(ConntrackRecordTest, AsAFirewallThatTranslatesHasIt) {
  ConntrackEntry expected = Captured();
  expected.mark.reset();
  expected.others.clear();
  expected.timeout_s = 900;
  EXPECT_EQ(EntryOf(Nat()), expected);
  SyncRecord back;
  EXPECT_EQ(RecordOf(ConntrackType::kNew, expected, back),
            ConntrackUnmatched::kNone);
  SyncRecord record = Nat();
  record.flags = kFromSync;
  EXPECT_EQ(back, record);
}

TEST(ConntrackRecordTest, TheServersPortIsToldWhereItDiffers) {
  SyncRecord record = Nat();
  record.server.port = 80;
  EXPECT_FALSE(EntryOf(record)->nat_destination_port.has_value());
  record.server = {record.virtual_service.address, 8080};
  EXPECT_FALSE(EntryOf(record)->nat_destination.has_value());
  SyncRecord back;
  ASSERT_EQ(RecordOf(ConntrackType::kNew, *EntryOf(record), back),
            ConntrackUnmatched::kNone);
  EXPECT_EQ(back.server, record.server);
}

TEST(ConntrackRecordTest, StatesAreTheOnesOfTheSameName) {
  struct Case {
    uint16_t ipvs;
    ConntrackTcpState state;
    uint32_t status;
  };
  for (const Case& c :
       std::vector<Case>{{1, ConntrackTcpState::kEstablished, 0x1ae},
                         {2, ConntrackTcpState::kSynSent, 0x1a8},
                         {3, ConntrackTcpState::kSynReceived, 0x1aa},
                         {4, ConntrackTcpState::kFinWait, 0x1ae},
                         {5, ConntrackTcpState::kTimeWait, 0x1ae},
                         {6, ConntrackTcpState::kClose, 0x1ae},
                         {7, ConntrackTcpState::kCloseWait, 0x1ae},
                         {8, ConntrackTcpState::kLastAck, 0x1ae}}) {
    SyncRecord record = Nat();
    record.state = c.ipvs;
    const auto entry = EntryOf(record);
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->tcp_state, static_cast<uint8_t>(c.state));
    EXPECT_EQ(entry->status, c.status);
    SyncRecord back;
    RecordOf(ConntrackType::kUpdate, *entry, back);
    EXPECT_EQ(back.state, c.ipvs);
    EXPECT_EQ((back.flags & kInactive) != 0, c.ipvs != 1);
  }
}

TEST(ConntrackRecordTest, UdpHasNoState) {
  SyncRecord record = Nat();
  record.protocol = 17;
  record.state = 0;
  record.flags = kInactive;
  const auto entry = EntryOf(record);
  ASSERT_TRUE(entry.has_value());
  EXPECT_FALSE(entry->tcp_state.has_value());
  EXPECT_EQ(entry->status, 0x1aeu);
  EXPECT_TRUE(IsSendable(*entry));
}

TEST(ConntrackRecordTest, AnEndIsTheTupleAlone) {
  SyncRecord record = Nat();
  record.kind = SyncRecord::Kind::kGone;
  record.server = {};
  const auto entry = EntryOf(record);
  ASSERT_TRUE(entry.has_value());
  EXPECT_TRUE(IsSendable(*entry));
  EXPECT_EQ(entry->status, std::nullopt);
  SyncRecord back;
  ASSERT_EQ(RecordOf(ConntrackType::kDelete, Captured(), back),
            ConntrackUnmatched::kNone);
  EXPECT_EQ(back.kind, SyncRecord::Kind::kGone);
  EXPECT_EQ(back.client, record.client);
  EXPECT_EQ(back.virtual_service, record.virtual_service);
}

TEST(ConntrackRecordTest, WhatHasNoSuchFormIsNotTold) {
  SyncRecord record = Nat();
  record.flags = kForwardDirect;
  EXPECT_FALSE(EntryOf(record).has_value());
  record = Nat();
  record.kind = SyncRecord::Kind::kTemplate;
  EXPECT_FALSE(EntryOf(record).has_value());
  record = Nat();
  record.protocol = 132;
  EXPECT_FALSE(EntryOf(record).has_value());
  record = Nat();
  record.state = 11;
  EXPECT_FALSE(EntryOf(record).has_value());
}

TEST(ConntrackRecordTest, WhatNoDirectorCouldHaveIsNamed) {
  ConntrackEntry entry = Captured();
  entry.tuple.protocol = 1;
  EXPECT_EQ(Unmatched(entry), ConntrackUnmatched::kProtocol);
  entry = Captured();
  entry.nat_source_port = 9;
  EXPECT_EQ(Unmatched(entry), ConntrackUnmatched::kSourceNat);
  entry = Captured();
  entry.nat_destination.reset();
  entry.nat_destination_port.reset();
  EXPECT_EQ(Unmatched(entry), ConntrackUnmatched::kNoServer);
}

}  // namespace
}  // namespace ballast::ha
