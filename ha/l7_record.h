// An L7 persistence entry as it travels between units ("Inter HA L7 Persistence
// Updates"). The key is what the service's persistence mode made of the
// request: bytes that both units make alike.
//
// Layout, big endian: service id (8), mode (1), key length (1), key, server
// (IPv4 mapped 16, port 2), age in ms (4), timeout in ms (8).
#ifndef HA_L7_RECORD_H_
#define HA_L7_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "io/base/address.h"

namespace ballast::ha {

struct L7Record {
  static constexpr size_t kKeyMax = 128;

  uint64_t service = 0;      // Equal on both units: l4::ServiceId.
  uint8_t mode = 0;          // Which kind of key; the service's own numbers.
  std::vector<uint8_t> key;  // 1..kKeyMax bytes.
  Endpoint server;
  uint32_t age_ms = 0;  // Since it was started.
  uint64_t timeout_ms = 0;
  bool gone = false;  // Written as timeout 0: the entry is removed.

  friend bool operator==(const L7Record&, const L7Record&) = default;
};

// Appends the record to `out`.
void EncodeL7Record(const L7Record& record, std::vector<uint8_t>& out);
// nullopt unless `bytes` is exactly what EncodeL7Record could have written.
std::optional<L7Record> DecodeL7Record(std::span<const uint8_t> bytes);

}  // namespace ballast::ha

#endif  // HA_L7_RECORD_H_
