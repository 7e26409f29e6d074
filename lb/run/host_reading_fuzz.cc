// Any text: bounded lists, sums that do not wrap.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "lb/run/host_reading.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::run;  // NOLINT
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto cpus = ReadCpuTicks(text);
  BALLAST_CHECK(cpus.size() <= kCpusMax + 1);
  for (const CpuTicks& cpu : cpus) {
    BALLAST_CHECK(cpu.sum() >= cpu.idle);
    BALLAST_CHECK(cpu.sum() >= cpu.user);
  }
  const MemoryBytes memory = ReadMemory(text);
  BALLAST_CHECK(memory.available <= memory.total);
  BALLAST_CHECK(ReadLinks(text).size() <= kLinksMax);
  return 0;
}
