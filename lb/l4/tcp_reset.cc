#include "lb/l4/tcp_reset.h"

#include <algorithm>
#include <cstring>

#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/checksum.h"
#include "io/base/flow_key.h"

namespace ballast::l4 {
namespace {

constexpr uint32_t kTcpHeaderSize = 20;
constexpr uint8_t kTtl = 64;

uint32_t ResetSize(bool v6) {
  return kEthernetHeaderSize + (v6 ? kIpv6HeaderSize : kIpv4HeaderSize) +
         kTcpHeaderSize;
}

// Writes everything after the MAC addresses.
void WriteReset(uint8_t* data, const Endpoint& source,
                const Endpoint& destination, uint32_t sequence,
                uint32_t acknowledgment, uint8_t flags) {
  const bool v6 = !source.address.is_v4();
  uint8_t* ip = data + kEthernetHeaderSize;
  uint8_t* tcp = ip + (v6 ? kIpv6HeaderSize : kIpv4HeaderSize);
  StoreBig16(data + 12, v6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
  std::memset(ip, 0, ResetSize(v6) - kEthernetHeaderSize);
  const auto from = source.address.wire(), to = destination.address.wire();
  if (v6) {
    ip[0] = 0x60;
    ip[5] = kTcpHeaderSize;
    ip[6] = kProtocolTcp;
    ip[7] = kTtl;
    std::copy(from.begin(), from.end(), ip + 8);
    std::copy(to.begin(), to.end(), ip + 24);
  } else {
    ip[0] = 0x45;
    ip[3] = kIpv4HeaderSize + kTcpHeaderSize;
    ip[6] = 0x40;  // Never fragmented, so that id 0 is right (RFC 6864 §4.1).
    ip[8] = kTtl;
    ip[9] = kProtocolTcp;
    std::copy(from.begin(), from.end(), ip + 12);
    std::copy(to.begin(), to.end(), ip + 16);
    StoreBig16(ip + 10, Checksum({ip, kIpv4HeaderSize}));
  }
  StoreBig16(tcp, source.port);
  StoreBig16(tcp + 2, destination.port);
  StoreBig32(tcp + 4, sequence);
  StoreBig32(tcp + 8, acknowledgment);
  tcp[12] = kTcpHeaderSize / 4 << 4;
  tcp[13] = flags;
  StoreBig16(tcp + 16,
             Checksum({tcp, kTcpHeaderSize},
                      PseudoHeaderSum(source.address, destination.address,
                                      Protocol::kTcp, kTcpHeaderSize)));
}

void SetLength(Frame& frame, uint32_t length) {
  frame.tailroom = frame.tailroom + frame.length - length;
  frame.length = length;
  frame.offload = Offload();
}

}  // namespace

bool MakeResetReply(Frame& frame, const Packet& packet) {
  if (packet.kind != PacketKind::kTcp || packet.is_fragment ||
      (packet.tcp_flags & kTcpRst) != 0) {
    return false;
  }
  const uint8_t* tcp = frame.data + packet.l4;
  uint32_t sequence = 0, acknowledgment = 0;
  uint8_t flags = kTcpRst;
  if ((packet.tcp_flags & kTcpAck) != 0) {
    sequence = LoadBig32(tcp + 8);
  } else {
    flags |= kTcpAck;
    acknowledgment = LoadBig32(tcp + 4) + (packet.end - packet.payload) +
                     ((packet.tcp_flags & kTcpSyn) != 0) +
                     ((packet.tcp_flags & kTcpFin) != 0);
  }
  const Endpoint from{DestinationAddress(frame, packet),
                      packet.destination_port};
  const Endpoint to{SourceAddress(frame, packet), packet.source_port};
  // Never longer than the segment: it had these headers too.
  SetLength(frame, ResetSize(packet.v6));
  std::swap_ranges(frame.data, frame.data + 6, frame.data + 6);
  WriteReset(frame.data, from, to, sequence, acknowledgment, flags);
  return true;
}

bool BuildReset(Frame& frame, const ResetFields& fields) {
  const bool v6 = !fields.source.address.is_v4();
  BALLAST_CHECK(fields.destination.address.is_v4() != v6);
  const uint32_t size = ResetSize(v6);
  if (frame.length + frame.tailroom < size) return false;
  SetLength(frame, size);
  std::memset(frame.data, 0, 12);
  WriteReset(frame.data, fields.source, fields.destination, fields.sequence,
             fields.acknowledgment, kTcpRst | kTcpAck);
  return true;
}

bool BuildResetToClient(Frame& frame, const ResetPair& pair) {
  return BuildReset(frame, {.source = {pair.vip, pair.vip_port},
                            .destination = {pair.client, pair.client_port},
                            .sequence = pair.client_ack,
                            .acknowledgment = pair.client_next});
}

bool BuildResetToServer(Frame& frame, const ResetPair& pair) {
  const Endpoint server = pair.direct ? Endpoint{pair.vip, pair.vip_port}
                                      : Endpoint{pair.server, pair.server_port};
  return BuildReset(frame, {.source = {pair.client, pair.client_port},
                            .destination = server,
                            .sequence = pair.client_next,
                            .acknowledgment = pair.client_ack});
}

}  // namespace ballast::l4
