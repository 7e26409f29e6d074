// Property: what is read as a reply is byte for byte the reply RFC 826 has a
// neighbour make of our probe: operation 2, sender and target swapped.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "io/arp_probe.h"
#include "io/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 12) return 0;
  // The question came from the MAC that the frame is for, so that many inputs
  // get past the first comparison.
  ballast::MacAddress mac;
  std::copy_n(data, 6, mac.bytes.begin());
  const auto answered = ballast::ReadArpProbeReply({data, size}, mac);
  if (!answered) return 0;
  BALLAST_CHECK(answered->is_v4() && size >= ballast::kArpProbeBytes);
  auto reply = ballast::WriteArpProbe(mac, *answered);
  // Of the replier: both of its MACs, which may differ.
  std::copy_n(data, 6, reply.begin());
  std::copy_n(data + 6, 6, reply.begin() + 6);
  reply[21] = 2;
  std::copy_n(data + 22, 6, reply.begin() + 22);
  std::copy_n(answered->wire().begin(), 4, reply.begin() + 28);
  std::copy_n(mac.bytes.begin(), 6, reply.begin() + 32);
  std::fill_n(reply.begin() + 38, 4, uint8_t{0});
  BALLAST_CHECK(std::equal(reply.begin(), reply.end(), data));
  return 0;
}
