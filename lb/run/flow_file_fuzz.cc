// Property: whatever decodes, encodes back to the very same bytes.
#include <algorithm>

#include "io/base/check.h"
#include "lb/run/flow_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  // The checksum would stop all but a whole file: try the bytes as they are,
  // and as the records of one.
  (void)run::DecodeFlowFile({data, size}, absl::UnixEpoch());
  std::vector<l4::FlowRecord> records;
  for (size_t at = 0; size - at >= l4::kFlowRecordSize;
       at += l4::kFlowRecordSize) {
    const auto record =
        l4::DecodeFlowRecord(std::span<const uint8_t, l4::kFlowRecordSize>(
            data + at, l4::kFlowRecordSize));
    if (record) records.push_back(*record);
  }
  const auto bytes = run::EncodeFlowFile(absl::UnixEpoch(), records);
  const auto again = run::DecodeFlowFile(bytes, absl::UnixEpoch());
  BALLAST_CHECK(again.ok() && *again == records);
  return 0;
}
