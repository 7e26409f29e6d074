// Round robin: the next available server in list order. Weights are ignored,
// except that 0 is never picked.
#ifndef SCHED_ROUND_ROBIN_H_
#define SCHED_ROUND_ROBIN_H_

#include <cstdint>
#include <optional>
#include <span>

#include "sched/scheduler.h"

namespace ballast::sched {

class RoundRobin final : public Scheduler {
 public:
  RoundRobin(const Options& options, std::span<const ServerState> servers)
      : Scheduler(options, servers) {}

  std::optional<uint16_t> Pick(Instant /*now*/, uint32_t /*hash*/) override {
    const auto server = available_.NextFrom(next_);
    if (server.has_value()) next_ = *server + 1;
    return server;
  }

 private:
  std::optional<uint16_t> Turn() const override {
    if (next_ == 0 || next_ > servers_.size()) return std::nullopt;
    return static_cast<uint16_t>(next_ - 1);
  }
  void SetTurn(uint16_t server) override { next_ = server + 1; }

  uint32_t next_ = 0;
};

}  // namespace ballast::sched

#endif  // SCHED_ROUND_ROBIN_H_
