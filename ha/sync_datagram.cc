#include "ha/sync_datagram.h"

#include <algorithm>

#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

constexpr size_t kSectionHeader = 4;
constexpr size_t kSectionMax = 65535;
// The longest entry of an IPVS message, detail included, and its alignment.
constexpr size_t kIpvsEntryMax = kIpvsEntryV6Size + 18 + 2;
constexpr size_t kIpvsDetail = 18 + 2;
constexpr size_t kGoneV4 = 14;
constexpr size_t kGoneV6 = 38;
constexpr size_t kSumSize = 16;
constexpr size_t kRangeSize = 16;

void Append(std::vector<uint8_t>& out, const Endpoint& endpoint, bool v6) {
  const std::span<const uint8_t> bytes(endpoint.address.bytes());
  const auto address = v6 ? bytes : bytes.subspan(12);
  out.insert(out.end(), address.begin(), address.end());
  out.push_back(static_cast<uint8_t>(endpoint.port >> 8));
  out.push_back(static_cast<uint8_t>(endpoint.port));
}

void AppendBig64(std::vector<uint8_t>& out, uint64_t value) {
  const size_t at = out.size();
  out.resize(at + 8);
  StoreBig64(out.data() + at, value);
}

void AppendHeader(std::vector<uint8_t>& out, SyncSection section,
                  size_t length) {
  out.push_back(static_cast<uint8_t>(section));
  out.push_back(0);
  out.push_back(static_cast<uint8_t>(length >> 8));
  out.push_back(static_cast<uint8_t>(length));
}

Endpoint ReadEndpoint(ByteReader& in, bool v6) {
  Endpoint endpoint;
  const auto address = in.Bytes(v6 ? 16 : 4);
  if (in.ok()) endpoint.address = Address::FromBytes(address);
  endpoint.port = in.U16();
  return endpoint;
}

bool ReadIpvs(std::span<const uint8_t> bytes, uint8_t syncid,
              SyncContent& content) {
  IpvsReader reader;
  reader.syncid = syncid;
  int good = 0;
  size_t end = kIpvsHeaderSize;
  const auto info = ReadIpvsMessage(bytes, reader, [&](const IpvsEntry& entry) {
    ++good;
    end = entry.offset + entry.size;
    content.records.push_back(entry.record);
  });
  return info && info->version == 1 && good == info->count && good > 0 &&
         end == bytes.size();
}

bool ReadGone(std::span<const uint8_t> bytes, SyncContent& content) {
  ByteReader in(bytes);
  do {
    SyncRecord& record = content.records.emplace_back();
    record.kind = SyncRecord::Kind::kGone;
    record.protocol = in.U8();
    const uint8_t v6 = in.U8();
    record.v6 = v6 != 0;
    record.client = ReadEndpoint(in, record.v6);
    record.virtual_service = ReadEndpoint(in, record.v6);
    if (!in.ok() || v6 > 1) return false;
  } while (in.remaining() > 0);
  return true;
}

}  // namespace

SyncPacker::SyncPacker(size_t front, size_t size_max, uint8_t syncid)
    : front_(front),
      size_max_(size_max),
      ipvs_({.version = 1,
             .syncid = syncid,
             .message_max =
                 std::min(size_max - front - kSectionHeader, kSectionMax),
             .detail = true}) {
  BALLAST_CHECK(size_max >= front + 224);
  static_assert(kSectionHeader + L7Record::kSize <= 224);
  static_assert(kSectionHeader + kIpvsHeaderSize + kIpvsEntryMax <= 224);
  bytes_.reserve(size_max);
  bytes_.resize(front);
}

void SyncPacker::Clear() {
  if (!ipvs_.empty()) ipvs_.Take();
  open_.reset();
  bytes_.resize(front_);
  records_ = 0;
  taken_ = false;
}

bool SyncPacker::Room(size_t size) const {
  return bytes_.size() + size <= size_max_;
}

void SyncPacker::Close() {
  if (open_ == SyncSection::kIpvs) {
    const auto message = ipvs_.Take();
    AppendHeader(bytes_, SyncSection::kIpvs, message.size());
    bytes_.insert(bytes_.end(), message.begin(), message.end());
  } else if (open_ == SyncSection::kGone) {
    StoreBig16(
        bytes_.data() + section_at_ + 2,
        static_cast<uint16_t>(bytes_.size() - section_at_ - kSectionHeader));
  }
  open_.reset();
}

void SyncPacker::Open(SyncSection section) {
  if (open_ == section) return;
  Close();
  open_ = section;
  if (section != SyncSection::kGone) return;
  section_at_ = bytes_.size();
  AppendHeader(bytes_, section, 0);
}

bool SyncPacker::Add(const SyncRecord& record) {
  if (taken_) Clear();
  if (record.kind == SyncRecord::Kind::kGone) {
    const size_t size = record.v6 ? kGoneV6 : kGoneV4;
    size_t needed = size;
    if (open_ == SyncSection::kIpvs) needed += kSectionHeader + ipvs_.size();
    if (open_ != SyncSection::kGone) {
      needed += kSectionHeader;
    } else if (bytes_.size() - section_at_ + size > kSectionMax) {
      return false;
    }
    if (!Room(needed)) return false;
    Open(SyncSection::kGone);
    bytes_.push_back(record.protocol);
    bytes_.push_back(record.v6 ? 1 : 0);
    Append(bytes_, record.client, record.v6);
    Append(bytes_, record.virtual_service, record.v6);
  } else {
    const size_t size = (record.v6 ? kIpvsEntryV6Size : kIpvsEntryV4Size) +
                        (record.has_detail ? kIpvsDetail : 0);
    const bool opened = open_ == SyncSection::kIpvs;
    const size_t before = opened ? ipvs_.size() + 2 : kIpvsHeaderSize;
    if (!Room(kSectionHeader + before + size)) return false;
    Open(SyncSection::kIpvs);
    if (!ipvs_.Add(record)) {
      // As many entries as one message can have: another section.
      if (!Room(2 * kSectionHeader + before + kIpvsHeaderSize + size)) {
        return false;
      }
      Close();
      open_ = SyncSection::kIpvs;
      BALLAST_CHECK(ipvs_.Add(record));
    }
    if (ipvs_.empty()) {  // Not one that IPVS knows: no section of nothing.
      open_.reset();
      return true;
    }
  }
  ++records_;
  return true;
}

bool SyncPacker::Add(const L7Record& record) {
  if (taken_) Clear();
  const size_t open =
      open_ == SyncSection::kIpvs ? kSectionHeader + ipvs_.size() : 0;
  if (!Room(open + kSectionHeader + L7Record::kSize)) return false;
  Close();
  AppendHeader(bytes_, SyncSection::kL7, L7Record::kSize);
  EncodeL7Record(record, bytes_);
  ++records_;
  return true;
}

bool SyncPacker::AddSum(const TableSummary& sum) {
  if (taken_) Clear();
  const size_t open =
      open_ == SyncSection::kIpvs ? kSectionHeader + ipvs_.size() : 0;
  if (!Room(open + kSectionHeader + kSumSize)) return false;
  Close();
  AppendHeader(bytes_, SyncSection::kSum, kSumSize);
  AppendBig64(bytes_, sum.count);
  AppendBig64(bytes_, sum.digest);
  return true;
}

bool SyncPacker::AddAskAnew() {
  if (taken_) Clear();
  const size_t open =
      open_ == SyncSection::kIpvs ? kSectionHeader + ipvs_.size() : 0;
  if (!Room(open + kSectionHeader)) return false;
  Close();
  AppendHeader(bytes_, SyncSection::kAskAnew, 0);
  return true;
}

std::span<uint8_t> SyncPacker::Take() {
  Close();
  taken_ = true;
  records_ = 0;
  return bytes_;
}

void SyncContent::Clear() {
  records.clear();
  l7.clear();
  sum.reset();
  ask_anew = false;
}

bool ReadSections(std::span<const uint8_t> sections, uint8_t syncid,
                  SyncContent& content) {
  content.Clear();
  ByteReader in(sections);
  do {
    // Nothing may follow these two.
    if (content.sum || content.ask_anew) return false;
    const auto section = static_cast<SyncSection>(in.U8());
    const uint8_t zero = in.U8();
    const auto bytes = in.Bytes(in.U16());
    if (!in.ok() || zero != 0) return false;
    ByteReader body(bytes);
    switch (section) {
      case SyncSection::kIpvs:
        if (!ReadIpvs(bytes, syncid, content)) return false;
        break;
      case SyncSection::kGone:
        if (!ReadGone(bytes, content)) return false;
        break;
      case SyncSection::kL7: {
        auto record = DecodeL7Record(bytes);
        if (!record) return false;
        content.l7.push_back(*std::move(record));
        break;
      }
      case SyncSection::kSum: {
        TableSummary sum;
        sum.count = body.U64();
        sum.digest = body.U64();
        if (!body.AtEnd()) return false;
        content.sum = sum;
        break;
      }
      case SyncSection::kAskAnew:
        if (!bytes.empty()) return false;
        content.ask_anew = true;
        break;
      default:
        return false;
    }
  } while (in.remaining() > 0);
  return true;
}

void WriteQuestions(const SyncQuestions& questions, std::vector<uint8_t>& out) {
  AppendBig64(out, 0);
  const auto write = [&out](SyncSection section,
                            const std::vector<SyncRange>& ranges) {
    for (const SyncRange& range : ranges) {
      AppendHeader(out, section, kRangeSize);
      AppendBig64(out, range.first);
      AppendBig64(out, range.last);
    }
  };
  write(SyncSection::kRepair, questions.repair);
  write(SyncSection::kForgotten, questions.forgotten);
}

std::optional<SyncQuestions> ReadQuestions(std::span<const uint8_t> sections) {
  SyncQuestions questions;
  ByteReader in(sections);
  do {
    const auto section = static_cast<SyncSection>(in.U8());
    const uint8_t zero = in.U8();
    ByteReader body(in.Bytes(in.U16()));
    const SyncRange range{body.U64(), body.U64()};
    if (!in.ok() || zero != 0 || !body.AtEnd() || range.first == 0 ||
        range.last < range.first) {
      return std::nullopt;
    }
    if (section == SyncSection::kRepair) {
      questions.repair.push_back(range);
    } else if (section == SyncSection::kForgotten) {
      questions.forgotten.push_back(range);
    } else {
      return std::nullopt;
    }
    if (questions.repair.size() + questions.forgotten.size() >
        SyncQuestions::kRangesMax) {
      return std::nullopt;
    }
  } while (in.remaining() > 0);
  return questions;
}

}  // namespace ballast::ha
