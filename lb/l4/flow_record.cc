// FlowRecord on the wire, big-endian:
//   [0]      kind: 1 flow, 2 persistence entry
//   [1]      protocol: 6, 17
//   [2]      TCP state, 0..10
//   [3]      flags: 1 direct server return, 2 sorry server
//   [4,5]    client port       [6,7]   virtual port
//   [8,9]    server port       [10,11] the service's own port
//   [12..27] client address    [28..43] virtual address
//   [44..59] server address    (IPv4 in its mapped form)
//   [60..63] idle milliseconds [64..67] client packets
//   [68..71] client's next sequence number  [72..75] acknowledged by it
//   [76..79] 0
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "lb/l4/flow.h"

namespace ballast::l4 {
namespace {

constexpr uint8_t kFlagDirect = 1;
constexpr uint8_t kFlagSorry = 2;

}  // namespace

void EncodeFlowRecord(const FlowRecord& record,
                      std::span<uint8_t, kFlowRecordSize> bytes) {
  ByteWriter writer(bytes);
  writer.U8(static_cast<uint8_t>(record.kind));
  writer.U8(static_cast<uint8_t>(record.client_side.protocol));
  writer.U8(static_cast<uint8_t>(record.state));
  writer.U8(
      (record.forwarding == config::Forwarding::kRoute ? kFlagDirect : 0) |
      (record.sorry ? kFlagSorry : 0));
  writer.U16(record.client_side.source.port);
  writer.U16(record.client_side.destination.port);
  writer.U16(record.server.port);
  writer.U16(record.service_port);
  writer.Bytes(record.client_side.source.address.bytes());
  writer.Bytes(record.client_side.destination.address.bytes());
  writer.Bytes(record.server.address.bytes());
  writer.U32(record.idle_ms);
  writer.U32(record.client_packets);
  writer.U32(record.client_next_sequence);
  writer.U32(record.client_acknowledged);
  writer.U32(0);
  BALLAST_CHECK(writer.ok() && writer.remaining() == 0);
}

std::optional<FlowRecord> DecodeFlowRecord(
    std::span<const uint8_t, kFlowRecordSize> bytes) {
  ByteReader reader(bytes);
  FlowRecord record;
  const uint8_t kind = reader.U8();
  const uint8_t protocol = reader.U8();
  const uint8_t state = reader.U8();
  const uint8_t flags = reader.U8();
  record.client_side.source.port = reader.U16();
  record.client_side.destination.port = reader.U16();
  record.server.port = reader.U16();
  record.service_port = reader.U16();
  record.client_side.source.address = Address::FromBytes(reader.Bytes(16));
  record.client_side.destination.address = Address::FromBytes(reader.Bytes(16));
  record.server.address = Address::FromBytes(reader.Bytes(16));
  record.idle_ms = reader.U32();
  record.client_packets = reader.U32();
  record.client_next_sequence = reader.U32();
  record.client_acknowledged = reader.U32();
  const uint32_t reserved = reader.U32();
  BALLAST_CHECK(reader.AtEnd());
  const bool v4 = record.server.address.is_v4();
  if ((kind != 1 && kind != 2) ||
      (protocol != static_cast<uint8_t>(Protocol::kTcp) &&
       protocol != static_cast<uint8_t>(Protocol::kUdp)) ||
      state >= kTcpStateCount || flags > (kFlagDirect | kFlagSorry) ||
      reserved != 0 || record.client_side.source.address.is_v4() != v4 ||
      record.client_side.destination.address.is_v4() != v4) {
    return std::nullopt;
  }
  record.kind = static_cast<FlowRecord::Kind>(kind);
  record.client_side.protocol = static_cast<Protocol>(protocol);
  record.state = static_cast<TcpState>(state);
  record.forwarding = (flags & kFlagDirect) != 0 ? config::Forwarding::kRoute
                                                 : config::Forwarding::kNat;
  record.sorry = (flags & kFlagSorry) != 0;
  return record;
}

}  // namespace ballast::l4
