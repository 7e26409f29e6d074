#include "ha/l7_record.h"

#include <algorithm>

#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::ha {

void EncodeL7Record(const L7Record& record, std::vector<uint8_t>& out) {
  // Timeout 0 says "gone": an entry that lives has another.
  BALLAST_CHECK(record.gone || record.timeout_ms != 0);
  const size_t begin = out.size();
  out.resize(begin + L7Record::kSize);
  ByteWriter writer(std::span<uint8_t>(out).subspan(begin));
  writer.U64(record.service);
  writer.U64(record.sub_service);
  writer.U8(record.mode);
  writer.Bytes(record.key);
  writer.Bytes(record.server.address.bytes());
  writer.U16(record.server.port);
  writer.U32(record.age_ms);
  writer.U64(record.gone ? 0 : record.timeout_ms);
  BALLAST_CHECK(writer.ok() && writer.remaining() == 0);
}

std::optional<L7Record> DecodeL7Record(std::span<const uint8_t> bytes) {
  if (bytes.size() != L7Record::kSize) return std::nullopt;
  ByteReader reader(bytes);
  L7Record record;
  record.service = reader.U64();
  record.sub_service = reader.U64();
  record.mode = reader.U8();
  const auto key = reader.Bytes(L7Record::kKeySize);
  std::copy(key.begin(), key.end(), record.key.begin());
  record.server.address = Address::FromBytes(reader.Bytes(16));
  record.server.port = reader.U16();
  record.age_ms = reader.U32();
  record.timeout_ms = reader.U64();
  record.gone = record.timeout_ms == 0;
  BALLAST_CHECK(reader.AtEnd());
  return record;
}

}  // namespace ballast::ha
