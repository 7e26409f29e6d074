// The hash of a client's address that source IP hash scheduling reads.
#ifndef SCHED_SOURCE_HASH_H_
#define SCHED_SOURCE_HASH_H_

#include <cstdint>

#include "io/base/address.h"
#include "io/base/siphash.h"

namespace ballast::sched {

// Uniform, keyed, over all 128 bits (IPv4 in its mapped form), the same on
// every machine with the same key. Without the key nobody can choose addresses
// that meet on one server.
//
// Cost  about 8 ns: once per new flow.
inline uint32_t SourceHash(const Address& address, uint64_t key) {
  // SipHash wants 128 bits; the second half is only there to be fixed.
  return static_cast<uint32_t>(
      SipHash13({key, 0x42616c6c61737453}, address.bytes()));
}

}  // namespace ballast::sched

#endif  // SCHED_SOURCE_HASH_H_
