// Property: for any bytes behind any Ethernet type the compiled program says
// what a plain reading of packet_steering.h's table says, within the threads.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/packet_filter_interpreter.h"
#include "io/packet_steering.h"

namespace ballast {
namespace {

using Bytes = std::span<const uint8_t>;

// Source and destination; nothing when there is no room for both.
std::optional<std::pair<Address, Address>> Ends(Bytes ip, bool v4) {
  const size_t size = v4 ? 4 : 16;
  const size_t at = v4 ? 12 : 8;
  if (ip.size() < at + 2 * size) return std::nullopt;
  const auto address = [&](size_t offset) {
    const Bytes wire = ip.subspan(offset, size);
    return v4 ? Address::V4(LoadBig32(wire.data())) : Address::FromBytes(wire);
  };
  return std::pair(address(at), address(at + size));
}

bool IsFloating(const PacketSteering& steering, const Address& address) {
  return std::count(steering.floating.begin(), steering.floating.end(),
                    address) != 0;
}

uint32_t Expected(const PacketSteering& steering, Bytes ip, bool v4) {
  const auto ends = Ends(ip, v4);
  if (!ends.has_value()) return 0;
  const size_t header = v4 ? 4u * (ip[0] & 0xf) : 40;
  const bool icmp =
      v4 ? ip[9] == 1 && (LoadBig16(&ip[6]) & 0x1fff) == 0 : ip[6] == 58;
  if (icmp) {
    if (ip.size() <= header) return 0;
    const uint8_t type = ip[header];
    const bool error =
        v4 ? type == 3 || type == 4 || type == 5 || type == 11 || type == 12
           : type >= 1 && type <= 4;
    if (!v4 && type >= 133 && type <= 137) return 0;
    if (error) {
      if (ip.size() < header + 8) return 0;
      const auto quoted = Ends(ip.subspan(header + 8), v4);
      if (!quoted.has_value()) return 0;
      return steering.ThreadOf(
          IsFloating(steering, quoted->first) ? quoted->second : quoted->first);
    }
  }
  return steering.ThreadOf(IsFloating(steering, ends->second) ? ends->first
                                                              : ends->second);
}

void Check(Bytes input) {
  if (input.size() < 2) return;
  const bool v4 = (input[0] & 1) != 0;
  PacketSteering steering;
  steering.thread_count = 1 + input[1] % PacketSteering::kThreadCountMax;
  const Bytes ip = input.subspan(2);
  // Of the packet's own addresses, some float.
  if (const auto ends = Ends(ip, v4); ends.has_value()) {
    if ((input[0] & 2) != 0) steering.floating.push_back(ends->first);
    if ((input[0] & 4) != 0) steering.floating.push_back(ends->second);
  }
  const size_t quoted_at = v4 ? 28 : 48;
  if (ip.size() > quoted_at && (input[0] & 8) != 0) {
    if (const auto ends = Ends(ip.subspan(quoted_at), v4); ends.has_value()) {
      steering.floating.push_back(ends->first);
    }
  }
  // A mapped address is no IPv6 address on a wire, and counts as IPv4 here.
  if (!v4) {
    for (size_t at = 8; at + 16 <= ip.size(); ++at) {
      if (Address::FromBytes(ip.subspan(at, 16)).is_v4()) return;
    }
  }
  const auto program = CompilePacketSteering(steering);
  BALLAST_CHECK(program.ok());
  const uint32_t thread =
      RunFilter(*program, ip, {.protocol = v4 ? 0x0800u : 0x86ddu});
  BALLAST_CHECK(thread < steering.thread_count);
  BALLAST_CHECK(thread == Expected(steering, ip, v4));
}

}  // namespace
}  // namespace ballast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ballast::Check({data, size});
  return 0;
}
