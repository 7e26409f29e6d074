#include "lb/health/dns_probe.h"

#include <algorithm>

#include "io/base/bytes.h"

namespace ballast::health {
namespace {

constexpr size_t kHeader = 12;
constexpr uint8_t kResponse = 0x80;
constexpr uint8_t kOpcode = 0x78;
// Root, SOA, IN.
constexpr uint8_t kQuestion[] = {0, 0, 6, 0, 1};

}  // namespace

std::array<uint8_t, kDnsQuestionBytes> EncodeDnsQuestion(uint16_t id) {
  std::array<uint8_t, kDnsQuestionBytes> message{};
  StoreBig16(message.data(), id);
  message[5] = 1;  // One question; no recursion wanted.
  std::copy(std::begin(kQuestion), std::end(kQuestion),
            message.begin() + kHeader);
  return message;
}

bool IsDnsAnswer(uint16_t id, std::span<const uint8_t> message) {
  if (message.size() < kHeader || LoadBig16(message.data()) != id ||
      (message[2] & kResponse) == 0 || (message[2] & kOpcode) != 0) {
    return false;
  }
  const uint16_t questions = LoadBig16(message.data() + 4);
  if (questions == 0) return true;
  return questions == 1 && message.size() >= kHeader + std::size(kQuestion) &&
         std::equal(std::begin(kQuestion), std::end(kQuestion),
                    message.begin() + kHeader);
}

}  // namespace ballast::health
