#include <cstddef>
#include <cstdint>

#include "examples/ctl/convert/convert_fuzz_rules.h"
#include "examples/ctl/convert/ipvsadm.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ballast::ctl::CheckConverter(ballast::ctl::ConvertIpvsadm, data, size);
  return 0;
}
