// Fixed weighting: the available server with the highest weight takes
// everything new; the first in list order of equals.
#ifndef SCHED_FIXED_WEIGHTING_H_
#define SCHED_FIXED_WEIGHTING_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "sched/scheduler.h"
#include "sched/winner_tree.h"

namespace ballast::sched {

class FixedWeighting final : public Scheduler {
 public:
  FixedWeighting(const Options& options, std::span<const ServerState> servers)
      : Scheduler(options, servers), tree_(servers.size()) {}

  std::unique_ptr<Scheduler> Clone() const override {
    return std::make_unique<FixedWeighting>(*this);
  }
  std::optional<uint16_t> Pick(Instant /*now*/, uint32_t /*hash*/) override {
    if (tree_.WinningScore() == WinnerTree::kNever) return std::nullopt;
    return tree_.Winner();
  }

 private:
  void Reset() override {
    for (uint16_t i = 0; i < server_count(); ++i) Changed(i, Change::kWeight);
  }
  void Changed(uint16_t server, Change change) override {
    if (change == Change::kConnections) return;
    const Server& s = servers_[server];
    tree_.Set(server,
              s.available() ? kWeightMax - s.weight : WinnerTree::kNever);
  }

  WinnerTree tree_;
};

}  // namespace ballast::sched

#endif  // SCHED_FIXED_WEIGHTING_H_
