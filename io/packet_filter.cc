#include "io/packet_filter.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/packet_filter_assembler.h"

namespace ballast {
namespace {

using Label = FilterAssembler::Label;

constexpr uint32_t kPass = 0x7fffffff;  // Bytes to keep: all.
constexpr uint32_t kDrop = 0;
constexpr uint32_t kIp = ETH_HLEN;
constexpr uint32_t kIcmpV6 = 58;
constexpr uint32_t kRouterSolicitation = 133;
constexpr uint32_t kRedirect = 137;
constexpr uint32_t kVlanIdMask = 0x0fff;

void DropTagged(FilterAssembler& code, Label drop) {
  const Label untagged = code.NewLabel();
  code.LoadAncillary(SKF_AD_VLAN_TAG_PRESENT);
  code.IfEqual(0, untagged);
  code.LoadAncillary(SKF_AD_VLAN_TAG);
  code.IfAnyBit(kVlanIdMask, drop);
  code.Bind(untagged);
}

void PassProtocols(FilterAssembler& code, uint32_t offset,
                   const std::vector<uint8_t>& protocols, Label pass) {
  if (protocols.empty()) return;
  code.LoadByte(offset);
  for (const uint8_t protocol : protocols) code.IfEqual(protocol, pass);
}

void PassNeighbourDiscovery(FilterAssembler& code, Label pass) {
  const Label no = code.NewLabel();
  code.LoadByte(kIp + 6);
  code.IfNotEqual(kIcmpV6, no);
  code.LoadByte(kIp + 40);
  code.IfBelow(kRouterSolicitation, no);
  code.IfAbove(kRedirect, no);
  code.Jump(pass);
  code.Bind(no);
}

void DropOtherMacs(FilterAssembler& code, const std::vector<MacAddress>& own,
                   Label drop) {
  const Label ours = code.NewLabel();
  for (const MacAddress& mac : own) {
    const Label next = code.NewLabel();
    code.LoadWord(2);
    code.IfNotEqual(LoadBig32(&mac.bytes[2]), next);
    code.LoadHalf(0);
    code.IfEqual(LoadBig16(&mac.bytes[0]), ours);
    code.Bind(next);
  }
  code.Jump(drop);
  code.Bind(ours);
}

void DropHostAddresses(FilterAssembler& code, const std::vector<Address>& host,
                       Label pass, Label drop) {
  const Label v6 = code.NewLabel();
  code.LoadHalf(ETH_HLEN - 2);
  code.IfEqual(ETH_P_IPV6, v6);
  code.IfNotEqual(ETH_P_IP, pass);
  code.LoadWord(kIp + 16);
  for (const Address& address : host) {
    if (address.is_v4()) code.IfEqual(address.v4_bits(), drop);
  }
  code.Jump(pass);
  code.Bind(v6);
  for (const Address& address : host) {
    if (address.is_v4()) continue;
    const Label next = code.NewLabel();
    // Last word first: it differs most often.
    for (const uint32_t at : {12, 8, 4, 0}) {
      code.LoadWord(kIp + 24 + at);
      code.IfNotEqual(LoadBig32(&address.bytes()[at]), next);
    }
    code.Jump(drop);
    code.Bind(next);
  }
}

}  // namespace

absl::StatusOr<std::vector<sock_filter>> CompilePacketFilter(
    const PacketFilter& filter) {
  FilterAssembler code;
  const Label pass = code.NewLabel();
  const Label drop = code.NewLabel();
  code.LoadAncillary(SKF_AD_PKTTYPE);
  code.IfEqual(PACKET_OUTGOING, drop);
  DropTagged(code, drop);
  if (!filter.everything) {
    const Label v6 = code.NewLabel();
    const Label by_mac = code.NewLabel();
    code.LoadHalf(ETH_HLEN - 2);
    code.IfEqual(ETH_P_ARP, pass);
    code.IfEqual(ETH_P_IPV6, v6);
    code.IfNotEqual(ETH_P_IP, by_mac);
    PassProtocols(code, kIp + 9, filter.ip_protocols, pass);
    code.Jump(by_mac);
    code.Bind(v6);
    PassNeighbourDiscovery(code, pass);
    PassProtocols(code, kIp + 6, filter.ip_protocols, pass);
    code.Bind(by_mac);
    DropOtherMacs(code, filter.own_macs, drop);
    DropHostAddresses(code, filter.host_addresses, pass, drop);
  }
  code.Bind(pass);
  code.Return(kPass);
  code.Bind(drop);
  code.Return(kDrop);
  auto program = code.Finish();
  if (program.size() > BPF_MAXINSNS) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a packet filter for ", filter.own_macs.size(), " MACs and ",
        filter.host_addresses.size(), " host addresses needs ", program.size(),
        " instructions; the kernel takes ", BPF_MAXINSNS));
  }
  return program;
}

}  // namespace ballast
