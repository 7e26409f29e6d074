// The DNS check: a question for the root's SOA record by UDP, and what counts
// as its answer. Any answer will do, also a refusal: a name server that refuses
// is at work.
//
// A question carries a number of 16 bits that nobody can guess; the caller
// looks at addresses and ports.
//
// Threads  pure functions.
// Source   RFC 1035 §4.1; LoadMaster: an SOA query to UDP port 53.
#ifndef LB_HEALTH_DNS_PROBE_H_
#define LB_HEALTH_DNS_PROBE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ballast::health {

inline constexpr size_t kDnsQuestionBytes = 17;

std::array<uint8_t, kDnsQuestionBytes> EncodeDnsQuestion(uint16_t id);

// Whether `message` answers the question of that number: a response, to a
// standard query, that repeats the question or says that it could not read it.
bool IsDnsAnswer(uint16_t id, std::span<const uint8_t> message);

}  // namespace ballast::health

#endif  // LB_HEALTH_DNS_PROBE_H_
