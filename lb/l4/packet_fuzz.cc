// Properties of everything that is done to a frame from outside:
//   - what Parse() takes lies inside the frame;
//   - rewriting changes addresses and ports and nothing else, and a right
//     checksum stays right, a wrong one wrong (counted naively);
//   - a translated ICMP error is one still, about the new flow;
//   - every answer made from a frame (ICMP error, echo reply, reset, ARP, ND)
//     parses, carries right checksums and goes back to the sender.
// Input: one byte of options, then a frame.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/checksum.h"
#include "lb/l4/frame_builder.h"
#include "lb/l4/icmp.h"
#include "lb/l4/packet.h"
#include "lb/l4/responder.h"
#include "lb/l4/rewrite.h"
#include "lb/l4/tcp_reset.h"

namespace ballast::l4 {
namespace {

const Address kNew4 = Address::V4(0x0affff00);
const Address kNew6 = Address::V6(
    {0xfd, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 1});
constexpr uint16_t kNewPort = 0xfffe;

const Address& NewAddress(const Packet& packet) {
  return packet.v6 ? kNew6 : kNew4;
}

bool HasPorts(const Packet& packet) {
  return packet.kind == PacketKind::kTcp || packet.kind == PacketKind::kUdp;
}

bool IsIp(const Packet& packet) {
  switch (packet.kind) {
    case PacketKind::kArp:
    case PacketKind::kNeighbourSolicitation:
    case PacketKind::kNeighbourAdvertisement:
    case PacketKind::kNotIp:
      return false;
    default:
      return true;
  }
}

void CheckInside(const Frame& frame, const Packet& p) {
  BALLAST_CHECK(p.end <= frame.length);
  if (!IsIp(p)) return;
  BALLAST_CHECK(p.l3 < p.l4 && p.l4 <= p.end);
  if (HasPorts(p)) BALLAST_CHECK(p.l4 < p.payload && p.payload <= p.end);
  if (p.kind == PacketKind::kIcmpError) {
    BALLAST_CHECK(p.l4 + 8 == p.embedded.l3 && p.embedded.l3 < p.embedded.l4);
    BALLAST_CHECK(p.embedded.l4 + 8u <= p.embedded.end);
    BALLAST_CHECK(p.embedded.end <= p.end);
  }
}

// The transport's checksum verifies over [l4, l4 + its own length).
bool SumRight(const Frame& frame, const Packet& p) {
  uint32_t end = p.end;
  if (p.kind == PacketKind::kUdp) {
    end = p.l4 + LoadBig16(frame.data + p.l4 + 4);
  }
  return TransportSumRight(frame, p.l3, p.l4, end, p.protocol);
}

// Parses again what was rewritten; the offload (checksum to be finished) stays.
Packet Again(const Frame& frame) {
  Packet packet;
  BALLAST_CHECK(Parse(frame, &packet) == DropReason::kNone);
  return packet;
}

void CheckRewrite(const Bytes& bytes, const Offload& offload, bool source) {
  TestFrame test(bytes);
  test.frame.offload = offload;
  const Packet before = Again(test.frame);
  const Address address = NewAddress(before);
  if ((source ? DestinationAddress(test.frame, before)
              : SourceAddress(test.frame, before)) == address) {
    return;  // Would be sent to itself.
  }
  const bool checkable =
      HasPorts(before) && !before.is_fragment && !before.partial_checksum;
  const bool right = checkable && SumRight(test.frame, before);
  const bool no_sum = before.kind == PacketKind::kUdp &&
                      LoadBig16(test.frame.data + before.l4 + 6) == 0;
  if (source) {
    RewriteSource(test.frame, before, address.wire().data(), kNewPort);
  } else {
    RewriteDestination(test.frame, before, address.wire().data(), kNewPort);
  }
  if (before.ttl > 1) DecrementTtl(test.frame, before);

  const Packet after = Again(test.frame);
  BALLAST_CHECK(after.kind == before.kind && after.l4 == before.l4 &&
                after.payload == before.payload && after.end == before.end &&
                after.tcp_flags == before.tcp_flags);
  BALLAST_CHECK((source ? SourceAddress(test.frame, after)
                        : DestinationAddress(test.frame, after)) == address);
  if (HasPorts(before)) {
    BALLAST_CHECK(after.source_port ==
                  (source ? kNewPort : before.source_port));
    BALLAST_CHECK(after.destination_port ==
                  (source ? before.destination_port : kNewPort));
  }
  if (checkable && no_sum) {
    BALLAST_CHECK(LoadBig16(test.frame.data + before.l4 + 6) == 0);
  } else if (checkable) {
    BALLAST_CHECK(SumRight(test.frame, after) == right);
  }
  if (before.partial_checksum) {
    // The device finishes it, over the packet and not its padding.
    Bytes finished = test.bytes();
    finished.resize(before.end);
    BALLAST_CHECK(
        FinishPartialChecksum(finished, before.l4, offload.checksum_offset));
    TestFrame sent(finished);
    BALLAST_CHECK(TransportSumRight(sent.frame, before.l3, before.l4,
                                    before.end, before.protocol));
  }
  // Nothing but addresses, ports, checksums and TTL has changed.
  const Bytes now = test.bytes();
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i] == bytes[i]) continue;
    const size_t at = i - before.l3;
    const bool in_ip =
        i >= before.l3 &&
        (before.v6 ? at == 7 || (at >= 8 && at < 40) : at >= 8 && at < 20);
    const bool in_transport =
        HasPorts(before) && i >= before.l4 && i < size_t{before.l4} + 18;
    BALLAST_CHECK(in_ip || in_transport);
  }
}

void CheckTranslation(const Bytes& bytes, const Offload& offload) {
  TestFrame test(bytes);
  test.frame.offload = offload;
  const Packet before = Again(test.frame);
  const Address address = NewAddress(before);
  if (SourceAddress(test.frame, before) == address) return;
  const bool right = !before.partial_checksum &&
                     TransportSumRight(test.frame, before.l3, before.l4,
                                       before.end, before.protocol);
  ErrorRewrite rewrite;
  rewrite.outer_destination = address.wire().data();
  rewrite.embedded_source = address.wire().data();
  rewrite.embedded_source_port = kNewPort;
  TranslateError(test.frame, before, rewrite);
  const Packet after = Again(test.frame);
  BALLAST_CHECK(after.kind == PacketKind::kIcmpError);
  BALLAST_CHECK(DestinationAddress(test.frame, after) == address);
  BALLAST_CHECK(EmbeddedSourceAddress(test.frame, after) == address);
  BALLAST_CHECK(after.embedded.source_port == kNewPort);
  BALLAST_CHECK(after.embedded.destination_port ==
                before.embedded.destination_port);
  BALLAST_CHECK(after.embedded.end == before.embedded.end);
  if (!before.partial_checksum) {
    BALLAST_CHECK(TransportSumRight(test.frame, after.l3, after.l4, after.end,
                                    after.protocol) == right);
  }
}

// The frame that `make` turned the input into, checked.
template <typename Make>
void CheckAnswer(const Bytes& bytes, const Offload& offload, PacketKind kind,
                 Make make) {
  TestFrame test(bytes);
  test.frame.offload = offload;
  const Packet before = Again(test.frame);
  const Address sender = SourceAddress(test.frame, before);
  const uint32_t room =
      test.frame.headroom + test.frame.length + test.frame.tailroom;
  const uint8_t* end =
      test.frame.data + test.frame.length + test.frame.tailroom;
  if (!make(test.frame, before)) {
    BALLAST_CHECK(test.bytes() == bytes);
    return;
  }
  BALLAST_CHECK(test.frame.headroom + test.frame.length + test.frame.tailroom ==
                room);
  BALLAST_CHECK(test.frame.data + test.frame.length + test.frame.tailroom ==
                end);
  BALLAST_CHECK(!test.frame.offload.partial_checksum);
  const Packet after = Again(test.frame);
  // About an ICMP or unknown protocol an error quotes no ports.
  BALLAST_CHECK(after.kind == kind || (kind == PacketKind::kIcmpError &&
                                       after.kind == PacketKind::kIcmpOther));
  BALLAST_CHECK(DestinationAddress(test.frame, after) == sender);
  BALLAST_CHECK(SumRight(test.frame, after));
  BALLAST_CHECK(std::memcmp(test.frame.data, &bytes[6], 6) == 0);
}

void CheckNeighbour(const Bytes& bytes) {
  TestFrame test(bytes, 0, 128);
  const Packet before = Again(test.frame);
  const auto message = ReadNeighbour(test.frame, before);
  BALLAST_CHECK(message.has_value());
  const MacAddress mac = Mac("02:ba:11:a5:70:01");
  if (MakeArpReply(test.frame, before, mac) ||
      MakeNeighbourAdvertisement(test.frame, before, mac)) {
    // Announcements and their like ask for nothing; they are not answered by
    // the director, but a reply to them is well-formed all the same.
    const Packet after = Again(test.frame);
    const auto reply = ReadNeighbour(test.frame, after);
    BALLAST_CHECK(reply->sender_mac == mac);
    if (!message->asks_for.is_unspecified()) {
      BALLAST_CHECK(reply->claims == message->asks_for);
    }
  } else {
    BALLAST_CHECK(test.bytes() == bytes);
  }
}

void Check(uint8_t options, Bytes bytes) {
  // Half of the inputs get a right IPv4 header checksum, or nothing would pass.
  if ((options & 1) != 0 && bytes.size() >= 34 && bytes[12] == 8 &&
      bytes[13] == 0) {
    const size_t size = (bytes[14] & 15) * 4;
    if (size >= 20 && bytes.size() >= 14 + size) {
      bytes[24] = bytes[25] = 0;
      const uint16_t sum = static_cast<uint16_t>(
          ~NaiveSum(Bytes(bytes.begin() + 14, bytes.begin() + 14 + size)));
      StoreBig16(&bytes[24], sum);
    }
  }
  TestFrame test(bytes, 0, 0);  // Without slack, for the sanitizer.
  Packet packet;
  if (Parse(test.frame, &packet) != DropReason::kNone) return;
  CheckInside(test.frame, packet);
  Offload offload;
  if ((options & 2) != 0 && HasPorts(packet) && !packet.is_fragment) {
    offload.partial_checksum = true;
    offload.checksum_start = packet.l4;
    offload.checksum_offset = packet.kind == PacketKind::kTcp ? 16 : 6;
    const uint16_t sum =
        NaiveSum(PseudoHeader(SourceAddress(test.frame, packet),
                              DestinationAddress(test.frame, packet),
                              packet.protocol, packet.end - packet.l4));
    for (uint8_t* to : {bytes.data(), test.frame.data}) {
      StoreBig16(to + packet.l4 + offload.checksum_offset, sum);
    }
    if ((options & 4) != 0) {
      offload.segmentation = packet.kind == PacketKind::kUdp
                                 ? Offload::Segmentation::kUdp
                             : packet.v6 ? Offload::Segmentation::kTcpV6
                                         : Offload::Segmentation::kTcpV4;
      offload.segment_size = static_cast<uint16_t>(1 + options / 8);
    }
  }
  test.frame.offload = offload;
  BALLAST_CHECK(Parse(test.frame, &packet) == DropReason::kNone);
  if (!IsIp(packet)) {
    if (packet.kind != PacketKind::kNotIp) CheckNeighbour(bytes);
    return;
  }
  BALLAST_CHECK(LargestIpPacket(test.frame, packet) <= packet.ip_length());
  if (HasPorts(packet) || packet.kind == PacketKind::kFragment) {
    CheckRewrite(bytes, offload, true);
    CheckRewrite(bytes, offload, false);
  }
  if (packet.kind == PacketKind::kIcmpError) CheckTranslation(bytes, offload);
  const Address router = packet.v6 ? Ip("fd00::fe") : Ip("10.0.0.254");
  if (SourceAddress(test.frame, packet) != router) {
    CheckAnswer(bytes, offload, PacketKind::kIcmpError,
                [&](Frame& frame, const Packet& p) {
                  return MakePacketTooBig(frame, p, router, 1280);
                });
  }
  CheckAnswer(
      bytes, offload, PacketKind::kTcp,
      [&](Frame& frame, const Packet& p) { return MakeResetReply(frame, p); });
  // A reply to a request with a wrong checksum has a wrong one.
  if (packet.kind == PacketKind::kIcmpEchoRequest &&
      TransportSumRight(test.frame, packet.l3, packet.l4, packet.end,
                        packet.protocol)) {
    CheckAnswer(
        bytes, offload, PacketKind::kIcmpOther,
        [&](Frame& frame, const Packet& p) { return MakeEchoReply(frame, p); });
  }
}

}  // namespace
}  // namespace ballast::l4

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  ballast::l4::Check(data[0], ballast::l4::Bytes(data + 1, data + size));
  return 0;
}
