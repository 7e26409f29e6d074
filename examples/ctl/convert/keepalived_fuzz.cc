#include <cstddef>
#include <cstdint>

#include "examples/ctl/convert/convert_fuzz_rules.h"
#include "examples/ctl/convert/keepalived.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ballast::ctl::CheckConverter(ballast::ctl::ConvertKeepalived, data, size);
  return 0;
}
