#include "io/arp_probe.h"

#include <linux/if_ether.h>

#include <algorithm>

#include "io/base/bytes.h"

namespace ballast {

std::array<uint8_t, kArpProbeBytes> WriteArpProbe(const MacAddress& sender,
                                                  const Address& target) {
  std::array<uint8_t, kArpProbeBytes> frame;
  ByteWriter writer(frame);
  writer.Bytes(MacAddress::Broadcast().bytes);
  writer.Bytes(sender.bytes);
  writer.U16(ETH_P_ARP);
  writer.U16(1);  // Ethernet.
  writer.U16(ETH_P_IP);
  writer.U8(6);
  writer.U8(4);
  writer.U16(1);  // Request.
  writer.Bytes(sender.bytes);
  writer.Zeros(4);  // A probe claims no address.
  writer.Zeros(6);
  writer.Bytes(target.wire());
  return frame;
}

std::optional<Address> ReadArpProbeReply(std::span<const uint8_t> frame,
                                         const MacAddress& mac) {
  ByteReader reader(frame);
  const auto destination = reader.Bytes(6);
  reader.Skip(6);
  const bool is_arp = reader.U16() == ETH_P_ARP && reader.U16() == 1 &&
                      reader.U16() == ETH_P_IP && reader.U16() == 0x0604;
  const bool is_reply = reader.U16() == 2;
  reader.Skip(6);
  const auto sender = reader.Bytes(4);
  const auto target_mac = reader.Bytes(6);
  // Replies to the host's own questions name its address here.
  const bool to_a_probe = reader.U32() == 0;
  if (!reader.ok() || !is_arp || !is_reply || !to_a_probe) return std::nullopt;
  const auto is_mac = [&mac](std::span<const uint8_t> bytes) {
    return std::equal(bytes.begin(), bytes.end(), mac.bytes.begin());
  };
  if (!is_mac(destination) || !is_mac(target_mac)) return std::nullopt;
  return Address::FromBytes(sender);
}

}  // namespace ballast
