#include "io/base/bytes.h"
#include "lb/l4/packet_internal.h"

namespace ballast::l4::packet_internal {
namespace {

constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragmentHeader = 44;
constexpr uint8_t kDestinationOptions = 60;

}  // namespace

DropReason WalkExtensionHeaders(const uint8_t* data, uint32_t offset,
                                uint32_t end, uint8_t protocol, Chain* chain) {
  for (int i = 0; i <= kExtensionHeadersMax; ++i) {
    if (protocol != kHopByHop && protocol != kRouting &&
        protocol != kDestinationOptions && protocol != kFragmentHeader) {
      chain->protocol = protocol;
      chain->l4 = offset;
      return DropReason::kNone;
    }
    // Hop-by-hop options stand first or nowhere (RFC 8200 §4.1).
    if (protocol == kHopByHop && i > 0) return DropReason::kMalformedIp;
    if (end - offset < 8) return DropReason::kMalformedIp;
    const uint8_t* header = data + offset;
    uint32_t size = 8;
    if (protocol == kFragmentHeader) {
      if (chain->has_fragment_header) return DropReason::kMalformedIp;
      chain->has_fragment_header = true;
      chain->fragment_offset = LoadBig16(header + 2) & 0xfff8;
      chain->more_fragments = (header[3] & 1) != 0;
      chain->fragment_id = LoadBig32(header + 4);
      if (chain->fragment_offset > 0) {
        chain->protocol = header[0];
        chain->l4 = offset + size;
        return DropReason::kNone;
      }
    } else {
      size = (uint32_t{header[1]} + 1) * 8;
      if (end - offset < size) return DropReason::kMalformedIp;
      if (protocol == kRouting && header[3] != 0) {
        return DropReason::kSourceRouted;
      }
    }
    protocol = header[0];
    offset += size;
  }
  return DropReason::kMalformedIp;
}

}  // namespace ballast::l4::packet_internal
