// What happened, for everything that shares this object: one a thread and
// service. Plain numbers; their reader is the same thread.
#ifndef LB_L7_COUNTERS_H_
#define LB_L7_COUNTERS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "lb/http/refusal.h"
#include "lb/l7/chooser.h"

namespace ballast::l7 {

struct Counters {
  uint64_t requests = 0;   // Heads read.
  uint64_t responses = 0;  // Passed on whole.
  uint64_t retries = 0;    // Attempts after the first.
  uint64_t denied = 0;     // By the chooser.
  uint64_t upgrades_ignored = 0;
  uint64_t heads_timed_out = 0;
  uint64_t idle_closed = 0;  // Between requests.
  std::array<uint64_t, http::kRefusalCount> request_refused{};
  std::array<uint64_t, http::kRefusalCount> response_refused{};
  std::array<uint64_t, static_cast<size_t>(Outcome::kCount)> outcomes{};
  // Answers of our own, by hundreds of their status: [4] is 400..499.
  std::array<uint64_t, 6> replies{};
};

}  // namespace ballast::l7

#endif  // LB_L7_COUNTERS_H_
