#include <algorithm>

#include "ha/ipvs_wire.h"
#include "ha/ipvs_wire_internal.h"
#include "io/base/bytes.h"

namespace ballast::ha {

using namespace ipvs_internal;  // NOLINT: private to this library.

namespace {

constexpr size_t kOptionHeaderSize = 2;
constexpr size_t kPeDataMax = 255;
constexpr int kEntryCountMax = 255;  // The count is one byte.
constexpr size_t kMessageMax = 65535;

// What may stand in a message: all we know but kHashed and kOnePacket.
constexpr uint32_t kWireFlags = kForwardMask | kFromSync | kNoOutput |
                                kInactive | kSequenceMask | kNoClientPort |
                                kTemplate | kUsesConntrack;

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The flags a record is sent with. `kind` decides what it is.
uint32_t FlagsOf(const SyncRecord& record) {
  const uint32_t flags = record.flags & kWireFlags & ~kTemplate;
  return record.kind == SyncRecord::Kind::kTemplate ? flags | kTemplate : flags;
}

void WriteAddress(ByteWriter& out, const Address& address, bool v6) {
  const std::span<const uint8_t> bytes(address.bytes());
  out.Bytes(v6 ? bytes : bytes.subspan(12));
}

// -- Version 1, writing -----------------------------------------------------

size_t OptionSize(size_t data) {
  return data == 0 ? 0 : kOptionHeaderSize + data;
}

void WriteOption(ByteWriter& out, uint8_t type, const std::string& data) {
  if (data.empty()) return;
  out.U8(type);
  out.U8(static_cast<uint8_t>(data.size()));
  out.Bytes(Bytes(data));
}

void WriteEntry(ByteWriter& out, size_t size, const SyncRecord& record,
                const IpvsOptions& options, bool detail) {
  out.U8(record.v6 ? kTypeV6 : 0);
  out.U8(record.protocol);
  out.U16(static_cast<uint16_t>(size));  // Entry version 0 above it.
  out.U32(FlagsOf(record));
  out.U16(record.state);
  out.U16(record.client.port);
  out.U16(record.virtual_service.port);
  out.U16(record.server.port);
  out.U32(record.fwmark);
  out.U32(record.timeout_s);
  WriteAddress(out, record.client.address, record.v6);
  WriteAddress(out, record.virtual_service.address, record.v6);
  WriteAddress(out, record.server.address, record.v6);
  if (options.sequence) {
    out.U8(kSequenceOption);
    out.U8(kSequenceSize);
    for (const SequenceAdjust& adjust : *options.sequence) {
      out.U32(adjust.initial);
      out.U32(adjust.delta);
      out.U32(adjust.previous_delta);
    }
  }
  WriteOption(out, kPeDataOption, options.pe_data);
  WriteOption(out, kPeNameOption, options.pe_name);
  if (detail) {
    out.U8(kDetailOption);
    out.U8(kDetailSize);
    out.U32(record.idle_ms);
    out.U32(record.client_packets);
    out.U32(record.client_next_sequence);
    out.U32(record.client_acknowledged);
  }
}

// -- Version 0, writing -----------------------------------------------------

// The flags decide whether sequences follow, so they must agree.
uint16_t FlagsOfV0(const SyncRecord& record, const IpvsOptions& options) {
  const auto flags = static_cast<uint16_t>(FlagsOf(record));
  return options.sequence ? flags : flags & ~kSequenceMask;
}

void WriteEntryV0(ByteWriter& out, const SyncRecord& record, uint16_t flags,
                  const IpvsOptions& options) {
  out.U8(0);
  out.U8(record.protocol);
  out.U16(record.client.port);
  out.U16(record.virtual_service.port);
  out.U16(record.server.port);
  WriteAddress(out, record.client.address, false);
  WriteAddress(out, record.virtual_service.address, false);
  WriteAddress(out, record.server.address, false);
  out.U16(flags);
  out.U16(record.state);
  if ((flags & kSequenceMask) == 0) return;
  for (const SequenceAdjust& adjust : *options.sequence) {
    out.U32(__builtin_bswap32(adjust.initial));
    out.U32(__builtin_bswap32(adjust.delta));
    out.U32(__builtin_bswap32(adjust.previous_delta));
  }
}

}  // namespace

IpvsWriter::IpvsWriter(const Options& options) : options_(options) {
  options_.message_max = std::min(options_.message_max, kMessageMax);
  bytes_.reserve(options_.message_max);
}

bool IpvsWriter::Add(const SyncRecord& record, const IpvsOptions* options) {
  static const IpvsOptions kNoOptions;
  if (options == nullptr) options = &kNoOptions;
  const bool v1 = options_.version != 0;
  if (taken_) {
    bytes_.clear();
    count_ = 0;
    taken_ = false;
  }
  const size_t header = v1 ? kIpvsHeaderSize : kHeaderV0Size;

  const bool detail = v1 && options_.detail && record.has_detail;
  uint16_t flags_v0 = 0;
  size_t size;
  bool writable = record.kind != SyncRecord::Kind::kGone &&
                  (record.flags & kOnePacket) == 0;
  if (v1) {
    size = (record.v6 ? kIpvsEntryV6Size : kIpvsEntryV4Size) +
           OptionSize(options->sequence ? kSequenceSize : 0) +
           OptionSize(options->pe_data.size()) +
           OptionSize(options->pe_name.size()) +
           OptionSize(detail ? kDetailSize : 0);
    writable &= options->pe_data.size() <= kPeDataMax &&
                options->pe_name.size() <= kPeNameMax &&
                (options->pe_data.empty() || !options->pe_name.empty());
  } else {
    flags_v0 = FlagsOfV0(record, *options);
    size = kEntryV0Size + ((flags_v0 & kSequenceMask) != 0 ? kSequenceSize : 0);
    writable &= !record.v6;
  }
  if (!writable || header + size > options_.message_max) {
    ++skipped_;
    return true;
  }

  const size_t start = count_ == 0 ? header : Align(bytes_.size());
  if (start + size > options_.message_max || count_ == kEntryCountMax) {
    return false;
  }
  bytes_.resize(start + size);  // Zeros for the header and before the entry.
  ByteWriter out(std::span<uint8_t>(bytes_).subspan(start));
  if (v1) {
    WriteEntry(out, size, record, *options, detail);
  } else {
    WriteEntryV0(out, record, flags_v0, *options);
  }
  ++count_;
  return true;
}

std::span<const uint8_t> IpvsWriter::Take() {
  if (empty() || taken_) return {};
  taken_ = true;
  if (options_.version != 0) {
    bytes_[4] = static_cast<uint8_t>(count_);
    bytes_[5] = 1;
  } else {
    bytes_[0] = static_cast<uint8_t>(count_);
  }
  bytes_[1] = options_.syncid;
  StoreBig16(bytes_.data() + 2, static_cast<uint16_t>(bytes_.size()));
  count_ = 0;
  return bytes_;
}

}  // namespace ballast::ha
