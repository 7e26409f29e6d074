#include "ha/l7_record.h"

#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

constexpr size_t kSizeWithoutKey = 8 + 1 + 1 + 16 + 2 + 4 + 8;

}  // namespace

void EncodeL7Record(const L7Record& record, std::vector<uint8_t>& out) {
  BALLAST_CHECK(!record.key.empty() && record.key.size() <= L7Record::kKeyMax);
  // Timeout 0 says "gone": an entry that lives has another.
  BALLAST_CHECK(record.gone || record.timeout_ms != 0);
  const size_t begin = out.size();
  out.resize(begin + kSizeWithoutKey + record.key.size());
  ByteWriter writer(std::span<uint8_t>(out).subspan(begin));
  writer.U64(record.service);
  writer.U8(record.mode);
  writer.U8(static_cast<uint8_t>(record.key.size()));
  writer.Bytes(record.key);
  writer.Bytes(record.server.address.bytes());
  writer.U16(record.server.port);
  writer.U32(record.age_ms);
  writer.U64(record.gone ? 0 : record.timeout_ms);
  BALLAST_CHECK(writer.ok() && writer.remaining() == 0);
}

std::optional<L7Record> DecodeL7Record(std::span<const uint8_t> bytes) {
  if (bytes.size() <= kSizeWithoutKey) return std::nullopt;
  ByteReader reader(bytes);
  L7Record record;
  record.service = reader.U64();
  record.mode = reader.U8();
  const size_t key_size = reader.U8();
  if (key_size > L7Record::kKeyMax ||
      bytes.size() != kSizeWithoutKey + key_size) {
    return std::nullopt;
  }
  const auto key = reader.Bytes(key_size);
  record.key.assign(key.begin(), key.end());
  record.server.address = Address::FromBytes(reader.Bytes(16));
  record.server.port = reader.U16();
  record.age_ms = reader.U32();
  record.timeout_ms = reader.U64();
  record.gone = record.timeout_ms == 0;
  BALLAST_CHECK(reader.AtEnd());
  return record;
}

}  // namespace ballast::ha
