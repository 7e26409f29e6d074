#include "lb/run/flow_file.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/siphash.h"
#include "io/base/status_macros.h"
#include "io/file.h"

namespace ballast::run {
namespace {

constexpr char kMagic[] = "BALLAST1";
constexpr size_t kHeaderSize = 24;
constexpr size_t kSumSize = 8;

uint64_t SumOf(std::span<const uint8_t> bytes) {
  return SipHash24(SipKey{0x42414c4c41535431, 0x666c6f77732e6263}, bytes);
}

}  // namespace

std::vector<uint8_t> EncodeFlowFile(absl::Time now,
                                    std::span<const l4::FlowRecord> records) {
  std::vector<uint8_t> bytes(kHeaderSize +
                             records.size() * l4::kFlowRecordSize + kSumSize);
  std::memcpy(bytes.data(), kMagic, 8);
  StoreBig64(&bytes[8], records.size());
  StoreBig64(&bytes[16], static_cast<uint64_t>(absl::ToUnixMillis(now)));
  size_t offset = kHeaderSize;
  for (const l4::FlowRecord& record : records) {
    l4::EncodeFlowRecord(record, std::span<uint8_t, l4::kFlowRecordSize>(
                                     &bytes[offset], l4::kFlowRecordSize));
    offset += l4::kFlowRecordSize;
  }
  StoreBig64(&bytes[offset], SumOf({bytes.data(), offset}));
  return bytes;
}

absl::StatusOr<std::vector<l4::FlowRecord>> DecodeFlowFile(
    std::span<const uint8_t> bytes, absl::Time now) {
  if (bytes.size() < kHeaderSize + kSumSize ||
      std::memcmp(bytes.data(), kMagic, 8) != 0) {
    return absl::DataLossError("not a file of flows");
  }
  const uint64_t count = LoadBig64(&bytes[8]);
  const size_t body = bytes.size() - kHeaderSize - kSumSize;
  if (body % l4::kFlowRecordSize != 0 || count != body / l4::kFlowRecordSize) {
    return absl::DataLossError(
        absl::StrCat("says ", count, " flows, is ", bytes.size(), " bytes"));
  }
  const size_t end = kHeaderSize + body;
  if (LoadBig64(&bytes[end]) != SumOf(bytes.first(end))) {
    return absl::DataLossError("its checksum is wrong");
  }
  const int64_t written = static_cast<int64_t>(LoadBig64(&bytes[16]));
  const int64_t passed_ms =
      std::max<int64_t>(0, absl::ToUnixMillis(now) - written);
  std::vector<l4::FlowRecord> records;
  records.reserve(count);
  for (size_t offset = kHeaderSize; offset < end;
       offset += l4::kFlowRecordSize) {
    auto record =
        l4::DecodeFlowRecord(std::span<const uint8_t, l4::kFlowRecordSize>(
            &bytes[offset], l4::kFlowRecordSize));
    if (!record) {
      return absl::DataLossError(
          absl::StrCat("the record at byte ", offset, " is none of ours"));
    }
    const int64_t idle = int64_t{record->idle_ms} + passed_ms;
    record->idle_ms = static_cast<uint32_t>(
        std::min<int64_t>(idle, std::numeric_limits<uint32_t>::max()));
    records.push_back(*record);
  }
  return records;
}

absl::Status WriteFlowFile(const std::string& path, absl::Time now,
                           std::span<const l4::FlowRecord> records) {
  return WriteFileAtomically(path, EncodeFlowFile(now, records));
}

absl::StatusOr<std::vector<l4::FlowRecord>> ReadFlowFile(
    const std::string& path, absl::Time now) {
  // 16 M connections of each family.
  constexpr size_t kBytesMax = size_t{1} << 32;
  BALLAST_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                           ReadFile(path, kBytesMax));
  auto records = DecodeFlowFile(bytes, now);
  if (!records.ok()) {
    return absl::DataLossError(
        absl::StrCat(path, ": ", records.status().message()));
  }
  return records;
}

}  // namespace ballast::run
