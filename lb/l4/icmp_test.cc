#include "lb/l4/icmp.h"

#include <gtest/gtest.h>

#include "absl/time/time.h"
#include "io/base/bytes.h"
#include "lb/l4/frame_builder.h"

namespace ballast::l4 {
namespace {

const Endpoint kClient4 = *Endpoint::Parse("198.51.100.7:40000");
const Endpoint kVip4 = *Endpoint::Parse("192.0.2.10:80");
const Endpoint kClient6 = *Endpoint::Parse("[2001:db8:1::7]:40000");
const Endpoint kVip6 = *Endpoint::Parse("[2001:db8:2::10]:80");
const Address kRouter4 = Ip("203.0.113.1");
const Address kRouter6 = Ip("2001:db8::1");

Packet MustParse(const Frame& frame) {
  Packet packet;
  EXPECT_EQ(Parse(frame, &packet), DropReason::kNone);
  return packet;
}

TEST(IcmpTest, TimeExceededToTheByte) {
  // RFC 792, "Time Exceeded Message"; the quote is the whole packet.
  const Bytes original = Ipv4(kClient4.address, kVip4.address, 17,
                              Udp(kClient4, kVip4, {1, 2, 3}), {.ttl = 1});
  TestFrame test(Concat({Framed(original), Bytes(15)}));  // Padded to 60.
  ASSERT_TRUE(MakeTimeExceeded(test.frame, MustParse(test.frame), kRouter4));
  Bytes ip = FromHex("45c0 003b 0000 4000 4001 0000 cb007101 c6336407");
  StoreBig16(&ip[10], static_cast<uint16_t>(~NaiveSum(ip)));
  EXPECT_EQ(test.bytes(),
            Concat({FromHex("020000000002 020000000001 0800"), ip,
                    Icmp(kRouter4, kClient4.address, 11, 0,
                         Concat({FromHex("00000000"), original}))}));
  EXPECT_EQ(test.frame.headroom, 64u - 28);
}

TEST(IcmpTest, PacketTooBigToTheByte) {
  // RFC 4443 §3.2.
  const Bytes original = Ipv6(kClient6.address, kVip6.address, 6,
                              Tcp(kClient6, kVip6, {.data = Bytes(1400, 7)}));
  TestFrame test(Framed(original));
  ASSERT_TRUE(
      MakePacketTooBig(test.frame, MustParse(test.frame), kRouter6, 1400));
  const Bytes quote(original.begin(), original.begin() + 1232);
  EXPECT_EQ(test.bytes(),
            Concat({FromHex("020000000002 020000000001 86dd"),
                    IpPacket(kRouter6, kClient6.address, 58,
                             Icmp(kRouter6, kClient6.address, 2, 0,
                                  Concat({FromHex("00000578"), quote})))}));
  // What was cut off is room again.
  EXPECT_EQ(test.frame.headroom + test.frame.length + test.frame.tailroom,
            64u + 14 + original.size() + 64);
}

TEST(IcmpTest, FragmentationNeededCarriesTheMtuAndFits576Bytes) {
  // RFC 1191 §4.
  TestFrame test(Framed(Ipv4(kClient4.address, kVip4.address, 6,
                             Tcp(kClient4, kVip4, {.data = Bytes(1460)}))));
  ASSERT_TRUE(
      MakePacketTooBig(test.frame, MustParse(test.frame), kRouter4, 1300));
  const Packet p = MustParse(test.frame);
  EXPECT_EQ(p.kind, PacketKind::kIcmpError);
  EXPECT_EQ(test.frame.length, 14u + 576);
  EXPECT_EQ(p.ip_length(), 576u);
  EXPECT_EQ(test.frame.data[p.l4], 3);
  EXPECT_EQ(test.frame.data[p.l4 + 1], 4);
  EXPECT_EQ(LoadBig32(test.frame.data + p.l4 + 4), 1300u);
  EXPECT_EQ(p.embedded.source_port, 40000);
  EXPECT_TRUE(IpSumRight(test.frame, 14));
  EXPECT_TRUE(TransportSumRight(test.frame, 14, p.l4, p.end, 1));
}

// Of a frame with segmentation left to do, the quote is the first segment as
// the wire would have carried it: its lengths, its checksum, no FIN.
TEST(IcmpTest, QuotesTheFirstSegmentOfAnOffloadedFrame) {
  for (const bool v6 : {false, true}) {
    const Endpoint client = v6 ? kClient6 : kClient4;
    const Endpoint vip = v6 ? kVip6 : kVip4;
    const uint16_t l4 = v6 ? 54 : 34;
    Bytes data(30000);
    for (size_t i = 0; i < data.size(); ++i) data[i] = i * 7 + i / 256;
    TestFrame test(Framed(
        IpPacket(client.address, vip.address, 6,
                 Tcp(client, vip,
                     {.flags = 0x19, .data = data, .sum = Sum::kPartial}))));
    test.SetPartial(l4, 16);
    test.frame.offload.segmentation =
        v6 ? Offload::Segmentation::kTcpV6 : Offload::Segmentation::kTcpV4;
    test.frame.offload.segment_size = 500;
    const Packet packet = MustParse(test.frame);
    EXPECT_EQ(LargestIpPacket(test.frame, packet), (v6 ? 60u : 40u) + 500);

    // 540 or 560 bytes: the whole first segment fits, so its checksum shows.
    const Bytes segment = IpPacket(
        client.address, vip.address, 6,
        Tcp(client, vip,
            {.flags = 0x10, .data = Bytes(data.begin(), data.begin() + 500)}));
    ASSERT_TRUE(MakePacketTooBig(test.frame, packet, v6 ? kRouter6 : kRouter4,
                                 v6 ? 1280 : 520));
    const Bytes got = test.bytes();
    EXPECT_EQ(Bytes(got.begin() + (v6 ? 62 : 42), got.end()), segment);
    EXPECT_FALSE(test.frame.offload.partial_checksum);
    EXPECT_EQ(test.frame.offload.segmentation, Offload::Segmentation::kNone);
    const Packet p = MustParse(test.frame);
    EXPECT_TRUE(TransportSumRight(test.frame, 14, p.l4, p.end, v6 ? 58 : 1));
  }
}

TEST(IcmpTest, QuotesTheFirstDatagramOfAnOffloadedUdpFrame) {
  Bytes data(3000, 9);
  TestFrame test(Framed(IpPacket(kClient4.address, kVip4.address, 17,
                                 Udp(kClient4, kVip4, data, Sum::kPartial))));
  test.SetPartial(34, 6);
  test.frame.offload.segmentation = Offload::Segmentation::kUdp;
  test.frame.offload.segment_size = 400;
  ASSERT_TRUE(
      MakePacketTooBig(test.frame, MustParse(test.frame), kRouter4, 420));
  const Bytes got = test.bytes();
  EXPECT_EQ(Bytes(got.begin() + 42, got.end()),
            IpPacket(kClient4.address, kVip4.address, 17,
                     Udp(kClient4, kVip4, Bytes(400, 9))));
}

TEST(IcmpTest, LargestIpPacketOfAPlainFrameIsItsIpPacket) {
  TestFrame test(Concat({Framed(IpPacket(kClient4.address, kVip4.address, 6,
                                         Tcp(kClient4, kVip4))),
                         Bytes(6)}));
  EXPECT_EQ(LargestIpPacket(test.frame, MustParse(test.frame)), 40u);
  // One segment's worth or less is not segmented.
  test.frame.offload.segmentation = Offload::Segmentation::kTcpV4;
  test.frame.offload.segment_size = 1448;
  EXPECT_EQ(LargestIpPacket(test.frame, MustParse(test.frame)), 40u);
}

TEST(IcmpTest, UnreachableCodesOfBothFamilies) {
  // RFC 792 and RFC 1812 §5.2.7.1; RFC 4443 §3.1.
  struct Row {
    Unreachable why;
    int code4, code6;
  };
  for (const Row& row :
       {Row{Unreachable::kNoRoute, 0, 0}, Row{Unreachable::kHost, 1, 3},
        Row{Unreachable::kPort, 3, 4}, Row{Unreachable::kProhibited, 13, 1}}) {
    TestFrame a(Framed(IpPacket(kClient4.address, kVip4.address, 17,
                                Udp(kClient4, kVip4, {}))));
    ASSERT_TRUE(
        MakeUnreachable(a.frame, MustParse(a.frame), kRouter4, row.why));
    EXPECT_EQ(a.frame.data[34], 3);
    EXPECT_EQ(a.frame.data[35], row.code4);
    TestFrame b(Framed(IpPacket(kClient6.address, kVip6.address, 17,
                                Udp(kClient6, kVip6, {}))));
    ASSERT_TRUE(
        MakeUnreachable(b.frame, MustParse(b.frame), kRouter6, row.why));
    EXPECT_EQ(b.frame.data[54], 1);
    EXPECT_EQ(b.frame.data[55], row.code6);
  }
}

TEST(IcmpTest, NoErrorAboutErrorsRedirectsAndLaterFragments) {
  const auto refuses = [](const Bytes& bytes) {
    TestFrame test(bytes);
    const Packet packet = MustParse(test.frame);
    const bool made =
        MakeTimeExceeded(test.frame, packet, packet.v6 ? kRouter6 : kRouter4);
    if (!made) {
      EXPECT_EQ(test.bytes(), bytes);
    }
    return !made;
  };
  const auto icmp4 = [](uint8_t type, const Bytes& quote) {
    return Framed(IpPacket(kClient4.address, kVip4.address, 1,
                           Icmp(kClient4.address, kVip4.address, type, 0,
                                Concat({Bytes(4), quote}))));
  };
  const auto icmp6 = [](uint8_t type, const Bytes& quote) {
    return Framed(IpPacket(kClient6.address, kVip6.address, 58,
                           Icmp(kClient6.address, kVip6.address, type, 0,
                                Concat({Bytes(4), quote}))));
  };
  const Bytes quote4 =
      IpPacket(kVip4.address, kClient4.address, 6, Tcp(kVip4, kClient4));
  const Bytes quote6 =
      IpPacket(kVip6.address, kClient6.address, 6, Tcp(kVip6, kClient6));
  for (const uint8_t type : {3, 4, 5, 11, 12}) {
    EXPECT_TRUE(refuses(icmp4(type, quote4))) << int{type};
  }
  for (const uint8_t type : {1, 2, 3, 4, 100, 127, 137}) {
    EXPECT_TRUE(refuses(icmp6(type, quote6))) << int{type};
  }
  EXPECT_TRUE(refuses(Framed(Ipv4(kClient4.address, kVip4.address, 17,
                                  Bytes(16), {.fragment = 0x0010}))));
  // But echo, so that traceroute -I works, and unknown protocols.
  EXPECT_FALSE(refuses(icmp4(8, {})));
  EXPECT_FALSE(refuses(icmp6(128, {})));
  EXPECT_FALSE(
      refuses(Framed(IpPacket(kClient4.address, kVip4.address, 47, Bytes(8)))));
}

TEST(IcmpTest, WithoutHeadroomNothingIsMade) {
  const Bytes bytes = Framed(
      IpPacket(kClient4.address, kVip4.address, 6, Tcp(kClient4, kVip4)));
  TestFrame test(bytes, 27);
  EXPECT_FALSE(MakeTimeExceeded(test.frame, MustParse(test.frame), kRouter4));
  EXPECT_EQ(test.bytes(), bytes);
  TestFrame enough(bytes, 28);
  EXPECT_TRUE(
      MakeTimeExceeded(enough.frame, MustParse(enough.frame), kRouter4));
}

TEST(IcmpTest, EchoReplyIsTheRequestSentBack) {
  for (const bool v6 : {false, true}) {
    const Address client = v6 ? kClient6.address : kClient4.address;
    const Address vip = v6 ? kVip6.address : kVip4.address;
    const Bytes rest = FromHex("1234 0001 6162636465666768");
    TestFrame test(Framed(IpPacket(client, vip, v6 ? 58 : 1,
                                   Icmp(client, vip, v6 ? 128 : 8, 0, rest))));
    ASSERT_TRUE(MakeEchoReply(test.frame, MustParse(test.frame)));
    EXPECT_EQ(test.bytes(),
              Concat({FromHex("020000000002 020000000001"),
                      FromHex(v6 ? "86dd" : "0800"),
                      IpPacket(vip, client, v6 ? 58 : 1,
                               Icmp(vip, client, v6 ? 129 : 0, 0, rest))}));
  }
}

TEST(IcmpTest, OnlyPlainEchoRequestsAreAnswered) {
  TestFrame with_options(
      Framed(Ipv4(kClient4.address, kVip4.address, 1,
                  Icmp(kClient4.address, kVip4.address, 8, 0, Bytes(4)),
                  {.options = FromHex("94040000")})));
  EXPECT_FALSE(
      MakeEchoReply(with_options.frame, MustParse(with_options.frame)));
  TestFrame reply(
      Framed(IpPacket(kClient4.address, kVip4.address, 1,
                      Icmp(kClient4.address, kVip4.address, 0, 0, Bytes(4)))));
  EXPECT_FALSE(MakeEchoReply(reply.frame, MustParse(reply.frame)));
}

TEST(RateLimiterTest, AllowsABurstThenTheRate) {
  const Instant start = Instant::FromNanos(5'000'000'000);
  RateLimiter limiter(10, 3, start);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.Take(start));
  EXPECT_FALSE(limiter.Take(start));
  EXPECT_FALSE(limiter.Take(start + absl::Milliseconds(99)));
  EXPECT_TRUE(limiter.Take(start + absl::Milliseconds(100)));
  EXPECT_FALSE(limiter.Take(start + absl::Milliseconds(100)));
  // A long pause fills it to the burst and no further.
  const Instant later = start + absl::Hours(24 * 365);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.Take(later));
  EXPECT_FALSE(limiter.Take(later));
}

TEST(RateLimiterTest, ZeroAllowsNothing) {
  RateLimiter limiter(0, 10, Instant());
  EXPECT_FALSE(limiter.Take(Instant() + absl::Hours(1)));
}

}  // namespace
}  // namespace ballast::l4
