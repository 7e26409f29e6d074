// Round robin: the next available server in list order. Weights are ignored,
// except that 0 is never picked.
#ifndef SCHED_ROUND_ROBIN_H_
#define SCHED_ROUND_ROBIN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "sched/scheduler.h"

namespace ballast::sched {

class RoundRobin final : public Scheduler {
 public:
  RoundRobin(const Options& options, std::span<const ServerState> servers)
      : Scheduler(options, servers) {}

  std::unique_ptr<Scheduler> Clone() const override {
    return std::make_unique<RoundRobin>(*this);
  }
  std::optional<uint16_t> Pick(Instant /*now*/, uint32_t /*hash*/) override {
    const auto server = available_.NextFrom(next_);
    if (server.has_value()) next_ = *server + 1;
    return server;
  }

 private:
  void CarryTurn(const Scheduler& previous,
                 std::span<const uint16_t> now_at) override {
    // After the last picked, or the nearest before it that is still there.
    for (auto i = static_cast<const RoundRobin&>(previous).next_; i > 0; --i) {
      if (now_at[i - 1] == kNoServer) continue;
      next_ = now_at[i - 1] + 1;
      return;
    }
  }

  uint32_t next_ = 0;
};

}  // namespace ballast::sched

#endif  // SCHED_ROUND_ROBIN_H_
