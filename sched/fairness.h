// How fair a source hash table is: slots and share of every server beside the
// share its weight asks for, and a warning for each that gets under half of it.
//
// Units  share: of all clients, 0..1.
// Cost   O(servers + 4096). Control plane.
#ifndef SCHED_FAIRNESS_H_
#define SCHED_FAIRNESS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sched/source_hash_table.h"

namespace ballast::sched {

struct ServerShare {
  uint32_t slots = 0;
  double share = 0;
  double fair_share = 0;  // weight / sum of weights; 0 when all are 0.
};

// One for each server of `table`, all of them up.
std::vector<ServerShare> Shares(const SourceHashTable& table);

struct FairnessWarning {
  uint16_t server = 0;
  std::string message;  // Numbers and remedy; does not name the server.
};

// For each server with under half its fair share, in list order.
std::vector<FairnessWarning> FairnessWarnings(const SourceHashTable& table);

}  // namespace ballast::sched

#endif  // SCHED_FAIRNESS_H_
