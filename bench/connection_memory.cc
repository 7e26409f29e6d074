// Question  How many bytes of memory does a connection cost?
// Method    (resident set with 1,000,000 live connections - resident set with
//           none) / 1,000,000, from /proc/self/statm; the table is sized for
//           1,000,000. No argument; prints a line per kind of table. Exit 1
//           if a NAT connection takes more than 80 (IPv4) or 128 (IPv6) bytes.
#include <unistd.h>

#include <cstdint>
#include <cstdio>

#include "io/base/check.h"
#include "lb/l4/connection.h"
#include "lb/l4/connection_table.h"
#include "lb/l4/flow_tuple.h"

namespace ballast::l4 {
namespace {

constexpr uint32_t kConnections = 1'000'000;

int64_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  BALLAST_CHECK(file != nullptr);
  long total = 0;     // NOLINT: what %ld reads.
  long resident = 0;  // NOLINT
  BALLAST_CHECK(std::fscanf(file, "%ld %ld", &total, &resident) == 2);
  std::fclose(file);
  return int64_t{resident} * sysconf(_SC_PAGESIZE);
}

template <typename A>
A AddressOf(uint32_t n) {
  if constexpr (sizeof(A) == 4) {
    return n;
  } else {
    return {0x0000000000b80d20, n};
  }
}

// Prints and returns bytes per connection.
template <typename A>
double Measure(const char* name, bool direct, bool huge_pages, double limit) {
  auto table = ConnectionTable<A>::Create(
      {.limit = kConnections, .key = {17, 4711}, .huge_pages = huge_pages});
  BALLAST_CHECK(table.ok());
  const int64_t before = ResidentBytes();
  for (uint32_t i = 0; i < kConnections; ++i) {
    Connection<A> c;
    c.client = AddressOf<A>(i);
    c.vip = AddressOf<A>(0x80000001);
    c.server = AddressOf<A>(0x80000100 + i % 16);
    c.client_port = static_cast<uint16_t>(1024 + i % 60000);
    c.vip_port = 80;
    c.server_port = 8080;
    c.protocol = 6;
    if (direct) c.Set(kDirect);
    BALLAST_CHECK(table->Insert(0, c, 60'000).connection != nullptr);
  }
  const double bytes =
      static_cast<double>(ResidentBytes() - before) / kConnections;
  std::printf("%-32s %6.1f bytes per connection (at most %.0f)\n", name, bytes,
              limit);
  return bytes;
}

int Run() {
  bool ok = true;
  ok &= Measure<AddressV4>("IPv4 NAT", false, false, 80) <= 80;
  ok &= Measure<AddressV4>("IPv4 NAT, huge pages", false, true, 80) <= 80;
  ok &= Measure<AddressV4>("IPv4 direct return", true, false, 80) <= 80;
  ok &= Measure<AddressV6>("IPv6 NAT", false, false, 128) <= 128;
  ok &= Measure<AddressV6>("IPv6 NAT, huge pages", false, true, 128) <= 128;
  ok &= Measure<AddressV6>("IPv6 direct return", true, false, 128) <= 128;
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace ballast::l4

int main() { return ballast::l4::Run(); }
