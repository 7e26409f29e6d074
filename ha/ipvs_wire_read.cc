#include "ha/ipvs_wire.h"
#include "ha/ipvs_wire_internal.h"
#include "io/base/bytes.h"

namespace ballast::ha {

using namespace ipvs_internal;  // NOLINT: private to this library.

namespace {

enum Protocol : uint8_t {
  kTcp = 6,
  kUdp = 17,
  kEsp = 50,
  kAh = 51,
  kSctp = 132,
};

// 0: a protocol that IPVS does not balance.
int StateCount(uint8_t protocol) {
  switch (protocol) {
    case kTcp:
      return 11;
    case kSctp:
      return 14;
    case kUdp:
    case kEsp:
    case kAh:
      return 1;
    default:
      return 0;
  }
}

Address ReadAddress(ByteReader& in, bool v6) {
  return v6 ? Address::FromBytes(in.Bytes(16)) : Address::V4(in.U32());
}

// What the fields of an entry must be, in both versions.
IpvsReadError CheckFields(const SyncRecord& record) {
  if ((record.flags & kOnePacket) != 0) return IpvsReadError::kFlags;
  if (record.kind == SyncRecord::Kind::kTemplate) {
    return (record.flags & kNoClientPort) != 0 || record.state > 1
               ? IpvsReadError::kFlags
               : IpvsReadError::kNone;
  }
  const int states = StateCount(record.protocol);
  if (states == 0) return IpvsReadError::kProtocol;
  return record.state < states ? IpvsReadError::kNone : IpvsReadError::kState;
}

void SetFlags(SyncRecord& record, uint32_t flags) {
  record.flags = flags;
  record.kind = (flags & kTemplate) != 0 ? SyncRecord::Kind::kTemplate
                                         : SyncRecord::Kind::kConnection;
}

// Options to the end of `in`. Everything but kOptionUnknown ends the message.
IpvsReadError ReadOptions(ByteReader& in, IpvsEntry& entry) {
  IpvsOptions& options = entry.options;
  SyncRecord& record = entry.record;
  while (in.remaining() > 0) {
    const uint8_t type = in.U8();
    const uint8_t length = in.U8();
    const auto data = in.Bytes(length);
    if (!in.ok() || length == 0) return IpvsReadError::kOptionMalformed;
    ByteReader words(data);
    const auto text = [&data] { return std::string(data.begin(), data.end()); };
    switch (type & ~kIgnorable) {
      case kSequenceOption:
        if (length != kSequenceSize) return IpvsReadError::kOptionMalformed;
        if (options.sequence) return IpvsReadError::kOptionTwice;
        options.sequence.emplace();
        for (SequenceAdjust& adjust : *options.sequence) {
          adjust = {words.U32(), words.U32(), words.U32()};
        }
        break;
      case kPeDataOption:
        if (!options.pe_data.empty()) return IpvsReadError::kOptionTwice;
        options.pe_data = text();
        break;
      case kPeNameOption:
        if (length > kPeNameMax) return IpvsReadError::kOptionMalformed;
        if (!options.pe_name.empty()) return IpvsReadError::kOptionTwice;
        options.pe_name = text();
        break;
      default:
        if ((type & kIgnorable) == 0) return IpvsReadError::kOptionUnknown;
        if (type != kDetailOption) break;
        if (length != kDetailSize) return IpvsReadError::kOptionMalformed;
        if (record.has_detail) return IpvsReadError::kOptionTwice;
        record.has_detail = true;
        record.idle_ms = words.U32();
        record.client_packets = words.U32();
        record.client_next_sequence = words.U32();
        record.client_acknowledged = words.U32();
    }
  }
  return IpvsReadError::kNone;
}

// An entry of version 1 at entry.offset; finds entry.size.
IpvsReadError ReadEntry(std::span<const uint8_t> payload, IpvsEntry& entry) {
  if (entry.offset > payload.size() ||
      payload.size() - entry.offset < kIpvsEntryV4Size) {
    return IpvsReadError::kEntryTruncated;
  }
  const auto rest = payload.subspan(entry.offset);
  const uint16_t version_and_size = LoadBig16(rest.data() + 2);
  entry.size = version_and_size & 0x0fff;
  if (entry.size > rest.size()) return IpvsReadError::kEntryTruncated;
  if (version_and_size >> 12 != 0) return IpvsReadError::kEntryVersion;

  const uint8_t type = rest[0];
  const bool v6 = (type & kTypeV6) != 0;
  if (!v6 && type != 0) return IpvsReadError::kEntryType;
  if (entry.size < (v6 ? kIpvsEntryV6Size : kIpvsEntryV4Size)) {
    return IpvsReadError::kEntrySize;
  }

  ByteReader in(rest.first(entry.size));
  SyncRecord& record = entry.record;
  record.v6 = v6;
  in.Skip(1);
  record.protocol = in.U8();
  in.Skip(2);
  SetFlags(record, in.U32());
  record.state = in.U16();
  record.client.port = in.U16();
  record.virtual_service.port = in.U16();
  record.server.port = in.U16();
  record.fwmark = in.U32();
  record.timeout_s = in.U32();
  record.client.address = ReadAddress(in, v6);
  record.virtual_service.address = ReadAddress(in, v6);
  record.server.address = ReadAddress(in, v6);

  const IpvsReadError error = ReadOptions(in, entry);
  if (error != IpvsReadError::kNone) return error;
  if (!entry.options.pe_data.empty() && entry.options.pe_name.empty()) {
    return IpvsReadError::kPersistenceEngine;
  }
  return CheckFields(record);
}

IpvsReadError ReadEntryV0(std::span<const uint8_t> payload, IpvsEntry& entry) {
  ByteReader in(payload.subspan(entry.offset));
  SyncRecord& record = entry.record;
  in.Skip(1);
  record.protocol = in.U8();
  record.client.port = in.U16();
  record.virtual_service.port = in.U16();
  record.server.port = in.U16();
  record.client.address = ReadAddress(in, false);
  record.virtual_service.address = ReadAddress(in, false);
  record.server.address = ReadAddress(in, false);
  SetFlags(record, in.U16());
  record.state = in.U16();
  if ((record.flags & kSequenceMask) != 0) {
    entry.options.sequence.emplace();
    const auto word = [&in] { return __builtin_bswap32(in.U32()); };
    for (SequenceAdjust& adjust : *entry.options.sequence) {
      adjust = {word(), word(), word()};
    }
  }
  if (!in.ok()) return IpvsReadError::kEntryTruncated;
  entry.size = in.offset();
  return CheckFields(record);
}

}  // namespace

std::optional<IpvsMessageInfo> ReadIpvsMessage(
    std::span<const uint8_t> payload, IpvsReader& reader,
    absl::FunctionRef<void(const IpvsEntry&)> take) {
  const auto count_error = [&reader](IpvsReadError error) {
    ++reader.errors[static_cast<size_t>(error)];
  };
  const auto refuse = [&](IpvsReadError error) {
    count_error(error);
    return std::nullopt;
  };
  if (payload.size() < kHeaderV0Size) return refuse(IpvsReadError::kTooShort);
  if (LoadBig16(payload.data() + 2) != payload.size()) {
    return refuse(IpvsReadError::kWrongSize);
  }
  IpvsMessageInfo info;
  info.syncid = payload[1];
  if (!reader.any_syncid && info.syncid != reader.syncid) {
    return refuse(IpvsReadError::kOtherSyncId);
  }
  // Everything that is not version 1 is version 0.
  const bool v1 = payload.size() >= kIpvsHeaderSize && payload[0] == 0 &&
                  payload[5] == 1 && payload[6] == 0 && payload[7] == 0;
  info.version = v1 ? 1 : 0;
  info.count = v1 ? payload[4] : payload[0];
  ++reader.messages;

  size_t next = v1 ? kIpvsHeaderSize : kHeaderV0Size;
  for (int i = 0; i < info.count; ++i) {
    IpvsEntry entry;
    entry.offset = next;
    const IpvsReadError error =
        v1 ? ReadEntry(payload, entry) : ReadEntryV0(payload, entry);
    if (error == IpvsReadError::kNone) {
      ++reader.entries;
      take(entry);
    } else {
      count_error(error);
      if (error < IpvsReadError::kOptionUnknown) break;
    }
    next = v1 ? Align(next + entry.size) : next + entry.size;
  }
  return info;
}

const char* IpvsReadErrorName(IpvsReadError error) {
  constexpr std::array<const char*, kIpvsReadErrorCount> kNames = {
      "none",         "too_short",       "wrong_size",
      "other_syncid", "entry_truncated", "entry_version",
      "entry_type",   "entry_size",      "option_malformed",
      "option_twice", "option_unknown",  "protocol",
      "state",        "flags",           "persistence_engine"};
  const auto i = static_cast<size_t>(error);
  return i < kNames.size() ? kNames[i] : "?";
}

}  // namespace ballast::ha
