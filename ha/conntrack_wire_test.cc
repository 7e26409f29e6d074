// Expected values: messages that conntrackd 1.4.7 sent, and what it does with
// ones that are wrong.
#include "ha/conntrack_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "ha/conntrack_testing.h"

namespace ballast::ha {
namespace {

using namespace conntrack_testing;  // NOLINT: made for this.
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Address Ip(absl::string_view text) { return *Address::Parse(text); }

constexpr char kNewTcp[] =
    "1000003c 6b0220e6 000c0000 0a4d0003 0a4d0001 00080005 00000008"
    "00050002 06000000 00080003 9cc21f90 00050004 01000000 00080006 00000078";
constexpr char kNat[] =
    "10000054 6b02214d 000c0000 0a4d0001 0a4d0808 00080005 000001b8"
    "00050002 06000000 00080003 aff00051 00050004 01000000 00080006 00000078"
    "0008000d 0a4d0003 0006000e 611e0000 0006000f f51f0000";
constexpr char kIcmp[] =
    "10000044 6b02214b 000c0000 0a4d0001 0a4d0003 00080005 00000008"
    "00050002 01000000 00050016 08000000 00050017 00000000 00060018 02010000"
    "00080006 0000001e";
constexpr char kIpv6[] =
    "10000054 6b022038 00240001 fd000077000000000000000000000001"
    "fd000077000000000000000000000099 00080005 00000008 00050002 06000000"
    "00080003 c35201bb 00050004 01000000 00080006 00000078";
constexpr char kAlive[] = "1a100008 6b021d5d";

ConntrackEntry TcpEntry() {
  ConntrackEntry entry;
  entry.tuple = {Ip("10.77.0.3"), Ip("10.77.0.1"), 40130, 8080, 6};
  entry.status = kStatusConfirmed;
  entry.timeout_s = 120;
  entry.tcp_state = static_cast<uint8_t>(ConntrackTcpState::kSynSent);
  return entry;
}

// -- What the daemon sends ---------------------------------------------------

TEST(ConntrackWireTest, ANewTcpConnection) {
  const Outcome outcome = Read(FromHex(kNewTcp));
  ASSERT_THAT(outcome.messages, SizeIs(1));
  const ConntrackMessage& message = outcome.messages[0];
  EXPECT_EQ(message.type, ConntrackType::kNew);
  EXPECT_EQ(message.flags, 0);
  EXPECT_EQ(message.sequence, 0x6b0220e6);
  EXPECT_TRUE(message.has_entry());
  EXPECT_EQ(message.entry, TcpEntry());
  EXPECT_EQ(outcome.all_errors(), 0u);
}

TEST(ConntrackWireTest, NatPortsStandInTheSendersOrder) {
  const Outcome outcome = Read(FromHex(kNat));
  ASSERT_THAT(outcome.messages, SizeIs(1));
  const ConntrackEntry& entry = outcome.messages[0].entry;
  EXPECT_EQ(entry.nat_destination, Ip("10.77.0.3"));
  EXPECT_EQ(entry.nat_destination_port, 8181);
  EXPECT_EQ(entry.nat_source, std::nullopt);
  EXPECT_EQ(entry.nat_source_port, 7777);
  EXPECT_EQ(entry.status, kStatusConfirmed | kStatusSourceNat |
                              kStatusDestinationNat | kStatusSourceNatDone |
                              kStatusDestinationNatDone);
}

TEST(ConntrackWireTest, AnEchoIsNamedByTypeCodeAndId) {
  const Outcome outcome = Read(FromHex(kIcmp));
  ASSERT_THAT(outcome.messages, SizeIs(1));
  EXPECT_EQ(outcome.messages[0].entry.tuple,
            (ConntrackTuple{Ip("10.77.0.1"), Ip("10.77.0.3"), 258, 8 << 8, 1}));
}

TEST(ConntrackWireTest, Ipv6) {
  const Outcome outcome = Read(FromHex(kIpv6));
  ASSERT_THAT(outcome.messages, SizeIs(1));
  EXPECT_EQ(
      outcome.messages[0].entry.tuple,
      (ConntrackTuple{Ip("fd00:77::1"), Ip("fd00:77::99"), 50002, 443, 6}));
}

TEST(ConntrackWireTest, ControlMessages) {
  struct Case {
    const char* hex;
    uint8_t flags;
    uint32_t from, to;
  };
  for (const Case& c : std::vector<Case>{
           {"1a020010 6b0220e1 00000000 00000000", kConntrackResync, 0, 0},
           {kAlive, kConntrackAlive, 0, 0},
           {"1a300008 6b02200d", kConntrackAlive | kConntrackHello, 0, 0},
           {"1a680010 6b02200d 6b02200d 6b02200d",
            kConntrackAck | kConntrackHelloMask, 0x6b02200d, 0x6b02200d},
           {"1a480010 6b02200e 6b02200d 6b02200d",
            kConntrackAck | kConntrackHelloBack, 0x6b02200d, 0x6b02200d},
           {"1a080010 6b022011 6b02200f 6b022010", kConntrackAck, 0x6b02200f,
            0x6b022010},
           {"1a040010 6b022236 6b022236 6b022236", kConntrackNack, 0x6b022236,
            0x6b022236}}) {
    SCOPED_TRACE(c.hex);
    const Outcome outcome = Read(FromHex(c.hex));
    ASSERT_THAT(outcome.messages, SizeIs(1));
    EXPECT_FALSE(outcome.messages[0].is_data());
    EXPECT_EQ(outcome.messages[0].flags, c.flags);
    EXPECT_EQ(outcome.messages[0].from, c.from);
    EXPECT_EQ(outcome.messages[0].to, c.to);
    EXPECT_EQ(Write(outcome.messages[0]), FromHex(c.hex));
  }
}

TEST(ConntrackWireTest, AnAliveOf16BytesIsTaken) {
  const Outcome outcome = Read(FromHex("1a100010 00000001 00000002 00000003"));
  EXPECT_THAT(outcome.messages, SizeIs(1));
}

// -- Captures ----------------------------------------------------------------

struct CaptureCase {
  const char* name;
  size_t messages;
};
class ConntrackCaptureTest : public ::testing::TestWithParam<CaptureCase> {};

TEST_P(ConntrackCaptureTest, EveryMessageIsWrittenAgainByteForByte) {
  size_t messages = 0;
  for (const CapturedDatagram& datagram : Captured(GetParam().name)) {
    const Outcome outcome = Read(datagram.payload);
    EXPECT_EQ(outcome.all_errors(), 0u);
    Bytes again;
    for (const ConntrackMessage& message : outcome.messages) {
      const Bytes bytes = Write(message);
      again.insert(again.end(), bytes.begin(), bytes.end());
      ++messages;
    }
    EXPECT_EQ(ToHex(again), ToHex(datagram.payload));
  }
  EXPECT_EQ(messages, GetParam().messages);
}

// Messages counted by a decoder of its own over the same files.
INSTANTIATE_TEST_SUITE_P(
    , ConntrackCaptureTest,
    ::testing::Values(CaptureCase{"alarm", 10}, CaptureCase{"ftfw", 20},
                      CaptureCase{"ftfw-loss", 39},
                      CaptureCase{"multicast", 21},
                      CaptureCase{"nat-sctp-icmp", 19},
                      CaptureCase{"notrack-direct", 28},
                      CaptureCase{"notrack", 20}, CaptureCase{"types", 24}),
    [](const auto& info) {
      return absl::StrReplaceAll(info.param.name, {{"-", "_"}});
    });

// By hand: all attributes that are kept as bytes, in conntrackd's order.
TEST(ConntrackWireTest, AttributesItDoesNotUseAreWrittenAgainTheSame) {
  for (const char* name : {"opaque", "dccp_expectation"}) {
    SCOPED_TRACE(name);
    std::ifstream file(absl::StrCat("ha/testdata/conntrack_", name, ".bin"),
                       std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const Bytes datagram(text.begin(), text.end());
    const Outcome outcome = Read(datagram);
    EXPECT_EQ(outcome.all_errors(), 0u);
    ASSERT_FALSE(outcome.messages.empty());
    const Bytes again = Write(outcome.messages[0]);
    EXPECT_EQ(ToHex(again), ToHex(std::span(datagram).first(
                                std::min(again.size(), datagram.size()))));
    EXPECT_GT(again.size(), 100u);
  }
}

// -- What is refused ---------------------------------------------------------

// Outcome of `hex` with an ALIVE behind it.
Outcome WithAlive(const std::string& hex) {
  return Read(FromHex(absl::StrCat(hex, kAlive)));
}

TEST(ConntrackRefusalTest, AMessageThatIsSkippedLeavesTheNext) {
  struct Case {
    const char* hex;
    ConntrackReadError error;
  };
  for (const Case& c : std::vector<Case>{
           {"2a100008 00000001", ConntrackReadError::kVersion},
           {"00000008 00000001", ConntrackReadError::kVersion},
           {"16000008 00000001", ConntrackReadError::kType},
           {"19000008 00000001", ConntrackReadError::kType},
           {"1b000008 00000001", ConntrackReadError::kType},
           {"1a000008 00000001", ConntrackReadError::kFlags},
           {"1a010008 00000001", ConntrackReadError::kFlags},
           {"1a180010 00000001 00000001 00000001", ConntrackReadError::kFlags},
           {"10010008 00000001", ConntrackReadError::kFlags},
           {"10100008 00000001", ConntrackReadError::kFlags},
           {"1a080010 00000009 00000005 00000004", ConntrackReadError::kRange},
           {"1a040010 00000009 00000005 00000004",
            ConntrackReadError::kRange}}) {
    SCOPED_TRACE(c.hex);
    const Outcome outcome = WithAlive(c.hex);
    EXPECT_EQ(outcome.errors(c.error), 1u);
    EXPECT_EQ(outcome.all_errors(), 1u);
    ASSERT_THAT(outcome.messages, SizeIs(1));
    EXPECT_EQ(outcome.messages[0].flags, kConntrackAlive);
  }
}

TEST(ConntrackRefusalTest, ARangeMayWrap) {
  EXPECT_EQ(Read(FromHex("1a080010 00000009 fffffffe 00000003")).all_errors(),
            0u);
}

TEST(ConntrackRefusalTest, ASizeThatCannotBeEndsTheDatagram) {
  struct Case {
    const char* hex;
    ConntrackReadError error;
  };
  for (const Case& c : std::vector<Case>{
           {"1a100000 00000001", ConntrackReadError::kSize},
           {"1a100007 00000001", ConntrackReadError::kSize},
           {"1a100011 00000001", ConntrackReadError::kSize},
           {"1aff", ConntrackReadError::kSize},
           {"1a080008 00000001", ConntrackReadError::kTruncated},
           {"1a04000c 00000001 00000001", ConntrackReadError::kTruncated},
           {"1a020008 00000001", ConntrackReadError::kTruncated}}) {
    SCOPED_TRACE(c.hex);
    const Outcome outcome = WithAlive(c.hex);
    EXPECT_EQ(outcome.errors(c.error), 1u);
    EXPECT_THAT(outcome.messages, IsEmpty());
  }
  EXPECT_EQ(Read(FromHex("1a1000")).errors(ConntrackReadError::kTruncated), 1u);
}

// The numbers count all the same: a peer that were asked again would say the
// same again.
TEST(ConntrackRefusalTest, AttributesThatAreWrong) {
  struct Case {
    const char* attributes;
    ConntrackReadError error;
  };
  const std::string tuple =
      "000c0000 0a4d0003 0a4d0001 00050002 06000000 00080003 9cc21f90";
  for (const Case& c : std::vector<Case>{
           {"00080020 00000000", ConntrackReadError::kAttributeUnknown},
           {"0008ffff 00000000", ConntrackReadError::kAttributeUnknown},
           {"00070006 00000000", ConntrackReadError::kAttributeSize},
           {"00030006", ConntrackReadError::kAttributeSize},
           {"00090006 00000000", ConntrackReadError::kAttributeSize},
           {"000c0006 00000000", ConntrackReadError::kAttributeSize},
           {"0008", ConntrackReadError::kAttributeSize},
           {"0004001b", ConntrackReadError::kAttributeSize},
           {"0008001b 66747070", ConntrackReadError::kAttributeSize},
           {"0006001c 00000000", ConntrackReadError::kAttributeSize},
           {"00050002 06000000", ConntrackReadError::kAttributeTwice},
           {"0014001d fd000077000000000000000000000001",
            ConntrackReadError::kFamily},
           {"00240001 fd000077000000000000000000000001"
            "fd000077000000000000000000000099",
            ConntrackReadError::kFamily},
           {"00050004 0a000000", ConntrackReadError::kState}}) {
    SCOPED_TRACE(c.attributes);
    const Bytes body = FromHex(absl::StrCat(tuple, c.attributes));
    Bytes bytes = FromHex("10000000 00000007");
    bytes[3] = static_cast<uint8_t>(8 + body.size());
    bytes.insert(bytes.end(), body.begin(), body.end());
    const Outcome outcome = Read(bytes);
    EXPECT_EQ(outcome.errors(c.error), 1u);
    EXPECT_EQ(outcome.all_errors(), 1u);
    ASSERT_THAT(outcome.messages, SizeIs(1));
    EXPECT_EQ(outcome.messages[0].refused, c.error);
    EXPECT_EQ(outcome.messages[0].sequence, 7u);
    EXPECT_FALSE(outcome.messages[0].has_entry());
  }
}

TEST(ConntrackRefusalTest, WithoutATupleNothingIsNamed) {
  for (const char* hex :
       {"10000008 00000001",
        // Addresses alone; without addresses; without ports; without id.
        "10000014 00000001 000c0000 0a4d0003 0a4d0001",
        "10000018 00000001 00050002 06000000 00080003 9cc21f90",
        "1000001c 00000001 000c0000 0a4d0003 0a4d0001 00050002 06000000",
        "1000002c 00000001 000c0000 0a4d0003 0a4d0001 00050002 01000000"
        "00050016 08000000 00050017 00000000"}) {
    SCOPED_TRACE(hex);
    EXPECT_EQ(Read(FromHex(hex)).errors(ConntrackReadError::kNoTuple), 1u);
  }
}

TEST(ConntrackWireTest, AttributesMayComeInAnyOrderAndTheLastUnpadded) {
  const Outcome outcome =
      Read(FromHex("10000039 6b0220e6 00080006 00000078 00050004 01000000"
                   "00080003 9cc21f90 00080005 00000008 000c0000 0a4d0003"
                   "0a4d0001 00050002 06"));
  ASSERT_THAT(outcome.messages, SizeIs(1));
  EXPECT_EQ(outcome.messages[0].entry, TcpEntry());
}

TEST(ConntrackWireTest, AProtocolWithoutPortsIsItsAddresses) {
  const Outcome outcome = Read(FromHex(
      "1000001c 00000001 000c0000 0a4d0003 0a4d0001 00050002 2f000000"));
  ASSERT_THAT(outcome.messages, SizeIs(1));
  EXPECT_TRUE(outcome.messages[0].has_entry());
}

// -- What is never sent ------------------------------------------------------

TEST(ConntrackWriteTest, WhatAPeerWouldRefuseOrDieOf) {
  const auto refused = [](auto&& change) {
    ConntrackEntry entry = TcpEntry();
    change(entry);
    Bytes bytes(1000, 0xee);
    EXPECT_FALSE(IsSendable(entry));
    EXPECT_EQ(WriteConntrackEntry(ConntrackType::kNew, 0, 1, entry, bytes), 0u);
    EXPECT_EQ(bytes, Bytes(1000, 0xee));
  };
  EXPECT_TRUE(IsSendable(TcpEntry()));
  refused([](auto& e) { e.tuple = {}; });
  refused([](auto& e) { e.tuple.protocol = 0; });
  refused([](auto& e) { e.tuple.destination = Ip("fd00::1"); });
  refused([](auto& e) { e.nat_source = Ip("fd00::1"); });
  refused([](auto& e) { e.nat_destination = Ip("fd00::1"); });
  refused([](auto& e) { e.tcp_state = 10; });
  refused([](auto& e) { e.tuple.protocol = 17; });  // With a state of TCP.
  const auto others = [&](std::vector<ConntrackEntry::Attribute> list) {
    refused([&](auto& e) { e.others = list; });
  };
  others({{32, "1234"}});
  others({{6, std::string(4, '\0')}});  // Not an opaque one.
  others({{31, "123"}});
  others({{27, "ftp"}});  // No final zero.
  others({{17, "1"}, {17, "1"}});
  others({{31, std::string(12, '\0')}, {17, "1"}});  // Out of order.
}

TEST(ConntrackWriteTest, NothingIsWrittenWithoutRoom) {
  Bytes whole(1000);
  const size_t size =
      WriteConntrackEntry(ConntrackType::kNew, 0, 1, TcpEntry(), whole);
  ASSERT_EQ(size, 60u);
  for (size_t room = 0; room < size; ++room) {
    Bytes bytes(room);
    EXPECT_EQ(WriteConntrackEntry(ConntrackType::kNew, 0, 1, TcpEntry(), bytes),
              0u);
  }
  Bytes bytes(size);
  EXPECT_EQ(WriteConntrackEntry(ConntrackType::kNew, 0, 1, TcpEntry(), bytes),
            size);
  Bytes control(15);
  EXPECT_EQ(WriteConntrackControl(kConntrackAck, 1, 1, 1, control), 0u);
}

}  // namespace
}  // namespace ballast::ha
