// Property: whatever decodes, encodes back to the very same bytes.
#include <algorithm>
#include <array>

#include "io/base/check.h"
#include "lb/l4/flow.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::l4;
  std::array<uint8_t, kFlowRecordSize> bytes{};
  std::copy_n(data, std::min(size, bytes.size()), bytes.begin());
  if (const auto record = DecodeFlowRecord(bytes)) {
    std::array<uint8_t, kFlowRecordSize> again;
    EncodeFlowRecord(*record, again);
    BALLAST_CHECK(again == bytes);
  }
  return 0;
}
