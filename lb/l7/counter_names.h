// Counters as an operator reads them: by name, summed over threads.
#ifndef LB_L7_COUNTER_NAMES_H_
#define LB_L7_COUNTER_NAMES_H_

#include <cstdint>
#include <map>
#include <string>

#include "lb/l7/counters.h"

namespace ballast::l7 {

// Adds what occurred to `sums`. Besides the fields' names: how attempts ended
// ("server_closed", as OutcomeName() says), what was refused
// ("request_bare_line_feed", "response_chunk_invalid") and answers of our own
// ("replied_4xx").
void AddByName(const Counters& counters, std::map<std::string, uint64_t>* sums);

}  // namespace ballast::l7

#endif  // LB_L7_COUNTER_NAMES_H_
