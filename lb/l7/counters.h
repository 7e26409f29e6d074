// What happened, for everything that shares this object: one a thread and
// service.
//
// Threads  one writes; any may read.
#ifndef LB_L7_COUNTERS_H_
#define LB_L7_COUNTERS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "lb/http/refusal.h"
#include "lb/l4/counters.h"
#include "lb/l7/chooser.h"

namespace ballast::l7 {

using l4::Counter;

struct Counters {
  Counter requests;   // Heads read.
  Counter responses;  // Passed on whole.
  Counter retries;    // Attempts after the first.
  Counter denied;     // By the chooser.
  Counter upgrades_ignored;
  Counter heads_timed_out;
  Counter idle_closed;  // Between requests.
  std::array<Counter, http::kRefusalCount> request_refused{};
  std::array<Counter, http::kRefusalCount> response_refused{};
  std::array<Counter, static_cast<size_t>(Outcome::kCount)> outcomes{};
  // Answers of our own, by hundreds of their status: [4] is 400..499.
  std::array<Counter, 6> replies{};
};

}  // namespace ballast::l7

#endif  // LB_L7_COUNTERS_H_
