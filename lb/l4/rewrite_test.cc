#include "lb/l4/rewrite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "lb/l4/frame_builder.h"

namespace ballast::l4 {
namespace {

// Words of 0000 and ffff are where one's-complement arithmetic goes wrong, so
// they come often.
uint8_t EdgeByte(std::mt19937& prng) {
  switch (prng() % 4) {
    case 0:
      return 0;
    case 1:
      return 0xff;
    default:
      return static_cast<uint8_t>(prng());
  }
}
Bytes EdgeBytes(std::mt19937& prng, size_t size) {
  Bytes bytes(size);
  for (uint8_t& b : bytes) b = EdgeByte(prng);
  return bytes;
}
// An address Parse() takes as either end.
Address RandomAddress(std::mt19937& prng, bool v6) {
  Bytes bytes = EdgeBytes(prng, v6 ? 16 : 4);
  bytes[0] = v6 ? 0x20 : static_cast<uint8_t>(1 + prng() % 100);
  return Address::FromBytes(bytes);
}
uint16_t RandomPort(std::mt19937& prng) {
  return static_cast<uint16_t>(EdgeByte(prng) << 8 | EdgeByte(prng));
}
Endpoint RandomEndpoint(std::mt19937& prng, bool v6) {
  return {RandomAddress(prng, v6), RandomPort(prng)};
}
Bytes Wire(const Address& address) {
  return Bytes(address.wire().begin(), address.wire().end());
}

struct Case {
  bool v6;
  bool udp;
  Sum sum;
  bool source;       // Which end is rewritten.
  bool delta_given;  // Through a NatDelta made beforehand.
};

// Goal    the frame after a rewrite is, but for the checksums' two zeros, the
//         frame a sender would have made with the new end in the first place.
void CheckRewrite(std::mt19937& prng, const Case& c) {
  const Endpoint from = RandomEndpoint(prng, c.v6);
  Endpoint to = RandomEndpoint(prng, c.v6);
  if (to.address == from.address) return;
  const Endpoint changed = RandomEndpoint(prng, c.v6);
  const Endpoint new_from = c.source ? changed : from;
  const Endpoint new_to = c.source ? to : changed;
  const Bytes data = EdgeBytes(prng, prng() % 32);
  const uint8_t protocol = c.udp ? 17 : 6;
  const auto transport = [&](const Endpoint& a, const Endpoint& b, Sum sum) {
    return c.udp ? Udp(a, b, data, sum) : Tcp(a, b, {.data = data, .sum = sum});
  };
  TestFrame test(Framed(IpPacket(from.address, to.address, protocol,
                                 transport(from, to, c.sum))));
  const uint16_t l4 = c.v6 ? 54 : 34;
  const uint16_t offset = c.udp ? 6 : 16;
  if (c.sum == Sum::kPartial) test.SetPartial(l4, offset);
  Packet packet;
  ASSERT_EQ(Parse(test.frame, &packet), DropReason::kNone);

  const Bytes address = Wire(changed.address);
  const Endpoint& old = c.source ? from : to;
  if (c.delta_given) {
    const NatDelta delta = MakeNatDelta(Wire(old.address).data(), old.port,
                                        address.data(), changed.port, c.v6);
    if (c.source) {
      RewriteSource(test.frame, packet, address.data(), changed.port, delta);
    } else {
      RewriteDestination(test.frame, packet, address.data(), changed.port,
                         delta);
    }
  } else if (c.source) {
    RewriteSource(test.frame, packet, address.data(), changed.port);
  } else {
    RewriteDestination(test.frame, packet, address.data(), changed.port);
  }

  // What the wire must show; checksum bytes apart.
  Bytes want = Framed(IpPacket(new_from.address, new_to.address, protocol,
                               transport(new_from, new_to, c.sum)));
  Bytes got = test.bytes();
  const auto blank = [&](Bytes& bytes) {
    bytes[l4 + offset] = bytes[l4 + offset + 1] = 0;
    if (!c.v6) bytes[24] = bytes[25] = 0;
  };
  const uint16_t field = LoadBig16(&got[l4 + offset]);
  const uint16_t wanted = LoadBig16(&want[l4 + offset]);
  if (!c.v6) {
    ASSERT_TRUE(IpSumRight(test.frame, 14));
  }
  switch (c.sum) {
    case Sum::kRight:
      ASSERT_TRUE(TransportSumRight(test.frame, 14, l4, packet.end, protocol));
      if (c.udp) {
        ASSERT_NE(field, 0);
      }
      break;
    case Sum::kWrong:
      ASSERT_FALSE(TransportSumRight(test.frame, 14, l4, packet.end, protocol));
      break;
    case Sum::kZero:
      ASSERT_EQ(field, 0);
      break;
    case Sum::kPartial:
      // The sum's two zeros again: 0000 and ffff are one number.
      ASSERT_EQ(field % 0xffff, wanted % 0xffff);
      break;
  }
  blank(want);
  blank(got);
  ASSERT_EQ(got, want);
}

TEST(RewriteTest, IsWhatASenderWouldHaveMadeForTheNewEnd) {
  std::mt19937 prng(1);
  for (int n = 0; n < 40000; ++n) {
    SCOPED_TRACE(n);
    Case c{prng() % 2 == 0, prng() % 2 == 0, Sum::kRight, prng() % 2 == 0,
           prng() % 2 == 0};
    switch (prng() % 8) {
      case 0:
        c.sum = Sum::kWrong;
        break;
      case 1:
      case 2:
        c.sum = Sum::kPartial;
        break;
      case 3:
        c.sum = c.udp ? Sum::kZero : Sum::kRight;
        break;
      default:
        break;
    }
    CheckRewrite(prng, c);
    if (HasFatalFailure()) return;
  }
}

// RFC 768: "If the computed checksum is zero, it is transmitted as all ones".
// One of all ports makes it zero.
TEST(RewriteTest, AComputedUdpChecksumOfZeroIsSentAsAllOnes) {
  const Endpoint client = *Endpoint::Parse("198.51.100.7:40000");
  const Endpoint vip = *Endpoint::Parse("192.0.2.10:53");
  const Bytes before =
      Framed(IpPacket(client.address, vip.address, 17, Udp(client, vip, {7})));
  int all_ones = 0;
  for (int port = 0; port < 65536; ++port) {
    TestFrame test(before);
    Packet packet;
    ASSERT_EQ(Parse(test.frame, &packet), DropReason::kNone);
    RewriteSource(test.frame, packet, Wire(client.address).data(),
                  static_cast<uint16_t>(port));
    const uint16_t field = LoadBig16(test.frame.data + 34 + 6);
    ASSERT_NE(field, 0) << port;
    if (field == 0xffff) ++all_ones;
    ASSERT_TRUE(TransportSumRight(test.frame, 14, 34, packet.end, 17));
  }
  EXPECT_GT(all_ones, 0);
}

TEST(RewriteTest, BothEndsMayBeRewrittenInAnyOrder) {
  const Endpoint client = *Endpoint::Parse("198.51.100.7:40000");
  const Endpoint vip = *Endpoint::Parse("192.0.2.10:80");
  const Endpoint nat = *Endpoint::Parse("10.0.0.1:55555");
  const Endpoint server = *Endpoint::Parse("10.0.0.9:8080");
  TestFrame test(
      Framed(IpPacket(client.address, vip.address, 6, Tcp(client, vip))));
  const Bytes want =
      Framed(IpPacket(nat.address, server.address, 6, Tcp(nat, server)));
  Packet packet;
  ASSERT_EQ(Parse(test.frame, &packet), DropReason::kNone);
  RewriteSource(test.frame, packet, Wire(nat.address).data(), nat.port);
  RewriteDestination(test.frame, packet, Wire(server.address).data(),
                     server.port);
  EXPECT_EQ(test.bytes(), want);
}

TEST(RewriteTest, FragmentsReassembleToARightDatagram) {
  for (const bool v6 : {false, true}) {
    const Endpoint client =
        *Endpoint::Parse(v6 ? "[2001:db8:1::7]:40000" : "198.51.100.7:40000");
    const Endpoint vip =
        *Endpoint::Parse(v6 ? "[2001:db8:2::10]:53" : "192.0.2.10:53");
    const Endpoint server =
        *Endpoint::Parse(v6 ? "[fd00::9]:5353" : "10.0.0.9:5353");
    const Bytes whole = Udp(client, vip, Bytes(92, 7));
    const Bytes first(whole.begin(), whole.begin() + 48);
    const Bytes second(whole.begin() + 48, whole.end());
    const auto fragment = [&](const Bytes& body, uint16_t offset, bool more) {
      if (!v6) {
        return Framed(Ipv4(client.address, vip.address, 17, body,
                           {.fragment = static_cast<uint16_t>(
                                offset / 8 | (more ? 0x2000 : 0))}));
      }
      Bytes header = FromHex("1100 0000 0000abcd");
      header[3] = static_cast<uint8_t>(offset | (more ? 1 : 0));
      return Framed(Ipv6(client.address, vip.address, 44, body, 64, header));
    };
    TestFrame a(fragment(first, 0, true)), b(fragment(second, 48, false));
    Packet pa, pb;
    ASSERT_EQ(Parse(a.frame, &pa), DropReason::kNone);
    ASSERT_EQ(Parse(b.frame, &pb), DropReason::kNone);
    ASSERT_EQ(pb.kind, PacketKind::kFragment);
    const Bytes to = Wire(server.address);
    RewriteDestination(a.frame, pa, to.data(), server.port);
    RewriteDestination(b.frame, pb, to.data(), server.port);
    const Bytes out_a = a.bytes(), out_b = b.bytes();
    EXPECT_EQ(Bytes(out_b.begin() + pb.l4, out_b.end()), second);
    EXPECT_EQ(DestinationAddress(b.frame, pb), server.address);
    if (!v6) {
      EXPECT_TRUE(IpSumRight(a.frame, 14) && IpSumRight(b.frame, 14));
    }
    TestFrame joined(
        Framed(IpPacket(client.address, server.address, 17,
                        Concat({Bytes(out_a.begin() + pa.l4, out_a.end()),
                                Bytes(out_b.begin() + pb.l4, out_b.end())}))));
    Packet p;
    ASSERT_EQ(Parse(joined.frame, &p), DropReason::kNone);
    EXPECT_EQ(p.destination_port, server.port);
    EXPECT_TRUE(TransportSumRight(joined.frame, 14, p.l4, p.end, 17));
  }
}

TEST(RewriteTest, DecrementTtlKeepsTheHeaderSumRight) {
  const Address a = Ip("198.51.100.7"), b = Ip("192.0.2.10");
  // Every id, so that the checksum passes through all its values.
  for (int id = 0; id < 65536; ++id) {
    TestFrame test(Framed(Ipv4(a, b, 47, {},
                               {.ttl = static_cast<uint8_t>(2 + id % 254),
                                .id = static_cast<uint16_t>(id)})));
    Packet packet;
    ASSERT_EQ(Parse(test.frame, &packet), DropReason::kNone);
    DecrementTtl(test.frame, packet);
    ASSERT_EQ(test.frame.data[22], packet.ttl - 1);
    ASSERT_TRUE(IpSumRight(test.frame, 14)) << id;
  }
  TestFrame test(Framed(Ipv6(Ip("fd00::1"), Ip("fd00::2"), 47, {}, 2)));
  Packet packet;
  ASSERT_EQ(Parse(test.frame, &packet), DropReason::kNone);
  DecrementTtl(test.frame, packet);
  EXPECT_EQ(test.frame.data[21], 1);
}

TEST(RewriteTest, SetMacsWritesDestinationThenSource) {
  TestFrame test(Bytes(60));
  SetMacs(test.frame, Mac("02:00:00:00:00:aa"), Mac("02:00:00:00:00:bb"));
  const Bytes got = test.bytes();
  EXPECT_EQ(Bytes(got.begin(), got.begin() + 12),
            FromHex("0200000000aa 0200000000bb"));
}

// A router tells the VIP that its packet to the client was too big; the server
// must hear it as if it had been about its own packet.
struct ErrorCase {
  bool v6;
  bool udp;
  Sum sum = Sum::kRight;
  size_t quoted;  // Bytes of the original packet that are quoted.
};

void CheckError(std::mt19937& prng, const ErrorCase& c) {
  const Address router = RandomAddress(prng, c.v6);
  const Address new_router = RandomAddress(prng, c.v6);
  const Endpoint vip = RandomEndpoint(prng, c.v6);
  const Endpoint client = RandomEndpoint(prng, c.v6);
  const Endpoint server = RandomEndpoint(prng, c.v6);
  const Endpoint new_client = RandomEndpoint(prng, c.v6);
  if (router == vip.address || new_router == server.address) return;
  const bool change_router = prng() % 2 == 0, change_client = prng() % 2 == 0;
  const Bytes data = EdgeBytes(prng, 40);
  const auto error = [&](const Address& from, const Endpoint& a,
                         const Endpoint& b) {
    Bytes quote = IpPacket(a.address, b.address, c.udp ? 17 : 6,
                           c.udp ? Udp(a, b, data, c.sum)
                                 : Tcp(a, b, {.data = data, .sum = c.sum}));
    if (quote.size() > c.quoted) quote.resize(c.quoted);
    return Framed(IpPacket(
        from, a.address, c.v6 ? 58 : 1,
        Icmp(from, a.address, c.v6 ? 2 : 3, c.v6 ? 0 : 4,
             Concat({FromHex(c.v6 ? "00000500" : "00000500"), quote}))));
  };
  TestFrame test(error(router, vip, client));
  const Bytes want = error(change_router ? new_router : router, server,
                           change_client ? new_client : client);
  Packet packet;
  ASSERT_EQ(Parse(test.frame, &packet), DropReason::kNone);
  ASSERT_EQ(packet.kind, PacketKind::kIcmpError);
  const Bytes to = Wire(server.address), from = Wire(new_router),
              peer = Wire(new_client.address);
  ErrorRewrite rewrite;
  rewrite.outer_destination = to.data();
  rewrite.embedded_source = to.data();
  rewrite.embedded_source_port = server.port;
  if (change_router) rewrite.outer_source = from.data();
  if (change_client) {
    rewrite.embedded_destination = peer.data();
    rewrite.embedded_destination_port = new_client.port;
  }
  TranslateError(test.frame, packet, rewrite);

  ASSERT_TRUE(
      TransportSumRight(test.frame, 14, packet.l4, packet.end, c.v6 ? 58 : 1));
  if (!c.v6) {
    ASSERT_TRUE(IpSumRight(test.frame, 14));
    ASSERT_TRUE(IpSumRight(test.frame, packet.embedded.l3));
  }
  // The quoted checksum is what the server itself had sent: the same number,
  // whichever of its two zeros.
  Bytes got = test.bytes(), expected = want;
  const uint16_t at = packet.embedded.l4 + (c.udp ? 6 : 16);
  if (at + 2u <= got.size()) {
    const uint16_t field = LoadBig16(&got[at]);
    ASSERT_EQ(field % 0xffff, LoadBig16(&want[at]) % 0xffff);
    if (c.sum == Sum::kZero) {
      ASSERT_EQ(field, 0);
    }
    StoreBig16(&got[at], 0);
    StoreBig16(&expected[at], 0);
  } else if (at + 1u == got.size()) {
    got[at] = expected[at];  // Half a checksum cannot be corrected.
  }
  for (Bytes* bytes : {&got, &expected}) {
    StoreBig16(&(*bytes)[packet.l4 + 2], 0);
    if (c.v6) continue;
    StoreBig16(&(*bytes)[24], 0);
    StoreBig16(&(*bytes)[packet.embedded.l3 + 10], 0);
  }
  ASSERT_EQ(got, expected);
}

TEST(RewriteTest, TranslatedErrorIsTheOneAboutTheServersOwnPacket) {
  std::mt19937 prng(2);
  for (int n = 0; n < 20000; ++n) {
    SCOPED_TRACE(n);
    ErrorCase c{prng() % 2 == 0, prng() % 2 == 0, Sum::kRight, 0};
    if (c.udp && prng() % 4 == 0) c.sum = Sum::kZero;
    c.quoted = (c.v6 ? 40 : 20) + 8 + prng() % 40;
    CheckError(prng, c);
    if (HasFatalFailure()) return;
  }
}

TEST(RewriteTest, Rfc4884ExtensionsSurviveTranslation) {
  const Address router = Ip("203.0.113.1");
  const Endpoint vip = *Endpoint::Parse("192.0.2.10:80");
  const Endpoint client = *Endpoint::Parse("198.51.100.7:40000");
  const Endpoint server = *Endpoint::Parse("10.0.0.9:8080");
  // 8 bytes of TCP quoted, padded to 128 bytes as RFC 4884 §4.6 wants.
  Bytes quote = Ipv4(vip.address, client.address, 6, Tcp(vip, client));
  quote.resize(28);
  quote.resize(128);
  const Bytes extension = FromHex("2000 dfff 0008 0101 00f00101");
  TestFrame test(
      Framed(IpPacket(router, vip.address, 1,
                      Icmp(router, vip.address, 11, 0,
                           Concat({FromHex("00200000"), quote, extension})))));
  Packet packet;
  ASSERT_EQ(Parse(test.frame, &packet), DropReason::kNone);
  const Bytes to = Wire(server.address);
  TranslateError(test.frame, packet,
                 {.outer_source = nullptr,
                  .outer_destination = to.data(),
                  .embedded_source = to.data(),
                  .embedded_source_port = server.port,
                  .embedded_destination = nullptr,
                  .embedded_destination_port = 0});
  const Bytes got = test.bytes();
  EXPECT_EQ(Bytes(got.end() - 12, got.end()), extension);
  EXPECT_TRUE(TransportSumRight(test.frame, 14, packet.l4, packet.end, 1));
}

}  // namespace
}  // namespace ballast::l4
