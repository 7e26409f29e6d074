#include "lb/l4/tcp_reset.h"

#include <gtest/gtest.h>

#include "io/base/bytes.h"
#include "lb/l4/frame_builder.h"

namespace ballast::l4 {
namespace {

const Endpoint kClient4 = *Endpoint::Parse("198.51.100.7:40000");
const Endpoint kVip4 = *Endpoint::Parse("192.0.2.10:80");
const Endpoint kClient6 = *Endpoint::Parse("[2001:db8:1::7]:40000");
const Endpoint kVip6 = *Endpoint::Parse("[2001:db8:2::10]:80");

// A reset made by hand: 20 bytes of TCP, window 0.
Bytes ExpectedReset(const Endpoint& from, const Endpoint& to, uint32_t sequence,
                    uint32_t ack, uint8_t flags) {
  Bytes tcp(20);
  StoreBig16(&tcp[0], from.port);
  StoreBig16(&tcp[2], to.port);
  StoreBig32(&tcp[4], sequence);
  StoreBig32(&tcp[8], ack);
  tcp[12] = 0x50;
  tcp[13] = flags;
  const uint16_t sum = static_cast<uint16_t>(
      ~NaiveSum(Concat({PseudoHeader(from.address, to.address, 6, 20), tcp})));
  StoreBig16(&tcp[16], sum);
  return from.address.is_v4()
             ? Ipv4(from.address, to.address, 6, tcp, {.id = 0})
             : IpPacket(from.address, to.address, 6, tcp);
}

Bytes IpPart(const TestFrame& test) {
  const Bytes all = test.bytes();
  return Bytes(all.begin() + 14, all.end());
}

Bytes Answer(const Endpoint& from, const Endpoint& to,
             const TcpFields& fields) {
  TestFrame test(
      Framed(IpPacket(from.address, to.address, 6, Tcp(from, to, fields))));
  Packet packet;
  EXPECT_EQ(Parse(test.frame, &packet), DropReason::kNone);
  EXPECT_TRUE(MakeResetReply(test.frame, packet));
  const Bytes all = test.bytes();
  EXPECT_EQ(Bytes(all.begin(), all.begin() + 12),
            FromHex("020000000002 020000000001"));
  return IpPart(test);
}

// RFC 9293 §3.10.7.1: "If the ACK bit is off, sequence number zero is used,
// <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>".
TEST(TcpResetTest, SynIsAnsweredWithResetAndAck) {
  EXPECT_EQ(
      Answer(
          kClient4, kVip4,
          {.sequence = 1000, .flags = kTcpSyn, .options = FromHex("020405b4")}),
      ExpectedReset(kVip4, kClient4, 0, 1001, 0x14));
  // Data in a SYN (RFC 7413) is part of SEG.LEN, and numbers wrap.
  EXPECT_EQ(
      Answer(kClient6, kVip6,
             {.sequence = 0xffffffff, .flags = kTcpSyn, .data = {1, 2, 3}}),
      ExpectedReset(kVip6, kClient6, 0, 3, 0x14));
}

// "If the ACK bit is on, <SEQ=SEG.ACK><CTL=RST>".
TEST(TcpResetTest, SegmentWithAckIsAnsweredAtItsAcknowledgment) {
  for (const int flags : {0x10, 0x12, 0x11, 0x18}) {
    EXPECT_EQ(Answer(kClient4, kVip4,
                     {.ack = 777,
                      .flags = static_cast<uint8_t>(flags),
                      .data = Bytes(100)}),
              ExpectedReset(kVip4, kClient4, 777, 0, 0x04));
    EXPECT_EQ(Answer(kClient6, kVip6,
                     {.ack = 777, .flags = static_cast<uint8_t>(flags)}),
              ExpectedReset(kVip6, kClient6, 777, 0, 0x04));
  }
}

TEST(TcpResetTest, AResetIsNeverAnswered) {
  const auto refuses = [](const Bytes& bytes) {
    TestFrame test(bytes);
    Packet packet;
    EXPECT_EQ(Parse(test.frame, &packet), DropReason::kNone);
    const bool made = MakeResetReply(test.frame, packet);
    if (!made) {
      EXPECT_EQ(test.bytes(), bytes);
    }
    return !made;
  };
  for (const int flags : {0x04, 0x14}) {
    EXPECT_TRUE(refuses(Framed(IpPacket(
        kClient4.address, kVip4.address, 6,
        Tcp(kClient4, kVip4, {.flags = static_cast<uint8_t>(flags)})))));
  }
  EXPECT_TRUE(refuses(Framed(IpPacket(kClient4.address, kVip4.address, 17,
                                      Udp(kClient4, kVip4, {})))));
  // Of a fragmented segment the length is not known.
  EXPECT_TRUE(refuses(Framed(Ipv4(kClient4.address, kVip4.address, 6,
                                  Tcp(kClient4, kVip4, {.data = Bytes(4)}),
                                  {.fragment = 0x2000}))));
}

TEST(TcpResetTest, ReplyToAnOffloadedFrameLeavesNothingToDo) {
  TestFrame test(Framed(
      IpPacket(kClient4.address, kVip4.address, 6,
               Tcp(kClient4, kVip4,
                   {.ack = 5, .data = Bytes(3000), .sum = Sum::kPartial}))));
  test.SetPartial(34, 16);
  test.frame.offload.segmentation = Offload::Segmentation::kTcpV4;
  test.frame.offload.segment_size = 1448;
  Packet packet;
  ASSERT_EQ(Parse(test.frame, &packet), DropReason::kNone);
  ASSERT_TRUE(MakeResetReply(test.frame, packet));
  EXPECT_EQ(IpPart(test), ExpectedReset(kVip4, kClient4, 5, 0, 0x04));
  EXPECT_FALSE(test.frame.offload.partial_checksum);
  EXPECT_EQ(test.frame.offload.segmentation, Offload::Segmentation::kNone);
  EXPECT_EQ(test.frame.tailroom, 64u + 3000);
}

TEST(TcpResetTest, BothEndsOfABalancedConnection) {
  for (const bool v6 : {false, true}) {
    const Endpoint client = v6 ? kClient6 : kClient4;
    const Endpoint vip = v6 ? kVip6 : kVip4;
    const Endpoint server =
        *Endpoint::Parse(v6 ? "[fd00::9]:8080" : "10.0.0.9:8080");
    ResetPair pair{.client = client.address,
                   .vip = vip.address,
                   .server = server.address,
                   .client_port = client.port,
                   .vip_port = vip.port,
                   .server_port = server.port,
                   .direct = false,
                   .client_next = 100,
                   .client_ack = 200};
    TestFrame to_client({}, 64, 128), to_server({}, 64, 128);
    ASSERT_TRUE(BuildResetToClient(to_client.frame, pair));
    EXPECT_EQ(IpPart(to_client), ExpectedReset(vip, client, 200, 100, 0x14));
    ASSERT_TRUE(BuildResetToServer(to_server.frame, pair));
    EXPECT_EQ(IpPart(to_server), ExpectedReset(client, server, 100, 200, 0x14));
    EXPECT_EQ(to_server.frame.tailroom, 128u - to_server.frame.length);
    pair.direct = true;
    TestFrame direct({}, 64, 128);
    ASSERT_TRUE(BuildResetToServer(direct.frame, pair));
    EXPECT_EQ(IpPart(direct), ExpectedReset(client, vip, 100, 200, 0x14));
    // The Ethernet type is there, the addresses are SetMacs()'s.
    Packet packet;
    EXPECT_EQ(Parse(direct.frame, &packet), DropReason::kNone);
    EXPECT_EQ(packet.kind, PacketKind::kTcp);
  }
}

TEST(TcpResetTest, WithoutRoomNothingIsBuilt) {
  TestFrame small({}, 0, 53);
  EXPECT_FALSE(
      BuildReset(small.frame, {.source = kVip4, .destination = kClient4}));
  EXPECT_EQ(small.frame.length, 0u);
  TestFrame enough({}, 0, 54);
  EXPECT_TRUE(
      BuildReset(enough.frame, {.source = kVip4, .destination = kClient4}));
}

}  // namespace
}  // namespace ballast::l4
