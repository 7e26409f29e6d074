// The header that carries offload metadata across packet sockets
// (PACKET_VNET_HDR) and TAP devices (IFF_VNET_HDR): struct virtio_net_hdr in
// native byte order. Ours because linux/virtio_net.h is no C++.
// Source  Virtual I/O Device (VIRTIO) 1.2, 5.1.6; include/uapi/linux/
//         virtio_net.h of Linux 6.1.
#ifndef IO_PACKET_IO_VNET_H_
#define IO_PACKET_IO_VNET_H_

#include <cstdint>

#include "io/base/frame.h"

namespace ballast {

struct VnetHeader {
  static constexpr uint8_t kNeedsChecksum = 1;
  static constexpr uint8_t kDataValid = 2;
  static constexpr uint8_t kGsoTcpV4 = 1;
  static constexpr uint8_t kGsoTcpV6 = 4;
  static constexpr uint8_t kGsoUdp = 5;  // UDP_L4: datagrams, not fragments.
  static constexpr uint8_t kGsoEcn = 0x80;

  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t header_length = 0;
  uint16_t gso_size = 0;
  uint16_t checksum_start = 0;
  uint16_t checksum_offset = 0;
};
static_assert(sizeof(VnetHeader) == 10);

// False when the header asks for segmentation that Offload has no word for.
inline bool ReadVnetHeader(const VnetHeader& header, Offload& offload) {
  offload = Offload();
  switch (header.gso_type & ~VnetHeader::kGsoEcn) {
    case 0:
      break;
    case VnetHeader::kGsoTcpV4:
      offload.segmentation = Offload::Segmentation::kTcpV4;
      break;
    case VnetHeader::kGsoTcpV6:
      offload.segmentation = Offload::Segmentation::kTcpV6;
      break;
    case VnetHeader::kGsoUdp:
      offload.segmentation = Offload::Segmentation::kUdp;
      break;
    default:
      return false;
  }
  if (offload.segmentation != Offload::Segmentation::kNone) {
    offload.segment_size = header.gso_size;
    offload.header_length = header.header_length;
    offload.ecn = (header.gso_type & VnetHeader::kGsoEcn) != 0;
  }
  if ((header.flags & VnetHeader::kNeedsChecksum) != 0) {
    offload.partial_checksum = true;
    offload.checksum_start = header.checksum_start;
    offload.checksum_offset = header.checksum_offset;
  }
  offload.checksum_verified = (header.flags & VnetHeader::kDataValid) != 0;
  return true;
}

// checksum_verified is not passed on: who receives the frame checks it.
inline VnetHeader WriteVnetHeader(const Offload& offload) {
  VnetHeader header;
  switch (offload.segmentation) {
    case Offload::Segmentation::kNone:
      break;
    case Offload::Segmentation::kTcpV4:
      header.gso_type = VnetHeader::kGsoTcpV4;
      break;
    case Offload::Segmentation::kTcpV6:
      header.gso_type = VnetHeader::kGsoTcpV6;
      break;
    case Offload::Segmentation::kUdp:
      header.gso_type = VnetHeader::kGsoUdp;
      break;
  }
  if (header.gso_type != 0) {
    if (offload.ecn) header.gso_type |= VnetHeader::kGsoEcn;
    header.gso_size = offload.segment_size;
    header.header_length = offload.header_length;
  }
  if (offload.partial_checksum) {
    header.flags = VnetHeader::kNeedsChecksum;
    header.checksum_start = offload.checksum_start;
    header.checksum_offset = offload.checksum_offset;
  }
  return header;
}

}  // namespace ballast

#endif  // IO_PACKET_IO_VNET_H_
