// Internet checksums (RFC 1071) and their incremental update (RFC 1624), for
// finished and for partial ones.
//
// A "sum" here is a 32-bit one's-complement accumulator of big-endian 16-bit
// words; Fold() makes 16 bits of it. A finished checksum field holds
// ~Fold(sum). A *partial* field (a frame whose checksum is left to the device)
// holds the uncomplemented Fold() of the pseudo-header only, so changing an
// address changes it with the opposite sign, and changing a port must not touch
// it.
//
// Cost  ChecksumSum about 8 bytes a cycle; an update is a few instructions.
#ifndef IO_BASE_CHECKSUM_H_
#define IO_BASE_CHECKSUM_H_

#include <cstdint>
#include <span>

#include "io/base/address.h"
#include "io/base/flow_key.h"

namespace ballast {

// The sum of `bytes`, an odd last byte padded with a zero, added to `initial`.
uint32_t ChecksumSum(std::span<const uint8_t> bytes, uint32_t initial = 0);

inline uint16_t ChecksumFold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// A whole checksum: ~Fold(Sum(bytes)).
inline uint16_t Checksum(std::span<const uint8_t> bytes, uint32_t initial = 0) {
  return static_cast<uint16_t>(~ChecksumFold(ChecksumSum(bytes, initial)));
}

// The sum of the pseudo-header of RFC 9293 (IPv4) or RFC 8200 (IPv6). Both
// addresses are of one family. `length` is the upper layer's, in bytes.
uint32_t PseudoHeaderSum(const Address& source, const Address& destination,
                         Protocol protocol, uint32_t length);

// What changes in a sum when 16-bit aligned bytes `from` become `to` (of equal,
// even length): one number, reusable for every field that covers them.
uint32_t ChecksumDelta(std::span<const uint8_t> from,
                       std::span<const uint8_t> to);
inline uint32_t ChecksumDelta16(uint16_t from, uint16_t to) {
  return static_cast<uint32_t>(static_cast<uint16_t>(~from)) + to;
}

// The finished checksum `field` after a change of `delta` in what it covers.
inline uint16_t UpdateFinished(uint16_t field, uint32_t delta) {
  return static_cast<uint16_t>(
      ~ChecksumFold(static_cast<uint16_t>(~field) +
                    static_cast<uint32_t>(ChecksumFold(delta))));
}
// As above for UDP, where 0 means "no checksum": 0 stays 0, and a result of 0
// is sent as 0xffff.
inline uint16_t UpdateFinishedUdp(uint16_t field, uint32_t delta) {
  if (field == 0) return 0;
  const uint16_t updated = UpdateFinished(field, delta);
  return updated == 0 ? 0xffff : updated;
}
// The partial checksum `field` after a change of `delta` in the pseudo-header.
inline uint16_t UpdatePartial(uint16_t field, uint32_t delta) {
  return ChecksumFold(field + static_cast<uint32_t>(ChecksumFold(delta)));
}

// Finishes a partial checksum in place: sums from `checksum_start` to the end
// of `bytes`, stores the complement at checksum_start + checksum_offset (0
// becomes 0xffff). False, nothing written, when the field is not inside
// `bytes`.
bool FinishPartialChecksum(std::span<uint8_t> bytes, size_t checksum_start,
                           size_t checksum_offset);

}  // namespace ballast

#endif  // IO_BASE_CHECKSUM_H_
