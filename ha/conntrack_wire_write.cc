#include <algorithm>

#include "ha/conntrack_wire.h"
#include "ha/conntrack_wire_internal.h"
#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::ha {

using namespace conntrack_internal;  // NOLINT: private to this library.

namespace {

class AttributeWriter {
 public:
  explicit AttributeWriter(std::span<uint8_t> out) : out_(out) {}

  bool ok() const { return out_.ok(); }
  size_t size() const { return out_.size(); }

  void Header(ConntrackType type, uint8_t flags, uint32_t sequence) {
    out_.U8(static_cast<uint8_t>(kVersion << 4 | static_cast<uint8_t>(type)));
    out_.U8(flags);
    out_.U16(0);  // The length, at the end.
    out_.U32(sequence);
  }
  void Raw(uint8_t type, std::span<const uint8_t> data) {
    Begin(type, data.size());
    out_.Bytes(data);
    out_.Zeros(Align(data.size()) - data.size());
  }
  void U8(uint8_t type, uint8_t value) {
    Begin(type, 1);
    out_.U8(value);
    out_.Zeros(3);
  }
  void U16(uint8_t type, uint16_t value) {
    Begin(type, 2);
    out_.U16(value);
    out_.Zeros(2);
  }
  void U32(uint8_t type, uint32_t value) {
    Begin(type, 4);
    out_.U32(value);
  }
  void Pair(uint8_t type, const Address& first, const Address& second) {
    Begin(type, first.wire().size() * 2);
    out_.Bytes(first.wire());
    out_.Bytes(second.wire());
  }
  void Ports(uint16_t first, uint16_t second) {
    Begin(kPort, 4);
    out_.U16(first);
    out_.U16(second);
  }

 private:
  void Begin(uint8_t type, size_t size) {
    out_.U16(static_cast<uint16_t>(4 + size));
    out_.U16(type);
  }

  ByteWriter out_;
};

std::span<const uint8_t> BytesOf(const std::string& data) {
  return {reinterpret_cast<const uint8_t*>(data.data()), data.size()};
}

bool IsSendable(const ConntrackEntry::Attribute& attribute) {
  return attribute.type < kAttributeCount && kRules[attribute.type].opaque &&
         IsWellFormed(attribute.type, BytesOf(attribute.data));
}

void WriteAll(const ConntrackEntry& entry, AttributeWriter& out) {
  const ConntrackTuple& tuple = entry.tuple;
  // The opaque ones below a rank, as far as they are not written yet.
  size_t next = 0;
  const auto others_below = [&](uint8_t rank) {
    for (; next < entry.others.size() &&
           kRules[entry.others[next].type].rank < rank;
         ++next) {
      out.Raw(entry.others[next].type, BytesOf(entry.others[next].data));
    }
  };
  out.Pair(tuple.v6() ? kIpv6 : kIpv4, tuple.source, tuple.destination);
  if (entry.status) out.U32(kStatus, *entry.status);
  out.U8(kL4Proto, tuple.protocol);
  if (IsIcmp(tuple.protocol)) {
    out.U8(kIcmpType, static_cast<uint8_t>(tuple.destination_port >> 8));
    out.U8(kIcmpCode, static_cast<uint8_t>(tuple.destination_port));
    out.U16(kIcmpId, Swap(tuple.source_port));
  } else if (HasPorts(tuple.protocol)) {
    out.Ports(tuple.source_port, tuple.destination_port);
  }
  if (entry.tcp_state) out.U8(kTcpState, *entry.tcp_state);
  others_below(kRules[kTimeout].rank);
  if (entry.timeout_s) out.U32(kTimeout, *entry.timeout_s);
  if (entry.mark) out.U32(kMark, *entry.mark);
  others_below(kRules[kSnatIpv4].rank);
  if (entry.nat_source) {
    out.Raw(tuple.v6() ? kSnatIpv6 : kSnatIpv4, entry.nat_source->wire());
  }
  if (entry.nat_destination) {
    out.Raw(tuple.v6() ? kDnatIpv6 : kDnatIpv4, entry.nat_destination->wire());
  }
  if (entry.nat_source_port) out.U16(kSpatPort, Swap(*entry.nat_source_port));
  if (entry.nat_destination_port) {
    out.U16(kDpatPort, Swap(*entry.nat_destination_port));
  }
  others_below(0xff);
}

}  // namespace

bool IsSendable(const ConntrackEntry& entry) {
  const ConntrackTuple& tuple = entry.tuple;
  const auto other_family = [&](const std::optional<Address>& address) {
    return address.has_value() && address->is_v4() == tuple.v6();
  };
  if (tuple.protocol == 0 || tuple.destination.is_v4() == tuple.v6() ||
      other_family(entry.nat_source) || other_family(entry.nat_destination)) {
    return false;
  }
  if (entry.tcp_state &&
      (tuple.protocol != kTcp || *entry.tcp_state >= kConntrackTcpStateCount)) {
    return false;
  }
  uint32_t seen = 0;
  uint8_t rank = 0;
  for (const ConntrackEntry::Attribute& attribute : entry.others) {
    if (!IsSendable(attribute) || (seen >> attribute.type & 1) != 0 ||
        kRules[attribute.type].rank < rank) {
      return false;
    }
    seen |= uint32_t{1} << attribute.type;
    rank = kRules[attribute.type].rank;
  }
  return true;
}

size_t WriteConntrackEntry(ConntrackType type, uint8_t flags, uint32_t sequence,
                           const ConntrackEntry& entry,
                           std::span<uint8_t> out) {
  BALLAST_CHECK(type <= ConntrackType::kDelete);
  if (!IsSendable(entry)) return 0;
  AttributeWriter writer(out.first(std::min(out.size(), kConntrackMessageMax)));
  writer.Header(type, flags, sequence);
  WriteAll(entry, writer);
  if (!writer.ok()) return 0;
  StoreBig16(&out[2], static_cast<uint16_t>(writer.size()));
  return writer.size();
}

size_t WriteConntrackControl(uint8_t flags, uint32_t sequence, uint32_t from,
                             uint32_t to, std::span<uint8_t> out) {
  const bool range =
      (flags & (kConntrackAck | kConntrackNack | kConntrackResync)) != 0;
  ByteWriter writer(out);
  writer.U8(static_cast<uint8_t>(
      kVersion << 4 | static_cast<uint8_t>(ConntrackType::kControl)));
  writer.U8(flags);
  writer.U16(range ? kConntrackControlSize : kConntrackHeaderSize);
  writer.U32(sequence);
  if (range) {
    writer.U32(from);
    writer.U32(to);
  }
  return writer.ok() ? writer.size() : 0;
}

}  // namespace ballast::ha
