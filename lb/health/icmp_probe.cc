#include "lb/health/icmp_probe.h"

#include <algorithm>

#include "io/base/bytes.h"
#include "io/base/checksum.h"

namespace ballast::health {
namespace {

constexpr uint8_t kEchoReplyV4 = 0;
constexpr uint8_t kEchoRequestV4 = 8;
constexpr uint8_t kEchoRequestV6 = 128;
constexpr uint8_t kEchoReplyV6 = 129;

uint64_t Cookie(const SipKey& key, const Address& target,
                const EchoProbe& probe) {
  std::array<uint8_t, 24> input;
  std::copy(target.bytes().begin(), target.bytes().end(), input.begin());
  StoreBig32(&input[16], probe.server);
  StoreBig32(&input[20], probe.probe);
  return SipHash24(key, input);
}

}  // namespace

std::array<uint8_t, kEchoBytes> EncodeEchoRequest(const SipKey& key,
                                                  const Address& target,
                                                  uint16_t identifier,
                                                  const EchoProbe& probe) {
  std::array<uint8_t, kEchoBytes> message{};
  message[0] = target.is_v4() ? kEchoRequestV4 : kEchoRequestV6;
  StoreBig16(&message[4], identifier);
  StoreBig16(&message[6], static_cast<uint16_t>(probe.probe));
  StoreBig32(&message[8], probe.server);
  StoreBig32(&message[12], probe.probe);
  StoreBig64(&message[16], Cookie(key, target, probe));
  if (target.is_v4()) StoreBig16(&message[2], Checksum(message));
  return message;
}

std::optional<EchoProbe> DecodeEchoReply(const SipKey& key,
                                         const Address& source,
                                         std::span<const uint8_t> message) {
  if (message.size() != kEchoBytes) return std::nullopt;
  const uint8_t type = source.is_v4() ? kEchoReplyV4 : kEchoReplyV6;
  if (message[0] != type || message[1] != 0) return std::nullopt;
  // The sum of a message with a right checksum is all ones.
  if (source.is_v4() && Checksum(message) != 0) return std::nullopt;
  const EchoProbe probe{LoadBig32(&message[8]), LoadBig32(&message[12])};
  if (LoadBig16(&message[6]) != static_cast<uint16_t>(probe.probe) ||
      LoadBig64(&message[16]) != Cookie(key, source, probe)) {
    return std::nullopt;
  }
  return probe;
}

}  // namespace ballast::health
