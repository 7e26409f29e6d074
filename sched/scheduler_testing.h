// Short hands for the tests of scheduling methods.
#ifndef SCHED_SCHEDULER_TESTING_H_
#define SCHED_SCHEDULER_TESTING_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "io/base/instant.h"
#include "sched/scheduler.h"

namespace ballast::sched {

inline constexpr Instant kStart = Instant::FromNanos(1'000'000'000'000);

// Servers of these weights, all up, with ids 1, 2, ...
inline std::vector<ServerState> Servers(std::span<const uint32_t> weights) {
  std::vector<ServerState> servers;
  for (const uint32_t weight : weights) {
    servers.push_back({.weight = weight, .id = servers.size() + 1});
  }
  return servers;
}
inline std::vector<ServerState> Servers(
    std::initializer_list<uint32_t> weights) {
  return Servers(std::span(weights.begin(), weights.size()));
}

// Dies when `options` and `servers` do not go together.
inline std::unique_ptr<Scheduler> MakeScheduler(
    const Options& options, std::span<const ServerState> servers) {
  return Scheduler::Create(options, servers).value();
}

// What `count` picks give, each left open; -1 where no server was available.
inline std::vector<int> PickAndOpen(Scheduler& scheduler, int count,
                                    Instant now = kStart) {
  std::vector<int> picked;
  for (int i = 0; i < count; ++i) {
    const auto server = scheduler.Pick(now, 0);
    picked.push_back(server.has_value() ? *server : -1);
    if (server.has_value()) scheduler.OnOpen(*server);
  }
  return picked;
}

}  // namespace ballast::sched

#endif  // SCHED_SCHEDULER_TESTING_H_
