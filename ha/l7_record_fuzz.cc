// Property: what decodes, encodes back to the very same bytes.
#include <algorithm>
#include <vector>

#include "ha/l7_record.h"
#include "io/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::ha;
  const std::span<const uint8_t> bytes(data, size);
  if (const auto record = DecodeL7Record(bytes)) {
    std::vector<uint8_t> again;
    EncodeL7Record(*record, again);
    BALLAST_CHECK(
        std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
  }
  return 0;
}
