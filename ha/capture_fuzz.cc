// Property: whatever the file says, every packet lies inside it, and packets
// come in the file's order.
#include "ha/capture.h"
#include "io/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::ha;
  const std::span<const uint8_t> file(data, size);
  PacketCapture capture(file);
  size_t offset = 0;
  while (const auto packet = capture.Next()) {
    BALLAST_CHECK(packet->file_offset > offset);
    offset = packet->file_offset;
    const auto bytes = packet->payload;
    BALLAST_CHECK(bytes.data() >= data + offset &&
                  bytes.data() + bytes.size() <= data + size);
    if (const auto segment = SegmentOf(*packet)) {
      BALLAST_CHECK(segment->payload.size() < bytes.size());
    }
  }
  return 0;
}
