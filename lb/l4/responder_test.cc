#include "lb/l4/responder.h"

#include <gtest/gtest.h>

#include "lb/l4/frame_builder.h"

namespace ballast::l4 {
namespace {

const MacAddress kMine = Mac("02:ba:11:a5:70:01");
const MacAddress kPeer = Mac("02:00:00:00:00:02");
const Address kVip4 = Ip("192.0.2.10");         // c000020a
const Address kPeer4 = Ip("192.0.2.77");        // c000024d
const Address kVip6 = Ip("2001:db8::abc:def");  // Group ff02::1:ffbc:def.
const Address kPeer6 = Ip("fe80::2");
constexpr char kVip6Hex[] = "20010db8 00000000 00000000 0abc0def";
constexpr char kPeer6Hex[] = "fe800000 00000000 00000000 00000002";
constexpr char kAllNodesHex[] = "ff020000 00000000 00000000 00000001";
constexpr char kGroupHex[] = "ff020000 00000000 00000001 ffbc0def";

// RFC 826's packet: types, sizes, operation; sender; target.
Bytes Arp(const char* ethernet, const char* operation, const char* sender,
          const char* target) {
  return Concat({FromHex(ethernet), FromHex("0806 0001 0800 06 04"),
                 FromHex(operation), FromHex(sender), FromHex(target)});
}
const Bytes kRequest = Arp("ffffffffffff 020000000002", "0001",
                           "020000000002 c000024d", "000000000000 c000020a");

// An ICMPv6 message between two addresses, as RFC 4861 §4.3 and §4.4 draw it,
// its checksum by the naive sum.
Bytes Discovery(const char* ethernet, const char* source,
                const char* destination, const Bytes& icmp) {
  Bytes sealed = icmp;
  const Bytes pseudo =
      Concat({FromHex(source),
              FromHex(destination),
              {0, 0, 0, static_cast<uint8_t>(icmp.size()), 0, 0, 0, 58}});
  const uint16_t sum = static_cast<uint16_t>(~NaiveSum(Concat({pseudo, icmp})));
  sealed[2] = static_cast<uint8_t>(sum >> 8);
  sealed[3] = static_cast<uint8_t>(sum);
  Bytes ip = FromHex("60000000 0000 3a ff");
  ip[5] = static_cast<uint8_t>(icmp.size());
  return Concat({FromHex(ethernet), FromHex("86dd"), ip, FromHex(source),
                 FromHex(destination), sealed});
}
const Bytes kSolicitation =
    Discovery("3333ffbc0def 020000000002", kPeer6Hex, kGroupHex,
              Concat({FromHex("87000000 00000000"), FromHex(kVip6Hex),
                      FromHex("0101 020000000002")}));
const Bytes kDetection = Discovery(
    "3333ffbc0def 020000000002", "00000000000000000000000000000000", kGroupHex,
    Concat({FromHex("87000000 00000000"), FromHex(kVip6Hex)}));

Packet MustParse(const Frame& frame) {
  Packet packet;
  const DropReason reason = Parse(frame, &packet);
  EXPECT_EQ(reason, DropReason::kNone) << DropReasonName(reason);
  return packet;
}
NeighbourMessage Read(const Bytes& bytes) {
  TestFrame test(bytes);
  const auto message = ReadNeighbour(test.frame, MustParse(test.frame));
  EXPECT_TRUE(message.has_value());
  return message.value_or(NeighbourMessage());
}

TEST(ResponderTest, ArpRequestIsAnsweredToTheByte) {
  // Padded to 60 bytes, as it comes from a card.
  TestFrame test(Concat({kRequest, Bytes(18)}));
  ASSERT_TRUE(MakeArpReply(test.frame, MustParse(test.frame), kMine));
  EXPECT_EQ(test.bytes(),
            Arp("020000000002 02ba11a57001", "0002", "02ba11a57001 c000020a",
                "020000000002 c000024d"));
  EXPECT_EQ(test.frame.tailroom, 64u + 18);
}

TEST(ResponderTest, ArpReplyIsNotAnswered) {
  const Bytes reply = Arp("02ba11a57001 020000000002", "0002",
                          "020000000002 c000024d", "02ba11a57001 c000020a");
  TestFrame test(reply);
  EXPECT_FALSE(MakeArpReply(test.frame, MustParse(test.frame), kMine));
  EXPECT_EQ(test.bytes(), reply);
}

TEST(ResponderTest, ReadsWhatArpSays) {
  const NeighbourMessage request = Read(kRequest);
  EXPECT_EQ(request.sender_mac, kPeer);
  EXPECT_EQ(request.claims, kPeer4);
  EXPECT_EQ(request.asks_for, kVip4);
  EXPECT_TRUE(request.probes.is_unspecified());

  const NeighbourMessage reply =
      Read(Arp("02ba11a57001 020000000002", "0002", "020000000002 c000020a",
               "02ba11a57001 c000024d"));
  EXPECT_EQ(reply.claims, kVip4);
  EXPECT_TRUE(reply.asks_for.is_unspecified());

  // RFC 5227 §2.1.1, §2.3: probe and announcement.
  const NeighbourMessage probe =
      Read(Arp("ffffffffffff 020000000002", "0001", "020000000002 00000000",
               "000000000000 c000020a"));
  EXPECT_TRUE(probe.claims.is_unspecified());
  EXPECT_EQ(probe.probes, kVip4);
  EXPECT_EQ(probe.asks_for, kVip4);
  const NeighbourMessage announcement =
      Read(Arp("ffffffffffff 020000000002", "0001", "020000000002 c000020a",
               "000000000000 c000020a"));
  EXPECT_EQ(announcement.claims, kVip4);
  EXPECT_TRUE(announcement.probes.is_unspecified());
  EXPECT_TRUE(announcement.asks_for.is_unspecified());
}

TEST(ResponderTest, SolicitationIsAnsweredToTheByte) {
  TestFrame test(kSolicitation);
  ASSERT_TRUE(
      MakeNeighbourAdvertisement(test.frame, MustParse(test.frame), kMine));
  EXPECT_EQ(test.bytes(),
            Discovery("020000000002 02ba11a57001", kVip6Hex, kPeer6Hex,
                      Concat({FromHex("88000000 e0000000"), FromHex(kVip6Hex),
                              FromHex("0201 02ba11a57001")})));
}

// RFC 4861 §7.2.4: to all nodes, solicited flag zero.
TEST(ResponderTest, DuplicateAddressDetectionIsAnsweredToAllNodes) {
  TestFrame test(kDetection);
  ASSERT_TRUE(
      MakeNeighbourAdvertisement(test.frame, MustParse(test.frame), kMine));
  EXPECT_EQ(test.bytes(),
            Discovery("333300000001 02ba11a57001", kVip6Hex, kAllNodesHex,
                      Concat({FromHex("88000000 a0000000"), FromHex(kVip6Hex),
                              FromHex("0201 02ba11a57001")})));
}

TEST(ResponderTest, ReadsWhatDiscoverySays) {
  const NeighbourMessage solicitation = Read(kSolicitation);
  EXPECT_EQ(solicitation.sender_mac, kPeer);
  EXPECT_EQ(solicitation.claims, kPeer6);
  EXPECT_EQ(solicitation.asks_for, kVip6);
  EXPECT_TRUE(solicitation.probes.is_unspecified());

  const NeighbourMessage detection = Read(kDetection);
  EXPECT_EQ(detection.sender_mac, kPeer);
  EXPECT_TRUE(detection.claims.is_unspecified());
  EXPECT_EQ(detection.probes, kVip6);
  EXPECT_EQ(detection.asks_for, kVip6);

  // An advertisement tells its target's MAC address in its option, here not the
  // one it was sent from; a nonce option (14) before it is stepped over.
  const NeighbourMessage advertisement = Read(Discovery(
      "333300000001 020000000002", kPeer6Hex, kAllNodesHex,
      Concat({FromHex("88000000 20000000"), FromHex(kVip6Hex),
              FromHex("0e01 aabbccddeeff"), FromHex("0201 02ba11a57001")})));
  EXPECT_EQ(advertisement.sender_mac, kMine);
  EXPECT_EQ(advertisement.claims, kVip6);
  EXPECT_TRUE(advertisement.asks_for.is_unspecified());
}

TEST(ResponderTest, ProbesToTheByte) {
  TestFrame arp({}, 0, 128);
  ASSERT_TRUE(BuildProbe(arp.frame, kVip4, kMine));
  EXPECT_EQ(arp.bytes(), Arp("ffffffffffff 02ba11a57001", "0001",
                             "02ba11a57001 00000000", "000000000000 c000020a"));
  TestFrame discovery({}, 0, 128);
  ASSERT_TRUE(BuildProbe(discovery.frame, kVip6, kMine));
  EXPECT_EQ(
      discovery.bytes(),
      Discovery("3333ffbc0def 02ba11a57001", "00000000000000000000000000000000",
                kGroupHex,
                Concat({FromHex("87000000 00000000"), FromHex(kVip6Hex)})));
}

TEST(ResponderTest, AnnouncementsToTheByte) {
  TestFrame request({}, 0, 128), reply({}, 0, 128), discovery({}, 0, 128);
  ASSERT_TRUE(BuildAnnouncement(request.frame, kVip4, kMine));
  EXPECT_EQ(request.bytes(),
            Arp("ffffffffffff 02ba11a57001", "0001", "02ba11a57001 c000020a",
                "000000000000 c000020a"));
  ASSERT_TRUE(BuildAnnouncement(reply.frame, kVip4, kMine, ArpForm::kReply));
  EXPECT_EQ(reply.bytes(),
            Arp("ffffffffffff 02ba11a57001", "0002", "02ba11a57001 c000020a",
                "02ba11a57001 c000020a"));
  ASSERT_TRUE(BuildAnnouncement(discovery.frame, kVip6, kMine));
  EXPECT_EQ(discovery.bytes(),
            Discovery("333300000001 02ba11a57001", kVip6Hex, kAllNodesHex,
                      Concat({FromHex("88000000 a0000000"), FromHex(kVip6Hex),
                              FromHex("0201 02ba11a57001")})));
  EXPECT_EQ(discovery.frame.length, kNeighbourFrameSize);
}

TEST(ResponderTest, WithoutRoomNothingIsMade) {
  TestFrame detection(kDetection, 0, 7);  // The option takes 8 bytes more.
  EXPECT_FALSE(MakeNeighbourAdvertisement(detection.frame,
                                          MustParse(detection.frame), kMine));
  EXPECT_EQ(detection.bytes(), kDetection);
  TestFrame small({}, 0, 41);
  EXPECT_FALSE(BuildAnnouncement(small.frame, kVip4, kMine));
  EXPECT_EQ(small.frame.length, 0u);
}

TEST(ResponderTest, OtherFramesSayNothing) {
  TestFrame test(Framed(IpPacket(kPeer4, kVip4, 47, {})));
  const Packet packet = MustParse(test.frame);
  EXPECT_FALSE(ReadNeighbour(test.frame, packet).has_value());
  EXPECT_FALSE(MakeArpReply(test.frame, packet, kMine));
  EXPECT_FALSE(MakeNeighbourAdvertisement(test.frame, packet, kMine));
}

}  // namespace
}  // namespace ballast::l4
