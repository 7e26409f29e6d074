#include <algorithm>

#include "ha/conntrack_wire.h"
#include "ha/conntrack_wire_internal.h"
#include "io/base/bytes.h"

namespace ballast::ha {

using namespace conntrack_internal;  // NOLINT: private to this library.

namespace {

using Error = ConntrackReadError;

// What an entry's attributes are gathered into.
struct Gathered {
  ConntrackEntry& entry;
  uint32_t seen = 0;  // By type.
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint16_t icmp_id = 0;

  bool Saw(uint8_t type) const { return (seen >> type & 1) != 0; }
};

void TakeAttribute(uint8_t type, std::span<const uint8_t> data, Gathered& got) {
  ConntrackEntry& entry = got.entry;
  ByteReader in(data);
  switch (type) {
    case kIpv4:
      entry.tuple.source = Address::V4(in.U32());
      entry.tuple.destination = Address::V4(in.U32());
      break;
    case kIpv6:
      entry.tuple.source = Address::FromBytes(in.Bytes(16));
      entry.tuple.destination = Address::FromBytes(in.Bytes(16));
      break;
    case kL4Proto:
      entry.tuple.protocol = in.U8();
      break;
    case kPort:
      entry.tuple.source_port = in.U16();
      entry.tuple.destination_port = in.U16();
      break;
    case kTcpState:
      entry.tcp_state = in.U8();
      break;
    case kStatus:
      entry.status = in.U32();
      break;
    case kTimeout:
      entry.timeout_s = in.U32();
      break;
    case kMark:
      entry.mark = in.U32();
      break;
    case kSnatIpv4:
    case kSnatIpv6:
      entry.nat_source = Address::FromBytes(data);
      break;
    case kDnatIpv4:
    case kDnatIpv6:
      entry.nat_destination = Address::FromBytes(data);
      break;
    case kSpatPort:
      entry.nat_source_port = Swap(in.U16());
      break;
    case kDpatPort:
      entry.nat_destination_port = Swap(in.U16());
      break;
    case kIcmpType:
      got.icmp_type = in.U8();
      break;
    case kIcmpCode:
      got.icmp_code = in.U8();
      break;
    case kIcmpId:
      got.icmp_id = Swap(in.U16());
      break;
    default:
      entry.others.push_back({type, std::string(data.begin(), data.end())});
  }
}

// What the attributes have to be together.
Error CheckTogether(const Gathered& got) {
  if (got.Saw(kIpv4) && got.Saw(kIpv6)) return Error::kFamily;
  const ConntrackTuple& tuple = got.entry.tuple;
  if (tuple.protocol == 0 || !(got.Saw(kIpv4) || got.Saw(kIpv6))) {
    return Error::kNoTuple;
  }
  if (got.Saw(kIpv6) ? got.Saw(kSnatIpv4) || got.Saw(kDnatIpv4)
                     : got.Saw(kSnatIpv6) || got.Saw(kDnatIpv6)) {
    return Error::kFamily;
  }
  // Written as IPv6, but an address of IPv4's: could not be written again.
  const auto is_v4 = [&](const std::optional<Address>& address) {
    return address.has_value() && address->is_v4();
  };
  if (got.Saw(kIpv6) &&
      (tuple.source.is_v4() || tuple.destination.is_v4() ||
       is_v4(got.entry.nat_source) || is_v4(got.entry.nat_destination))) {
    return Error::kFamily;
  }
  const bool icmp =
      got.Saw(kIcmpType) && got.Saw(kIcmpCode) && got.Saw(kIcmpId);
  if (IsIcmp(tuple.protocol) ? !icmp
                             : HasPorts(tuple.protocol) != got.Saw(kPort)) {
    return Error::kNoTuple;
  }
  if (got.Saw(kTcpState) && (tuple.protocol != kTcp ||
                             *got.entry.tcp_state >= kConntrackTcpStateCount)) {
    return Error::kState;
  }
  return Error::kNone;
}

Error ReadAttributes(std::span<const uint8_t> bytes, ConntrackEntry& entry) {
  Gathered got{entry};
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    const size_t length = in.U16();
    const uint16_t type = in.U16();
    if (!in.ok() || length < 4 || length - 4 > in.remaining()) {
      return Error::kAttributeSize;
    }
    const auto data = in.Bytes(length - 4);
    // A last attribute may lack its padding.
    in.Skip(std::min(in.remaining(), Align(length) - length));
    if (type >= kAttributeCount) return Error::kAttributeUnknown;
    const uint8_t known = static_cast<uint8_t>(type);
    if (!IsWellFormed(known, data)) return Error::kAttributeSize;
    if (got.Saw(known)) return Error::kAttributeTwice;
    got.seen |= uint32_t{1} << known;
    TakeAttribute(known, data, got);
  }
  if (IsIcmp(entry.tuple.protocol)) {
    if (got.Saw(kPort)) return Error::kNoTuple;
    entry.tuple.source_port = got.icmp_id;
    entry.tuple.destination_port =
        static_cast<uint16_t>(got.icmp_type << 8 | got.icmp_code);
  }
  std::sort(entry.others.begin(), entry.others.end(),
            [](const auto& a, const auto& b) {
              return kRules[a.type].rank != kRules[b.type].rank
                         ? kRules[a.type].rank < kRules[b.type].rank
                         : a.type < b.type;
            });
  return CheckTogether(got);
}

Error CheckControl(const ConntrackMessage& message) {
  switch (message.flags & ~kConntrackHelloMask) {
    case 0:
      return (message.flags & kConntrackHelloMask) != 0 ? Error::kNone
                                                        : Error::kFlags;
    case kConntrackAck:
    case kConntrackNack:
      return static_cast<int32_t>(message.to - message.from) < 0 ? Error::kRange
                                                                 : Error::kNone;
    case kConntrackResync:
    case kConntrackAlive:
      return Error::kNone;
    default:
      return Error::kFlags;
  }
}

bool HasRange(uint8_t flags) {
  return (flags & (kConntrackAck | kConntrackNack | kConntrackResync)) != 0;
}

// Of a message of the right size. kNone: `message` is to be given out.
Error ReadMessage(std::span<const uint8_t> bytes, ConntrackMessage& message) {
  const uint8_t type = bytes[0] & 15;
  if (bytes[0] >> 4 != kVersion) return Error::kVersion;
  if (type > static_cast<uint8_t>(ConntrackType::kExpectationDelete) &&
      type != static_cast<uint8_t>(ConntrackType::kControl)) {
    return Error::kType;
  }
  message.type = static_cast<ConntrackType>(type);
  message.flags = bytes[1];
  message.sequence = LoadBig32(&bytes[4]);
  message.from = message.to = 0;
  message.refused = Error::kNone;
  if (!message.is_data()) {
    if (HasRange(message.flags)) {
      message.from = LoadBig32(&bytes[8]);
      message.to = LoadBig32(&bytes[12]);
    }
    return CheckControl(message);
  }
  if ((message.flags & ~kConntrackHelloMask) != 0) return Error::kFlags;
  if (message.type > ConntrackType::kDelete) return Error::kNone;
  message.entry = {};
  message.refused =
      ReadAttributes(bytes.subspan(kConntrackHeaderSize), message.entry);
  return Error::kNone;
}

// The size of the first message, or why there is none.
Error FirstSize(std::span<const uint8_t> bytes, size_t& size) {
  if (bytes.size() < kConntrackHeaderSize) return Error::kTruncated;
  size = LoadBig16(&bytes[2]);
  if (size < kConntrackHeaderSize || size > bytes.size()) return Error::kSize;
  const bool control =
      (bytes[0] & 15) == static_cast<uint8_t>(ConntrackType::kControl);
  if (control && bytes[0] >> 4 == kVersion && HasRange(bytes[1]) &&
      size < kConntrackControlSize) {
    return Error::kTruncated;
  }
  return Error::kNone;
}

}  // namespace

const char* ConntrackReadErrorName(ConntrackReadError error) {
  static constexpr std::array<const char*, kConntrackReadErrorCount> kNames = {
      "none",           "truncated",       "size",   "version",
      "type",           "flags",           "range",  "attribute_unknown",
      "attribute_size", "attribute_twice", "family", "no_tuple",
      "state"};
  return kNames[static_cast<size_t>(error)];
}

void ReadConntrackDatagram(
    std::span<const uint8_t> datagram, ConntrackReader& reader,
    absl::FunctionRef<void(const ConntrackMessage&)> take) {
  ++reader.datagrams;
  const auto count = [&reader](Error error) {
    ++reader.errors[static_cast<size_t>(error)];
  };
  ConntrackMessage message;
  while (!datagram.empty()) {
    size_t size = 0;
    if (const Error error = FirstSize(datagram, size); error != Error::kNone) {
      return count(error);
    }
    const Error error = ReadMessage(datagram.first(size), message);
    datagram = datagram.subspan(size);
    if (error != Error::kNone) {
      count(error);
      continue;
    }
    if (message.refused != Error::kNone) count(message.refused);
    if (message.is_data() && message.type > ConntrackType::kDelete) {
      ++reader.expectations;
    }
    ++reader.messages;
    take(message);
  }
}

}  // namespace ballast::ha
