#include "lb/l4/frame_builder.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "io/base/check.h"

namespace ballast::l4 {
namespace {

void Put16(Bytes& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}
void Put32(Bytes& bytes, size_t at, uint32_t value) {
  Put16(bytes, at, value >> 16);
  Put16(bytes, at + 2, value & 0xffff);
}
Bytes Wire(const Address& address) {
  return Bytes(address.wire().begin(), address.wire().end());
}

// Writes the checksum at `at` of `transport`, whose field is zero.
void PutSum(Bytes& transport, size_t at, const Address& source,
            const Address& destination, uint8_t protocol, Sum sum) {
  const Bytes pseudo = PseudoHeader(source, destination, protocol,
                                    static_cast<uint32_t>(transport.size()));
  uint16_t value = 0;
  if (sum == Sum::kPartial) {
    value = NaiveSum(pseudo);
  } else if (sum != Sum::kZero) {
    value = static_cast<uint16_t>(~NaiveSum(Concat({pseudo, transport})));
    if (sum == Sum::kWrong) ++value;
    if (value == 0 && protocol == 17) value = 0xffff;
  }
  Put16(transport, at, value);
}

}  // namespace

Bytes Concat(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Bytes FromHex(absl::string_view hex) {
  std::string digits;
  for (const char c : hex) {
    if (!absl::ascii_isspace(static_cast<unsigned char>(c))) digits += c;
  }
  const std::string raw = absl::HexStringToBytes(digits);
  return Bytes(raw.begin(), raw.end());
}

Address Ip(absl::string_view text) {
  const auto address = Address::Parse(text);
  BALLAST_CHECK(address.ok());
  return *address;
}

MacAddress Mac(absl::string_view text) {
  const auto mac = MacAddress::Parse(text);
  BALLAST_CHECK(mac.ok());
  return *mac;
}

uint16_t NaiveSum(const Bytes& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

Bytes PseudoHeader(const Address& source, const Address& destination,
                   uint8_t protocol, uint32_t length) {
  Bytes tail(8);
  Put32(tail, 0, length);
  tail[7] = protocol;
  return Concat({Wire(source), Wire(destination), tail});
}

Bytes EthernetHeader(uint16_t ethertype) {
  Bytes header = FromHex("02 00 00 00 00 01  02 00 00 00 00 02  0000");
  Put16(header, 12, ethertype);
  return header;
}

Bytes Ipv4(const Address& source, const Address& destination, uint8_t protocol,
           const Bytes& body, const Ipv4Fields& fields) {
  Bytes header(12);
  header = Concat({header, Wire(source), Wire(destination), fields.options});
  header[0] = static_cast<uint8_t>(0x40 + header.size() / 4);
  Put16(header, 2, static_cast<uint32_t>(header.size() + body.size()));
  Put16(header, 4, fields.id);
  Put16(header, 6, fields.fragment);
  header[8] = fields.ttl;
  header[9] = protocol;
  Put16(header, 10, static_cast<uint16_t>(~NaiveSum(header)));
  return Concat({header, body});
}

Bytes Ipv6(const Address& source, const Address& destination, uint8_t next,
           const Bytes& body, uint8_t hop_limit, const Bytes& extensions) {
  Bytes start = FromHex("60000000 0000 00 00");
  Put16(start, 4, static_cast<uint32_t>(extensions.size() + body.size()));
  start[6] = next;
  start[7] = hop_limit;
  return Concat({start, Wire(source), Wire(destination), extensions, body});
}

Bytes IpPacket(const Address& source, const Address& destination,
               uint8_t protocol, const Bytes& body) {
  return source.is_v4() ? Ipv4(source, destination, protocol, body)
                        : Ipv6(source, destination, protocol, body);
}

Bytes Tcp(const Endpoint& source, const Endpoint& destination,
          const TcpFields& fields) {
  Bytes header(20);
  Put16(header, 0, source.port);
  Put16(header, 2, destination.port);
  Put32(header, 4, fields.sequence);
  Put32(header, 8, fields.ack);
  header[12] = static_cast<uint8_t>((20 + fields.options.size()) / 4 << 4);
  header[13] = fields.flags;
  Put16(header, 14, 0x7210);
  Bytes all = Concat({header, fields.options, fields.data});
  PutSum(all, 16, source.address, destination.address, 6, fields.sum);
  return all;
}

Bytes Udp(const Endpoint& source, const Endpoint& destination,
          const Bytes& data, Sum sum) {
  Bytes header(8);
  Put16(header, 0, source.port);
  Put16(header, 2, destination.port);
  Put16(header, 4, static_cast<uint32_t>(8 + data.size()));
  Bytes all = Concat({header, data});
  PutSum(all, 6, source.address, destination.address, 17, sum);
  return all;
}

Bytes Icmp(const Address& source, const Address& destination, uint8_t type,
           uint8_t code, const Bytes& rest) {
  Bytes all = Concat({{type, code, 0, 0}, rest});
  if (source.is_v4()) {
    Put16(all, 2, static_cast<uint16_t>(~NaiveSum(all)));
  } else {
    PutSum(all, 2, source, destination, 58, Sum::kRight);
  }
  return all;
}

bool TransportSumRight(const Frame& frame, size_t l3, size_t l4, size_t end,
                       uint8_t protocol) {
  const Bytes bytes(frame.data, frame.data + frame.length);
  const Bytes transport(bytes.begin() + l4, bytes.begin() + end);
  if (protocol == 1) return NaiveSum(transport) == 0xffff;
  const bool v6 = bytes[l3] >> 4 == 6;
  const size_t size = v6 ? 16 : 4;
  const size_t addresses = l3 + (v6 ? 8 : 12);
  Bytes tail(8);
  Put32(tail, 0, static_cast<uint32_t>(transport.size()));
  tail[7] = protocol;
  return NaiveSum(Concat({Bytes(bytes.begin() + addresses,
                                bytes.begin() + addresses + 2 * size),
                          tail, transport})) == 0xffff;
}

bool IpSumRight(const Frame& frame, size_t l3) {
  const size_t size = (frame.data[l3] & 15) * 4;
  return NaiveSum(Bytes(frame.data + l3, frame.data + l3 + size)) == 0xffff;
}

TestFrame::TestFrame(const Bytes& bytes, size_t headroom, size_t tailroom)
    : memory_(headroom + bytes.size() + tailroom, 0xee) {
  std::copy(bytes.begin(), bytes.end(), memory_.begin() + headroom);
  frame.data = memory_.data() + headroom;
  frame.length = static_cast<uint32_t>(bytes.size());
  frame.headroom = static_cast<uint32_t>(headroom);
  frame.tailroom = static_cast<uint32_t>(tailroom);
}

void TestFrame::SetPartial(uint16_t start, uint16_t offset) {
  frame.offload.partial_checksum = true;
  frame.offload.checksum_start = start;
  frame.offload.checksum_offset = offset;
}

Bytes Framed(const Bytes& ip_packet) {
  return Concat(
      {EthernetHeader(ip_packet[0] >> 4 == 6 ? 0x86dd : 0x0800), ip_packet});
}

}  // namespace ballast::l4
