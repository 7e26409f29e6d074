#include "ha/state_table.h"

#include <array>

#include "io/base/siphash.h"

namespace ballast::ha {

uint64_t IdentityHash(const SyncRecord& record) {
  // Addresses as 16 bytes each, IPv4 mapped, then ports, then the protocol.
  std::array<uint8_t, 3 * 18 + 1> bytes;
  size_t at = 0;
  for (const Endpoint* endpoint :
       {&record.client, &record.virtual_service, &record.server}) {
    for (const uint8_t byte : endpoint->address.bytes()) bytes[at++] = byte;
    bytes[at++] = static_cast<uint8_t>(endpoint->port >> 8);
    bytes[at++] = static_cast<uint8_t>(endpoint->port);
  }
  bytes[at++] = record.protocol;
  return SipHash13(SipKey{}, bytes);
}

ApplyCounts& ApplyCounts::operator+=(const ApplyCounts& other) {
  created += other.created;
  updated += other.updated;
  removed += other.removed;
  unbound += other.unbound;
  stale += other.stale;
  refused += other.refused;
  return *this;
}

}  // namespace ballast::ha
