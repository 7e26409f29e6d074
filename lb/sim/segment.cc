#include "lb/sim/segment.h"

#include <algorithm>
#include <cstring>

#include "io/base/bytes.h"

namespace ballast::sim {
namespace {

constexpr size_t kEthernet = 14;
constexpr uint16_t kTypeV4 = 0x0800;
constexpr uint16_t kTypeArp = 0x0806;
constexpr uint16_t kTypeV6 = 0x86dd;
constexpr size_t kTcpSize = 20;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kIcmpV6 = 58;
constexpr uint8_t kNeighbourAdvertisement = 136;

uint16_t HeaderSum(const uint8_t* ip) {
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += LoadBig16(ip + i);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~(sum + (sum >> 16)));
}

}  // namespace

Frame WriteSegment(const Segment& segment, const MacAddress& destination,
                   FrameBuffer& buffer) {
  Frame frame = buffer.Empty();
  const bool v4 = segment.source.address.is_v4();
  const size_t ip_size = v4 ? 20 : 40;
  const size_t size = kEthernet + ip_size + kTcpSize;
  std::memset(frame.data, 0, size);
  std::copy(destination.bytes.begin(), destination.bytes.end(), frame.data);
  frame.data[6] = 0x02;  // Some host's.
  StoreBig16(frame.data + 12, v4 ? kTypeV4 : kTypeV6);
  uint8_t* ip = frame.data + kEthernet;
  const auto source = segment.source.address.wire();
  const auto target = segment.destination.address.wire();
  if (v4) {
    ip[0] = 0x45;
    StoreBig16(ip + 2, 20 + kTcpSize);
    ip[6] = 0x40;  // Don't fragment.
    ip[8] = 64;
    ip[9] = kTcp;
    std::copy(source.begin(), source.end(), ip + 12);
    std::copy(target.begin(), target.end(), ip + 16);
    StoreBig16(ip + 10, HeaderSum(ip));
  } else {
    ip[0] = 0x60;
    StoreBig16(ip + 4, kTcpSize);
    ip[6] = kTcp;
    ip[7] = 64;
    std::copy(source.begin(), source.end(), ip + 8);
    std::copy(target.begin(), target.end(), ip + 24);
  }
  uint8_t* tcp = ip + ip_size;
  StoreBig16(tcp, segment.source.port);
  StoreBig16(tcp + 2, segment.destination.port);
  StoreBig32(tcp + 4, segment.number);
  tcp[12] = 5 << 4;
  tcp[13] = segment.flags;
  frame.length = static_cast<uint32_t>(size);
  frame.tailroom -= frame.length;
  return frame;
}

std::optional<Segment> ReadSegment(std::span<const uint8_t> frame) {
  if (frame.size() < kEthernet + 20 + kTcpSize) return std::nullopt;
  const bool v4 = LoadBig16(frame.data() + 12) == kTypeV4;
  if (!v4 && (LoadBig16(frame.data() + 12) != kTypeV6 ||
              frame.size() < kEthernet + 40 + kTcpSize)) {
    return std::nullopt;
  }
  const uint8_t* ip = frame.data() + kEthernet;
  if ((v4 ? ip[9] : ip[6]) != kTcp) return std::nullopt;
  const uint8_t* tcp = ip + (v4 ? 20 : 40);
  const auto address = [&](size_t at) {
    return Address::FromBytes({ip + at, v4 ? size_t{4} : size_t{16}});
  };
  return Segment{{address(v4 ? 12 : 8), LoadBig16(tcp)},
                 {address(v4 ? 16 : 24), LoadBig16(tcp + 2)},
                 tcp[13],
                 LoadBig32(tcp + 4)};
}

std::optional<Address> ReadAnnounced(std::span<const uint8_t> frame) {
  const uint16_t type = frame.size() < 42 ? 0 : LoadBig16(frame.data() + 12);
  const uint8_t* body = frame.data() + kEthernet;
  if (type == kTypeArp) {
    const Address sender = Address::FromBytes({body + 14, 4});
    const Address target = Address::FromBytes({body + 24, 4});
    if (sender != target || sender.is_unspecified()) return std::nullopt;
    return sender;
  }
  if (type == kTypeV6 && frame.size() >= kEthernet + 40 + 24 &&
      body[6] == kIcmpV6 && body[40] == kNeighbourAdvertisement) {
    return Address::FromBytes({body + 48, 16});
  }
  return std::nullopt;
}

}  // namespace ballast::sim
