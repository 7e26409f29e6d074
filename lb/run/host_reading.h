// What the kernel says of the host, as text, into numbers.
//
// Errors   what cannot be read is left out: a line that is none, a number that
//          is too large. Nothing here is trusted with more than a report.
// Bounds   kCpusMax, kLinksMax; the rest is not told.
// Source   proc(5): /proc/stat, /proc/meminfo, /proc/net/dev.
#ifndef LB_RUN_HOST_READING_H_
#define LB_RUN_HOST_READING_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ballast::run {

// Ticks since the machine started.
struct CpuTicks {
  std::string name;   // "total", "cpu0"
  uint64_t user = 0;  // With nice.
  uint64_t system = 0;
  uint64_t idle = 0;
  uint64_t io_wait = 0;
  uint64_t interrupts = 0;
  uint64_t soft_interrupts = 0;
  uint64_t stolen = 0;  // By other machines on the same host.

  uint64_t sum() const {
    return user + system + idle + io_wait + interrupts + soft_interrupts +
           stolen;
  }
};

struct MemoryBytes {
  uint64_t total = 0;
  uint64_t available = 0;  // To programs, what caches would give up included.
};

struct LinkBytes {
  std::string name;
  uint64_t in = 0;
  uint64_t out = 0;
};

inline constexpr size_t kCpusMax = 1024;
inline constexpr size_t kLinksMax = 64;

// The whole machine first.
std::vector<CpuTicks> ReadCpuTicks(absl::string_view stat);
MemoryBytes ReadMemory(absl::string_view meminfo);
// Without the loopback.
std::vector<LinkBytes> ReadLinks(absl::string_view net_dev);

}  // namespace ballast::run

#endif  // LB_RUN_HOST_READING_H_
