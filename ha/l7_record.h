// An L7 persistence entry as it travels between units ("Inter HA L7 Persistence
// Updates"). The key is a digest of what the service's persistence mode found
// in the request, which both units make alike.
//
// Layout, big endian: service id (8), sub service (8), mode (1), key (16),
// server (IPv4 mapped 16, port 2), age in ms (4), timeout in ms (8).
#ifndef HA_L7_RECORD_H_
#define HA_L7_RECORD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "io/base/address.h"

namespace ballast::ha {

struct L7Record {
  static constexpr size_t kKeySize = 16;
  static constexpr size_t kSize = 8 + 8 + 1 + kKeySize + 16 + 2 + 4 + 8;

  uint64_t service = 0;  // Equal on both units: l4::ServiceId.
  // A hash of its name, equal on both units. 0: the service's own entry, or one
  // that its sub services share.
  uint64_t sub_service = 0;
  uint8_t mode = 0;  // Which kind of key; the service's own numbers.
  std::array<uint8_t, kKeySize> key{};
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
