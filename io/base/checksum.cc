#include "io/base/checksum.h"

#include <cstring>

#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast {

uint32_t ChecksumSum(std::span<const uint8_t> bytes, uint32_t initial) {
  // The one's-complement sum does not depend on byte order (RFC 1071 §2B): add
  // native 32-bit words in 64 bits, fold, swap once.
  uint64_t sum = 0;
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    uint32_t a, b;
    std::memcpy(&a, p, 4);
    std::memcpy(&b, p + 4, 4);
    sum += uint64_t{a} + b;
  }
  if (left >= 4) {
    uint32_t a;
    std::memcpy(&a, p, 4);
    sum += a;
    left -= 4;
    p += 4;
  }
  if (left > 0) {
    uint8_t tail[4] = {};
    std::memcpy(tail, p, left);
    uint32_t a;
    std::memcpy(&a, tail, 4);
    sum += a;
  }
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  const uint16_t native = ChecksumFold(static_cast<uint32_t>(sum));
  return ChecksumFold(initial) + uint32_t{__builtin_bswap16(native)};
}

uint32_t PseudoHeaderSum(const Address& source, const Address& destination,
                         Protocol protocol, uint32_t length) {
  BALLAST_CHECK(source.is_v4() == destination.is_v4());
  uint32_t sum = ChecksumSum(source.wire());
  sum = ChecksumSum(destination.wire(), sum);
  return sum + static_cast<uint32_t>(protocol) + (length >> 16) +
         (length & 0xffff);
}

uint32_t ChecksumDelta(std::span<const uint8_t> from,
                       std::span<const uint8_t> to) {
  BALLAST_CHECK(from.size() == to.size() && from.size() % 2 == 0);
  const uint16_t removed = ChecksumFold(ChecksumSum(from));
  return static_cast<uint32_t>(static_cast<uint16_t>(~removed)) +
         ChecksumFold(ChecksumSum(to));
}

bool FinishPartialChecksum(std::span<uint8_t> bytes, size_t checksum_start,
                           size_t checksum_offset) {
  if (checksum_start > bytes.size() ||
      bytes.size() - checksum_start < checksum_offset + 2) {
    return false;
  }
  const uint16_t checksum = Checksum(bytes.subspan(checksum_start));
  StoreBig16(bytes.data() + checksum_start + checksum_offset,
             checksum == 0 ? 0xffff : checksum);
  return true;
}

}  // namespace ballast
