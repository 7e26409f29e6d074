#include "ha/capture.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "io/base/bytes.h"

namespace ballast::ha {
namespace {

constexpr size_t kFileHeaderSize = 24;
constexpr size_t kFrameHeaderSize = 16;
constexpr uint32_t kMagicMicroseconds = 0xa1b2c3d4;
constexpr uint32_t kMagicNanoseconds = 0xa1b23c4d;
constexpr uint32_t kMagicPcapng = 0x0a0d0d0a;
constexpr uint32_t kLinkTypeEthernet = 1;

constexpr size_t kEthernetSize = 14;
constexpr uint16_t kEtherTypeV4 = 0x0800;
constexpr uint16_t kEtherTypeV6 = 0x86dd;
constexpr size_t kV4HeaderSize = 20;
constexpr size_t kV6HeaderSize = 40;
constexpr uint8_t kV6Fragment = 44;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr size_t kTcpHeaderSize = 20;
constexpr size_t kUdpHeaderSize = 8;

bool ParseV4(std::span<const uint8_t> ip, CapturedPacket& packet) {
  if (ip.size() < kV4HeaderSize || ip[0] >> 4 != 4) return false;
  const size_t header = (ip[0] & 15u) * 4;
  const size_t total = LoadBig16(ip.data() + 2);
  if (header < kV4HeaderSize || total < header || total > ip.size()) {
    return false;
  }
  packet.fragment = (LoadBig16(ip.data() + 6) & 0x3fff) != 0;
  packet.ttl = ip[8];
  packet.protocol = ip[9];
  packet.source = Address::FromBytes(ip.subspan(12, 4));
  packet.destination = Address::FromBytes(ip.subspan(16, 4));
  packet.payload = ip.first(total).subspan(header);
  return true;
}

bool ParseV6(std::span<const uint8_t> ip, CapturedPacket& packet) {
  if (ip.size() < kV6HeaderSize || ip[0] >> 4 != 6) return false;
  const size_t length = LoadBig16(ip.data() + 4);
  if (length > ip.size() - kV6HeaderSize) return false;
  packet.protocol = ip[6];
  packet.fragment = packet.protocol == kV6Fragment;
  packet.ttl = ip[7];
  packet.source = Address::FromBytes(ip.subspan(8, 16));
  packet.destination = Address::FromBytes(ip.subspan(24, 16));
  packet.payload = ip.subspan(kV6HeaderSize, length);
  return true;
}

absl::Status Broken(size_t offset, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrFormat("at offset %d: %s", offset, what));
}

}  // namespace

std::optional<CapturedSegment> SegmentOf(const CapturedPacket& packet) {
  const auto bytes = packet.payload;
  if (packet.fragment || bytes.size() < kUdpHeaderSize) return std::nullopt;
  CapturedSegment segment;
  segment.source_port = LoadBig16(bytes.data());
  segment.destination_port = LoadBig16(bytes.data() + 2);
  if (packet.protocol == kTcp && bytes.size() >= kTcpHeaderSize) {
    segment.tcp_flags = bytes[13];
    return segment;
  }
  if (packet.protocol == kUdp) {
    const size_t length = LoadBig16(bytes.data() + 4);
    if (length < kUdpHeaderSize || length > bytes.size()) return std::nullopt;
    segment.payload = bytes.first(length).subspan(kUdpHeaderSize);
    return segment;
  }
  return std::nullopt;
}

PacketCapture::PacketCapture(std::span<const uint8_t> file) : file_(file) {
  if (file.size() < kFileHeaderSize) {
    status_ = Broken(
        0, absl::StrCat("no pcap file: ", file.size(),
                        " bytes, its header alone has ", kFileHeaderSize));
    return;
  }
  uint32_t magic = U32(0);
  for (const uint32_t known : {kMagicMicroseconds, kMagicNanoseconds}) {
    if (__builtin_bswap32(magic) == known) swapped_ = true;
  }
  magic = U32(0);
  if (magic == kMagicPcapng) {
    status_ = Broken(0,
                     "a pcapng file; make a classic one of it: editcap -F pcap "
                     "IN OUT");
  } else if (magic != kMagicMicroseconds && magic != kMagicNanoseconds) {
    status_ = Broken(0, absl::StrFormat("no pcap file: magic 0x%08x", magic));
  } else if (U32(20) != kLinkTypeEthernet) {
    status_ = Broken(
        20, absl::StrCat("link type ", U32(20), ", only 1 (Ethernet) is read"));
  }
  nanoseconds_ = magic == kMagicNanoseconds;
  offset_ = kFileHeaderSize;
}

uint32_t PacketCapture::U32(size_t at) const {
  const uint32_t big = LoadBig32(file_.data() + at);
  return swapped_ ? __builtin_bswap32(big) : big;
}

std::optional<std::span<const uint8_t>> PacketCapture::NextFrame(
    CapturedPacket& packet) {
  if (!status_.ok() || offset_ == file_.size()) return std::nullopt;
  if (file_.size() - offset_ < kFrameHeaderSize) {
    status_ = Broken(offset_, "ends in the header of a frame");
    return std::nullopt;
  }
  const int64_t fraction = U32(offset_ + 4);
  const size_t length = U32(offset_ + 8);
  packet.frame = ++frames_;
  packet.file_offset = offset_ + kFrameHeaderSize;
  packet.when_us = int64_t{U32(offset_)} * 1000000 +
                   (nanoseconds_ ? fraction / 1000 : fraction);
  if (length > file_.size() - packet.file_offset) {
    status_ = Broken(
        offset_, absl::StrCat("frame ", frames_, " states ", length, " bytes, ",
                              file_.size() - packet.file_offset, " are left"));
    return std::nullopt;
  }
  if (frames_ == 1) start_us_ = packet.when_us;
  offset_ = packet.file_offset + length;
  return file_.subspan(packet.file_offset, length);
}

std::optional<CapturedPacket> PacketCapture::Next() {
  CapturedPacket packet;
  while (const auto frame = NextFrame(packet)) {
    if (frame->size() < kEthernetSize) continue;
    const uint16_t type = LoadBig16(frame->data() + 12);
    const auto ip = frame->subspan(kEthernetSize);
    if ((type == kEtherTypeV4 && ParseV4(ip, packet)) ||
        (type == kEtherTypeV6 && ParseV6(ip, packet))) {
      return packet;
    }
  }
  return std::nullopt;
}

}  // namespace ballast::ha
