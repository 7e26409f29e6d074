// Property: what decodes, encodes back to the very same bytes.
#include <algorithm>
#include <array>

#include "ha/advert.h"
#include "io/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::ha;
  const std::span<const uint8_t> bytes(data, size);
  if (const auto advert = DecodeAdvert(bytes)) {
    std::array<uint8_t, kAdvertSize> again;
    EncodeAdvert(*advert, again);
    BALLAST_CHECK(
        std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
  }
  return 0;
}
