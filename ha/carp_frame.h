// The frame around a CARP advert: Ethernet, and IPv4 or IPv6 as the sender's
// address is.
//
//   Ethernet  to the group's MAC (01:00:5e:00:00:12, 33:33:00:00:00:12) or
//             broadcast; from 00:00:5e:00:01:VHID, so that switches learn where
//             the shared addresses are, or from the MAC that has them
//   IPv4      TOS 0x10, DF, TTL 255, protocol 112, no options, 56 bytes
//   IPv6      hop limit 255, next header 112
//
// Cost     no allocation.
// Source   ucarp 1.5.2 for IPv4, OpenBSD for IPv6.
#ifndef HA_CARP_FRAME_H_
#define HA_CARP_FRAME_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ha/carp_receiver.h"
#include "ha/carp_wire.h"
#include "io/base/address.h"

namespace ballast::ha {

// 00:00:5e:00:01:VHID. (ucarp sends from 00:00:5e:00:00:VHID, whatever MAC has
// the addresses.)
constexpr MacAddress CarpVirtualMac(uint8_t vhid) {
  return {{0x00, 0x00, 0x5e, 0x00, 0x01, vhid}};
}

enum class CarpDelivery : uint8_t {
  kMulticast,
  // To everybody on the wire, yet still to 224.0.0.18: ucarp's --nomcast, and
  // the only form of broadcast that ucarp hears.
  kEthernetBroadcast,
  // To 255.255.255.255; IPv4 only. For units of our own.
  kBroadcast,
};

struct CarpFraming {
  MacAddress source_mac;
  Address source;  // The unit's own on that interface, never a shared one.
  Address group_v4 = CarpGroupV4();
  CarpDelivery delivery = CarpDelivery::kMulticast;
  uint16_t identification = 0;  // Of IPv4; random.
};

inline constexpr size_t kCarpFrameSizeMax = 14 + 40 + kCarpAdvertSize;

// Returns the part of `buffer` that is the frame.
std::span<uint8_t> BuildCarpFrame(const CarpFraming& framing,
                                  const CarpAdvert& advert,
                                  std::span<uint8_t, kCarpFrameSizeMax> buffer);

// nullopt: not an unfragmented packet of protocol 112 over untagged Ethernet,
// or shorter than it says. The packet points into `frame`.
std::optional<CarpPacket> ParseCarpFrame(std::span<const uint8_t> frame);

}  // namespace ballast::ha

#endif  // HA_CARP_FRAME_H_
