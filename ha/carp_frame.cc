#include "ha/carp_frame.h"

#include <algorithm>

#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/checksum.h"

namespace ballast::ha {
namespace {

constexpr uint16_t kEtherTypeIpv4 = 0x0800;
constexpr uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr size_t kEthernetSize = 14;
constexpr size_t kIpv4Size = 20;
constexpr uint8_t kTtl = 255;
constexpr uint8_t kTos = 0x10;  // Low delay.
constexpr uint16_t kDontFragment = 0x4000;
constexpr uint16_t kFragmentBits = 0x3fff;  // More fragments, and the offset.

// RFC 1112 §6.4 and RFC 2464 §7.
MacAddress GroupMac(const Address& group) {
  const auto wire = group.wire();
  if (group.is_v4()) {
    return {{0x01, 0x00, 0x5e, static_cast<uint8_t>(wire[1] & 0x7f), wire[2],
             wire[3]}};
  }
  return {{0x33, 0x33, wire[12], wire[13], wire[14], wire[15]}};
}

}  // namespace

std::span<uint8_t> BuildCarpFrame(
    const CarpFraming& framing, const CarpAdvert& advert,
    std::span<uint8_t, kCarpFrameSizeMax> buffer) {
  const bool v4 = framing.source.is_v4();
  BALLAST_CHECK(v4 || framing.delivery != CarpDelivery::kBroadcast);
  const Address destination = !v4 ? CarpGroupV6()
                              : framing.delivery == CarpDelivery::kBroadcast
                                  ? Address::V4(0xffffffff)
                                  : framing.group_v4;
  ByteWriter writer(buffer);
  writer.Bytes(framing.delivery == CarpDelivery::kMulticast
                   ? GroupMac(destination).bytes
                   : MacAddress::Broadcast().bytes);
  writer.Bytes(framing.source_mac.bytes);
  writer.U16(v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  if (v4) {
    writer.U8(0x45);
    writer.U8(kTos);
    writer.U16(kIpv4Size + kCarpAdvertSize);
    writer.U16(framing.identification);
    writer.U16(kDontFragment);
    writer.U8(kTtl);
    writer.U8(kCarpIpProtocol);
    writer.U16(0);
  } else {
    writer.U32(0x60000000);
    writer.U16(kCarpAdvertSize);
    writer.U8(kCarpIpProtocol);
    writer.U8(kTtl);
  }
  writer.Bytes(framing.source.wire());
  writer.Bytes(destination.wire());
  if (v4) {
    const auto header = buffer.subspan(kEthernetSize, kIpv4Size);
    StoreBig16(header.data() + 10, Checksum(header));
  }
  std::array<uint8_t, kCarpAdvertSize> payload;
  EncodeCarpAdvert(advert, payload);
  writer.Bytes(payload);
  BALLAST_CHECK(writer.ok());
  return writer.written();
}

std::optional<CarpPacket> ParseCarpFrame(std::span<const uint8_t> frame) {
  ByteReader reader(frame);
  reader.Skip(12);
  const uint16_t ether_type = reader.U16();
  CarpPacket packet;
  if (ether_type == kEtherTypeIpv4) {
    const size_t header_size = size_t{4} * (reader.U8() & 0x0f);
    reader.Skip(1);
    const size_t total_size = reader.U16();
    reader.Skip(2);
    const uint16_t fragment = reader.U16() & kFragmentBits;
    packet.ttl = reader.U8();
    const uint8_t protocol = reader.U8();
    reader.Skip(2);
    const auto source = reader.Bytes(4);
    const auto destination = reader.Bytes(4);
    if (!reader.ok() || frame[kEthernetSize] >> 4 != 4 || fragment != 0 ||
        protocol != kCarpIpProtocol || header_size < kIpv4Size ||
        total_size < header_size || total_size > frame.size() - kEthernetSize) {
      return std::nullopt;
    }
    packet.source = Address::FromBytes(source);
    packet.destination = Address::FromBytes(destination);
    packet.ip_checksum_good =
        Checksum(frame.subspan(kEthernetSize, header_size)) == 0;
    packet.payload =
        frame.subspan(kEthernetSize + header_size, total_size - header_size);
    return packet;
  }
  if (ether_type != kEtherTypeIpv6) return std::nullopt;
  const uint32_t version = reader.U32();
  const size_t payload_size = reader.U16();
  const uint8_t next_header = reader.U8();
  packet.ttl = reader.U8();
  const auto source = reader.Bytes(16);
  const auto destination = reader.Bytes(16);
  packet.payload = reader.Bytes(payload_size);
  if (!reader.ok() || version >> 28 != 6 || next_header != kCarpIpProtocol) {
    return std::nullopt;
  }
  packet.source = Address::FromBytes(source);
  packet.destination = Address::FromBytes(destination);
  return packet;
}

}  // namespace ballast::ha
