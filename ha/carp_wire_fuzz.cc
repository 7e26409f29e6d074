// Property: whatever decodes, encodes back to the very same bytes, the checksum
// too if it was good. (It has two ways to write zero.)
#include <algorithm>
#include <array>

#include "ha/carp_wire.h"
#include "io/base/bytes.h"
#include "io/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::ha;
  const std::span<const uint8_t> payload(data, size);
  const auto advert = DecodeCarpAdvert(payload);
  if (!advert) return 0;
  std::array<uint8_t, kCarpAdvertSize> again;
  EncodeCarpAdvert(*advert, again);
  BALLAST_CHECK(std::equal(again.begin(), again.begin() + 6, data));
  BALLAST_CHECK(std::equal(again.begin() + 8, again.end(), data + 8));
  BALLAST_CHECK(CarpChecksumGood(again));
  const int checksum = ballast::LoadBig16(again.data() + 6);
  const int was = ballast::LoadBig16(data + 6);
  BALLAST_CHECK(CarpChecksumGood(payload) ==
                (checksum % 0xffff == was % 0xffff));
  return 0;
}
