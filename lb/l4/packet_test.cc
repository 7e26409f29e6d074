#include "lb/l4/packet.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "lb/l4/frame_builder.h"

namespace ballast::l4 {
namespace {

const Endpoint kClient4 = *Endpoint::Parse("198.51.100.7:40000");
const Endpoint kVip4 = *Endpoint::Parse("192.0.2.10:80");
const Endpoint kClient6 = *Endpoint::Parse("[2001:db8:1::7]:40000");
const Endpoint kVip6 = *Endpoint::Parse("[2001:db8:2::10]:80");

Bytes TcpFrame4(const TcpFields& fields = {}, const Ipv4Fields& ip = {}) {
  return Framed(Ipv4(kClient4.address, kVip4.address, 6,
                     Tcp(kClient4, kVip4, fields), ip));
}

DropReason ParseBytes(const Bytes& bytes, Packet* packet,
                      Offload offload = {}) {
  // No slack behind the frame, so that a sanitizer sees an overrun.
  TestFrame test(bytes, 0, 0);
  test.frame.offload = offload;
  return Parse(test.frame, packet);
}
DropReason Verdict(const Bytes& bytes) {
  Packet packet;
  return ParseBytes(bytes, &packet);
}

TEST(PacketTest, EveryReasonHasADistinctSnakeCaseName) {
  std::set<std::string> names;
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    const std::string name = DropReasonName(static_cast<DropReason>(i));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
              std::string::npos)
        << name;
  }
}

TEST(PacketTest, TcpOverIpv4) {
  const Bytes frame = Concat(
      {EthernetHeader(0x0800),
       Ipv4(kClient4.address, kVip4.address, 6,
            Tcp(kClient4, kVip4,
                {.flags = 0xc2, .options = FromHex("020405b4 01010402")}),
            {.ttl = 3})});
  Packet p;
  ASSERT_EQ(ParseBytes(frame, &p), DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kTcp);
  EXPECT_FALSE(p.v6);
  EXPECT_EQ(p.protocol, 6);
  EXPECT_EQ(p.ttl, 3);
  EXPECT_EQ(p.tcp_flags, 0xc2);
  EXPECT_EQ(p.l3, 14);
  EXPECT_EQ(p.l4, 34);
  EXPECT_EQ(p.payload, 34 + 28);
  EXPECT_EQ(p.end, 34u + 28);
  EXPECT_EQ(p.ip_length(), 48u);
  EXPECT_EQ(p.source_port, 40000);
  EXPECT_EQ(p.destination_port, 80);
  EXPECT_FALSE(p.is_fragment);
  EXPECT_FALSE(p.partial_checksum);
}

TEST(PacketTest, UdpOverIpv6) {
  Packet p;
  const Bytes frame =
      Framed(Ipv6(kClient6.address, kVip6.address, 17,
                  Udp(kClient6, kVip6, FromHex("01020304")), 9));
  TestFrame test(frame);
  ASSERT_EQ(Parse(test.frame, &p), DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kUdp);
  EXPECT_TRUE(p.v6);
  EXPECT_EQ(p.ttl, 9);
  EXPECT_EQ(p.l4, 54);
  EXPECT_EQ(p.payload, 62);
  EXPECT_EQ(p.end, 66u);
  EXPECT_EQ(SourceAddress(test.frame, p), kClient6.address);
  EXPECT_EQ(DestinationAddress(test.frame, p), kVip6.address);
}

TEST(PacketTest, EthernetPaddingIsNotPartOfThePacket) {
  Packet p;
  const Bytes padded = Concat({TcpFrame4(), Bytes(6)});
  ASSERT_EQ(ParseBytes(padded, &p), DropReason::kNone);
  EXPECT_EQ(p.end, 54u);
  EXPECT_EQ(p.ip_length(), 40u);
}

TEST(PacketTest, Ipv4OptionsAreSteppedOver) {
  // RFC 2113 router alert.
  Packet p;
  ASSERT_EQ(ParseBytes(TcpFrame4({}, {.options = FromHex("94040000")}), &p),
            DropReason::kNone);
  EXPECT_EQ(p.l4, 38);
  EXPECT_EQ(p.destination_port, 80);
}

// Whatever is cut off a whole frame, it is refused, and nothing is read behind
// its end (the sanitizers watch).
TEST(PacketTest, EveryTruncationIsRefused) {
  const Bytes quoted4 =
      Ipv4(kVip4.address, kClient4.address, 6, Tcp(kVip4, kClient4));
  const Bytes quoted6 =
      Ipv6(kVip6.address, kClient6.address, 17, Udp(kVip6, kClient6, {1, 2}));
  const Address router4 = Ip("203.0.113.1"), router6 = Ip("2001:db8::1");
  const Bytes frames[] = {
      TcpFrame4({.options = FromHex("020405b4"), .data = {1, 2, 3}}),
      TcpFrame4({}, {.options = FromHex("94040000")}),
      Framed(IpPacket(kClient4.address, kVip4.address, 17,
                      Udp(kClient4, kVip4, {1, 2, 3}))),
      Framed(IpPacket(kClient6.address, kVip6.address, 6,
                      Tcp(kClient6, kVip6, {.data = {1}}))),
      Framed(Ipv6(kClient6.address, kVip6.address, 0,
                  Udp(kClient6, kVip6, {1, 2, 3}), 64,
                  FromHex("3c00010400000000 1100010400000000"))),
      Framed(IpPacket(router4, kVip4.address, 1,
                      Icmp(router4, kVip4.address, 3, 4,
                           Concat({FromHex("000005dc"), quoted4})))),
      Framed(IpPacket(router6, kVip6.address, 58,
                      Icmp(router6, kVip6.address, 2, 0,
                           Concat({FromHex("000005dc"), quoted6})))),
      Concat({EthernetHeader(0x0806),
              FromHex("0001 0800 06 04 0001 020000000002 c6336407"
                      "000000000000 c000020a")}),
  };
  for (const Bytes& frame : frames) {
    ASSERT_EQ(Verdict(frame), DropReason::kNone);
    for (size_t length = 0; length < frame.size(); ++length) {
      ASSERT_NE(Verdict(Bytes(frame.begin(), frame.begin() + length)),
                DropReason::kNone)
          << length;
    }
  }
}

TEST(PacketTest, AnyChangedBitOfTheIpv4HeaderIsSeen) {
  const Bytes good = TcpFrame4();
  for (size_t bit = 0; bit < 160; ++bit) {
    Bytes bad = good;
    bad[14 + bit / 8] ^= 1 << bit % 8;
    ASSERT_NE(Verdict(bad), DropReason::kNone) << bit;
  }
  Bytes bad = good;
  bad[24] ^= 1;
  EXPECT_EQ(Verdict(bad), DropReason::kBadIpChecksum);
}

TEST(PacketTest, TcpFlagsThatNoTcpSends) {
  const auto verdict = [](uint8_t flags) {
    return Verdict(TcpFrame4({.flags = flags}));
  };
  // SYN, SYN+ACK, ACK, FIN+ACK, RST, RST+ACK; PSH, ECE, CWR make no difference.
  for (const int flags : {0x02, 0x12, 0x10, 0x11, 0x04, 0x14, 0x18, 0xc2, 0x22,
                          0x31, 0x19, 0x50}) {
    EXPECT_EQ(verdict(static_cast<uint8_t>(flags)), DropReason::kNone) << flags;
  }
  // Null, FIN alone, "Christmas tree", SYN+FIN, SYN+RST, FIN+RST, all.
  for (const int flags : {0x00, 0x01, 0x29, 0x03, 0x06, 0x05, 0x3f, 0x08}) {
    EXPECT_EQ(verdict(static_cast<uint8_t>(flags)),
              DropReason::kMalformedTransport)
        << flags;
  }
}

TEST(PacketTest, TcpHeaderLengthMustFit) {
  Bytes frame = TcpFrame4();
  frame[34 + 12] = 0x40;  // 16 bytes.
  EXPECT_EQ(Verdict(frame), DropReason::kMalformedTransport);
  frame[34 + 12] = 0x60;  // 24, but the packet ends at 20.
  EXPECT_EQ(Verdict(frame), DropReason::kMalformedTransport);
}

TEST(PacketTest, UdpLengthMustFit) {
  Bytes frame = Framed(IpPacket(kClient4.address, kVip4.address, 17,
                                Udp(kClient4, kVip4, {1, 2, 3, 4})));
  frame[34 + 5] = 13;
  EXPECT_EQ(Verdict(frame), DropReason::kMalformedTransport);
  frame[34 + 5] = 7;
  EXPECT_EQ(Verdict(frame), DropReason::kMalformedTransport);
  frame[34 + 5] = 11;  // Shorter than the IP packet: bytes left over.
  EXPECT_EQ(Verdict(frame), DropReason::kNone);
}

struct AddressCase {
  const char* source;
  const char* destination;
  DropReason verdict;
};

TEST(PacketTest, ImpossibleAddresses) {
  const AddressCase cases[] = {
      {"127.0.0.1", "192.0.2.10", DropReason::kSourceInvalid},
      {"0.0.0.0", "192.0.2.10", DropReason::kSourceInvalid},
      {"0.1.2.3", "192.0.2.10", DropReason::kSourceInvalid},
      {"224.0.0.1", "192.0.2.10", DropReason::kSourceInvalid},
      {"255.255.255.255", "192.0.2.10", DropReason::kSourceInvalid},
      {"192.0.2.10", "192.0.2.10", DropReason::kSourceIsDestination},
      {"198.51.100.7", "127.0.0.1", DropReason::kDestinationInvalid},
      {"198.51.100.7", "0.0.0.0", DropReason::kDestinationInvalid},
      {"198.51.100.7", "224.0.0.18", DropReason::kMulticast},
      {"0.0.0.0", "255.255.255.255", DropReason::kMulticast},
      // 240/4 is reserved, not impossible: some networks use it.
      {"240.0.0.1", "192.0.2.10", DropReason::kNone},
      {"::1", "2001:db8::1", DropReason::kSourceInvalid},
      {"::", "2001:db8::1", DropReason::kSourceInvalid},
      {"ff02::1", "2001:db8::1", DropReason::kSourceInvalid},
      {"2001:db8::1", "2001:db8::1", DropReason::kSourceIsDestination},
      {"2001:db8::1", "::1", DropReason::kDestinationInvalid},
      {"2001:db8::1", "::", DropReason::kDestinationInvalid},
      {"2001:db8::1", "ff02::fb", DropReason::kMulticast},
      {"fe80::1", "2001:db8::1", DropReason::kNone},
  };
  for (const AddressCase& c : cases) {
    const Endpoint source{Ip(c.source), 1000},
        destination{Ip(c.destination), 9};
    EXPECT_EQ(Verdict(Framed(IpPacket(source.address, destination.address, 17,
                                      Udp(source, destination, {})))),
              c.verdict)
        << c.source << " -> " << c.destination << " "
        << DropReasonName(
               Verdict(Framed(IpPacket(source.address, destination.address, 17,
                                       Udp(source, destination, {})))));
  }
}

TEST(PacketTest, Ipv4MappedAddressesDoNotTravel) {
  // As a value ::ffff:192.0.2.10 *is* 192.0.2.10, so it must not come in as
  // IPv6.
  Bytes frame = Framed(
      IpPacket(kClient6.address, kVip6.address, 17, Udp(kClient6, kVip6, {})));
  const Bytes mapped = FromHex("00000000000000000000ffffc000020a");
  Bytes source = frame, destination = frame;
  std::copy(mapped.begin(), mapped.end(), source.begin() + 14 + 8);
  std::copy(mapped.begin(), mapped.end(), destination.begin() + 14 + 24);
  EXPECT_EQ(Verdict(source), DropReason::kSourceInvalid);
  EXPECT_EQ(Verdict(destination), DropReason::kDestinationInvalid);
}

TEST(PacketTest, BroadcastMacAroundAUnicastPacketIsDropped) {
  Bytes frame = TcpFrame4();
  std::fill(frame.begin(), frame.begin() + 6, 0xff);
  EXPECT_EQ(Verdict(frame), DropReason::kMulticast);
  frame = TcpFrame4();
  frame[6] |= 1;
  EXPECT_EQ(Verdict(frame), DropReason::kMalformedEthernet);
}

TEST(PacketTest, SourceRoutesAreRefused) {
  EXPECT_EQ(Verdict(TcpFrame4({}, {.options = FromHex("83070400000000 00")})),
            DropReason::kSourceRouted);
  EXPECT_EQ(Verdict(TcpFrame4({}, {.options = FromHex("01 890704000000 00")})),
            DropReason::kSourceRouted);
  EXPECT_EQ(Verdict(TcpFrame4({}, {.options = FromHex("94080000")})),
            DropReason::kMalformedIp);
  const auto routed = [](const char* header) {
    return Verdict(Framed(Ipv6(kClient6.address, kVip6.address, 43,
                               Udp(kClient6, kVip6, {}), 64, FromHex(header))));
  };
  EXPECT_EQ(routed("1102000100000000 20010db8000000000000000000000001"),
            DropReason::kSourceRouted);
  EXPECT_EQ(routed("1102000000000000 20010db8000000000000000000000001"),
            DropReason::kNone);
}

TEST(PacketTest, Ipv6ExtensionHeadersAreWalkedButNotForEver) {
  const auto chain = [](int count) {
    Bytes headers;
    for (int i = 0; i < count; ++i) {
      Bytes header = FromHex("3c00 010400000000");
      if (i == count - 1) header[0] = 17;
      headers = Concat({headers, header});
    }
    return Framed(Ipv6(kClient6.address, kVip6.address, 60,
                       Udp(kClient6, kVip6, {}), 64, headers));
  };
  Packet p;
  ASSERT_EQ(ParseBytes(chain(8), &p), DropReason::kNone);
  EXPECT_EQ(p.l4, 14 + 40 + 64);
  EXPECT_EQ(p.kind, PacketKind::kUdp);
  EXPECT_EQ(ParseBytes(chain(9), &p), DropReason::kMalformedIp);
  // Hop-by-hop anywhere but first.
  EXPECT_EQ(Verdict(Framed(Ipv6(kClient6.address, kVip6.address, 60,
                                Udp(kClient6, kVip6, {}), 64,
                                FromHex("0000010400000000 1100010400000000")))),
            DropReason::kMalformedIp);
}

TEST(PacketTest, FragmentsOverIpv4) {
  Packet p;
  const TcpFields data{.data = Bytes(12)};  // 32 bytes of TCP.
  ASSERT_EQ(ParseBytes(TcpFrame4(data, {.id = 77, .fragment = 0x2000}), &p),
            DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kTcp);
  EXPECT_TRUE(p.is_fragment && p.first_fragment);
  EXPECT_EQ(p.fragment_id, 77u);
  EXPECT_EQ(p.destination_port, 80);

  ASSERT_EQ(ParseBytes(TcpFrame4(data, {.id = 77, .fragment = 0x0004}), &p),
            DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kFragment);
  EXPECT_TRUE(p.is_fragment);
  EXPECT_FALSE(p.first_fragment);
  EXPECT_EQ(p.protocol, 6);

  // Overwrites TCP flags (RFC 3128), or is no multiple of 8 though more
  // follow, or ends beyond 65,535.
  EXPECT_EQ(Verdict(TcpFrame4(data, {.fragment = 0x0001})),
            DropReason::kMalformedTransport);
  EXPECT_EQ(Verdict(TcpFrame4({.data = Bytes(11)}, {.fragment = 0x2000})),
            DropReason::kMalformedIp);
  EXPECT_EQ(Verdict(TcpFrame4(data, {.fragment = 0x1fff})),
            DropReason::kMalformedIp);
  // A first fragment without the whole TCP header (RFC 1858).
  EXPECT_EQ(Verdict(Framed(Ipv4(kClient4.address, kVip4.address, 6, Bytes(16),
                                {.fragment = 0x2000}))),
            DropReason::kMalformedTransport);
  // A fragmented echo request cannot be answered from its first part.
  ASSERT_EQ(ParseBytes(
                Framed(Ipv4(kClient4.address, kVip4.address, 1,
                            FromHex("0800000000010001"), {.fragment = 0x2000})),
                &p),
            DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kIcmpOther);
}

TEST(PacketTest, FragmentsOverIpv6) {
  const auto fragment = [](const char* header) {
    return Framed(Ipv6(kClient6.address, kVip6.address, 44,
                       Udp(kClient6, kVip6, Bytes(8)), 64, FromHex(header)));
  };
  Packet p;
  ASSERT_EQ(ParseBytes(fragment("1100 0001 0a0b0c0d"), &p), DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kUdp);
  EXPECT_TRUE(p.is_fragment && p.first_fragment);
  EXPECT_EQ(p.fragment_id, 0x0a0b0c0du);
  EXPECT_EQ(p.l4, 62);
  ASSERT_EQ(ParseBytes(fragment("1100 0010 0a0b0c0d"), &p), DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kFragment);
  EXPECT_EQ(p.protocol, 17);
  // RFC 6946: an atomic fragment is a whole packet.
  ASSERT_EQ(ParseBytes(fragment("1100 0000 0a0b0c0d"), &p), DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kUdp);
  EXPECT_FALSE(p.is_fragment);
  // RFC 7112: the header chain must be in the first fragment.
  EXPECT_EQ(Verdict(Framed(Ipv6(kClient6.address, kVip6.address, 44, {}, 64,
                                FromHex("3c00 0001 0a0b0c0d")))),
            DropReason::kMalformedIp);
  EXPECT_EQ(
      Verdict(Framed(Ipv6(kClient6.address, kVip6.address, 44, {}, 64,
                          FromHex("2c00 0001 0a0b0c0d 1100 0001 0a0b0c0d")))),
      DropReason::kMalformedIp);
}

TEST(PacketTest, SegmentationOffloadIsOnePacketUpTo65535Bytes) {
  Packet p;
  Offload offload;
  offload.segmentation = Offload::Segmentation::kTcpV4;
  offload.segment_size = 1448;
  offload.partial_checksum = true;
  offload.checksum_start = 34;
  offload.checksum_offset = 16;
  Bytes frame = TcpFrame4({.data = Bytes(65535 - 40), .sum = Sum::kPartial});
  ASSERT_EQ(ParseBytes(frame, &p, offload), DropReason::kNone);
  EXPECT_EQ(p.ip_length(), 65535u);
  EXPECT_TRUE(p.partial_checksum);
  // "BIG TCP": length 0 says that it does not fit.
  frame = Framed(Ipv4(kClient4.address, kVip4.address, 6, Bytes(65536 - 20)));
  frame[14 + 10] = frame[14 + 11] = 0;
  ASSERT_EQ(frame[14 + 2] + frame[14 + 3], 0);
  EXPECT_EQ(ParseBytes(frame, &p, offload), DropReason::kJumbogram);
  frame = Framed(Ipv6(kClient6.address, kVip6.address, 0, Bytes(65536 - 8), 64,
                      FromHex("0600c20400010000")));
  EXPECT_EQ(ParseBytes(frame, &p, offload), DropReason::kJumbogram);
}

TEST(PacketTest, APartialChecksumElsewhereBelongsToATunnelInside) {
  Offload offload;
  offload.partial_checksum = true;
  offload.checksum_start = 34;
  offload.checksum_offset = 16;
  Packet p;
  const Bytes frame = Framed(IpPacket(kClient4.address, kVip4.address, 17,
                                      Udp(kClient4, kVip4, Bytes(60))));
  EXPECT_EQ(ParseBytes(frame, &p, offload), DropReason::kMalformedTransport);
  offload.checksum_offset = 6;
  ASSERT_EQ(ParseBytes(frame, &p, offload), DropReason::kNone);
  EXPECT_TRUE(p.partial_checksum);
  offload.checksum_start = 34 + 8 + 20;
  ASSERT_EQ(ParseBytes(frame, &p, offload), DropReason::kNone);
  EXPECT_FALSE(p.partial_checksum);
}

TEST(PacketTest, IcmpErrorNamesTheFlowItIsAbout) {
  const Address router = Ip("203.0.113.1");
  // The VIP's packet to the client, cut to 8 bytes of TCP (RFC 792).
  Bytes quoted = Ipv4(kVip4.address, kClient4.address, 6, Tcp(kVip4, kClient4),
                      {.options = FromHex("94040000")});
  quoted.resize(24 + 8);
  TestFrame test(Framed(IpPacket(router, kVip4.address, 1,
                                 Icmp(router, kVip4.address, 3, 4,
                                      Concat({FromHex("00000514"), quoted})))));
  Packet p;
  ASSERT_EQ(Parse(test.frame, &p), DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kIcmpError);
  EXPECT_EQ(p.icmp_type, 3);
  EXPECT_EQ(p.embedded.l3, 42);
  EXPECT_EQ(p.embedded.l4, 42 + 24);
  EXPECT_EQ(p.embedded.end, 42u + 32);
  EXPECT_EQ(p.embedded.protocol, 6);
  EXPECT_EQ(p.embedded.source_port, 80);
  EXPECT_EQ(p.embedded.destination_port, 40000);
  EXPECT_EQ(EmbeddedSourceAddress(test.frame, p), kVip4.address);
  EXPECT_EQ(EmbeddedDestinationAddress(test.frame, p), kClient4.address);
}

TEST(PacketTest, IcmpErrorAboutSomebodyElsesPacketIsRefused) {
  const Address router = Ip("203.0.113.1");
  const Bytes quoted =
      Ipv4(Ip("192.0.2.99"), kClient4.address, 6, Tcp(kVip4, kClient4));
  EXPECT_EQ(
      Verdict(Framed(IpPacket(router, kVip4.address, 1,
                              Icmp(router, kVip4.address, 11, 0,
                                   Concat({FromHex("00000000"), quoted}))))),
      DropReason::kIcmpMismatch);
}

TEST(PacketTest, IcmpErrorAboutAPingIsNoFlows) {
  const Address router = Ip("2001:db8::1");
  const Bytes quoted =
      Ipv6(kVip6.address, kClient6.address, 58, FromHex("8100123400010001"));
  Packet p;
  ASSERT_EQ(
      ParseBytes(Framed(IpPacket(router, kVip6.address, 58,
                                 Icmp(router, kVip6.address, 1, 4,
                                      Concat({FromHex("00000000"), quoted})))),
                 &p),
      DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kIcmpOther);
}

TEST(PacketTest, Rfc4884LengthEndsTheQuote) {
  const Address router = Ip("203.0.113.1");
  Bytes quoted = Ipv4(kVip4.address, kClient4.address, 17,
                      Udp(kVip4, kClient4, Bytes(100)));
  ASSERT_EQ(quoted.size(), 128u);
  // 128 bytes = 32 words of quote, then an extension of 8 bytes.
  TestFrame test(
      Framed(IpPacket(router, kVip4.address, 1,
                      Icmp(router, kVip4.address, 11, 0,
                           Concat({FromHex("00200000"), quoted,
                                   FromHex("2000dfff 0004 0101")})))));
  Packet p;
  ASSERT_EQ(Parse(test.frame, &p), DropReason::kNone);
  EXPECT_EQ(p.embedded.end, 42u + 128);
  EXPECT_EQ(p.end, 42u + 136);
}

// RFC 4861 §4.3, §7.1.1. ff02::1:ff00:10 is the solicited-node group of
// 2001:db8:2::10 (RFC 4291 §2.7.1).
Bytes Solicitation(const Address& source, const Bytes& options,
                   uint8_t hop_limit = 255) {
  const Address group = Ip("ff02::1:ff00:10");
  const Bytes target(kVip6.address.bytes().begin(),
                     kVip6.address.bytes().end());
  return Framed(Ipv6(source, group, 58,
                     Icmp(source, group, 135, 0,
                          Concat({FromHex("00000000"), target, options})),
                     hop_limit));
}

TEST(PacketTest, NeighbourSolicitationIsCheckedWhole) {
  const Bytes option = FromHex("0101 020000000002");
  const Address neighbour = Ip("fe80::2");
  Packet p;
  ASSERT_EQ(ParseBytes(Solicitation(neighbour, option), &p), DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kNeighbourSolicitation);
  // Duplicate address detection.
  ASSERT_EQ(ParseBytes(Solicitation(Ip("::"), {}), &p), DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kNeighbourSolicitation);

  const DropReason bad = DropReason::kMalformedNeighbourDiscovery;
  EXPECT_EQ(Verdict(Solicitation(neighbour, option, 254)), bad);  // Routed.
  EXPECT_EQ(Verdict(Solicitation(Ip("::"), option)), bad);
  EXPECT_EQ(Verdict(Solicitation(neighbour, FromHex("0100 020000000002"))),
            bad);  // An option of length 0.
  EXPECT_EQ(Verdict(Solicitation(neighbour, FromHex("0102 020000000002"))),
            bad);  // One that does not fit.
  Bytes frame = Solicitation(neighbour, option);
  frame[56] ^= 1;  // Checksum.
  EXPECT_EQ(Verdict(frame), bad);
}

TEST(PacketTest, OtherEtherTypesAreNotIp) {
  Packet p;
  // 802.1Q with an IPv4 packet inside: our ports are untagged.
  Bytes tagged = TcpFrame4();
  const Bytes tag = FromHex("8100 0005");
  tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
  ASSERT_EQ(ParseBytes(tagged, &p), DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kNotIp);
}

TEST(PacketTest, OtherProtocolsAreIpWithoutPorts) {
  Packet p;
  ASSERT_EQ(
      ParseBytes(
          Framed(IpPacket(kClient4.address, kVip4.address, 47, Bytes(4))), &p),
      DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kOther);
  EXPECT_EQ(p.protocol, 47);
  // ICMPv6 over IPv4 is not ICMP.
  ASSERT_EQ(
      ParseBytes(
          Framed(IpPacket(kClient4.address, kVip4.address, 58, Bytes(8))), &p),
      DropReason::kNone);
  EXPECT_EQ(p.kind, PacketKind::kOther);
}

}  // namespace
}  // namespace ballast::l4
