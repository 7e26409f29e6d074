// Property: what decodes is the answer to a request we would have sent.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "io/base/check.h"
#include "lb/health/icmp_probe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ballast::Address;
  using namespace ballast::health;
  constexpr ballast::SipKey kKey{3, 4};
  const Address target = size % 2 == 0
                             ? Address::V4(0xC0000201)
                             : Address::V6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0,
                                            0, 0, 0, 0, 0, 0, 1});
  const std::span<const uint8_t> message(data, size);
  if (const auto probe = DecodeEchoReply(kKey, target, message)) {
    const auto request = EncodeEchoRequest(kKey, target, 0, *probe);
    BALLAST_CHECK(size == kEchoBytes);
    BALLAST_CHECK(std::equal(request.begin() + 6, request.end(), data + 6));
  }
  // Any probe's answer decodes to that probe.
  EchoProbe probe;
  for (size_t i = 0; i < std::min<size_t>(size, 4); ++i) {
    probe.server = probe.server << 8 | data[i];
    probe.probe = probe.probe << 8 | data[size - 1 - i];
  }
  const Address v6 = Address::V6({0xfe, 0x80});
  auto reply = EncodeEchoRequest(kKey, v6, 0, probe);
  reply[0] = 129;
  BALLAST_CHECK(DecodeEchoReply(kKey, v6, reply) == probe);
  return 0;
}
