// Least connection, and weighted: the smallest connections / weight, compared
// exactly; the first in list order of equals.
//
// Slow start: a server that came up is weighed with a fraction of its weight
// that grows in 256 equal steps from 1/256 to the whole over the slow start
// time. So its connections grow in a line towards its share, instead of all new
// connections going to the one server that has none. (The vendor names the
// range and says that it throttles; the line is ours.)
#ifndef SCHED_LEAST_CONNECTION_H_
#define SCHED_LEAST_CONNECTION_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "io/base/instant.h"
#include "sched/scheduler.h"
#include "sched/winner_tree.h"

namespace ballast::sched {

class LeastConnection final : public Scheduler {
 public:
  LeastConnection(const Options& options, std::span<const ServerState> servers)
      : Scheduler(options, servers),
        weighted_(options.method == Method::kWeightedLeastConnection),
        slow_start_(options.slow_start),
        tree_(servers.size()),
        steps_(servers.size(), kSteps) {
    ramping_.reserve(servers.size());
  }

  std::unique_ptr<Scheduler> Clone() const override {
    return std::make_unique<LeastConnection>(*this);
  }
  std::optional<uint16_t> Pick(Instant now, uint32_t /*hash*/) override {
    if (now >= next_step_) [[unlikely]]
      Advance(now);
    if (tree_.WinningScore() == WinnerTree::kNever) return std::nullopt;
    return tree_.Winner();
  }

 private:
  static constexpr uint32_t kSteps = 256;
  static constexpr uint64_t kScoreMax = WinnerTree::kNever - 1;

  void Reset() override {
    ramping_.clear();
    next_step_ = Instant::Never();
    for (uint16_t i = 0; i < server_count(); ++i) {
      steps_[i] = kSteps;
      BeginSlowStart(i);
      Weigh(i);
    }
  }

  void Changed(uint16_t server, Change change) override {
    if (change == Change::kUp) BeginSlowStart(server);
    Weigh(server);
  }

  void Weigh(uint16_t server) {
    const Server& s = servers_[server];
    if (!s.available()) {
      tree_.Set(server, WinnerTree::kNever);
      return;
    }
    uint64_t score = weighted_ ? WinnerTree::Fraction(s.connections(), s.weight)
                               : WinnerTree::Fraction(s.connections(), 1);
    if (steps_[server] != kSteps) {
      // As many connections more as its weight is less; rounded, for once.
      score = score >= kScoreMax / kSteps ? kScoreMax
                                          : score * kSteps / steps_[server];
    }
    tree_.Set(server, score);
  }

  void BeginSlowStart(uint16_t server) {
    const Instant since = servers_[server].up_since;
    if (slow_start_ == absl::ZeroDuration() || since == Instant::Never()) {
      return;
    }
    steps_[server] = 1;
    if (std::find(ramping_.begin(), ramping_.end(), server) == ramping_.end()) {
      ramping_.push_back(server);
    }
    next_step_ = std::min(next_step_, since + slow_start_ * 2 / kSteps);
  }

  // Brings every server in slow start to the step it is due.
  void Advance(Instant now) {
    next_step_ = Instant::Never();
    size_t kept = 0;
    for (const uint16_t server : ramping_) {
      const Instant since = servers_[server].up_since;
      if (since == Instant::Never()) {  // Down again.
        steps_[server] = kSteps;
        continue;
      }
      const int64_t due = (now - since) * kSteps / slow_start_;
      steps_[server] =
          static_cast<uint16_t>(std::clamp<int64_t>(due, 1, int64_t{kSteps}));
      Weigh(server);
      if (due >= kSteps) {
        servers_[server].up_since = Instant::Never();
        continue;
      }
      ramping_[kept++] = server;
      next_step_ = std::min(
          next_step_, since + slow_start_ * (steps_[server] + 1) / kSteps);
    }
    ramping_.resize(kept);
  }

  const bool weighted_;
  const absl::Duration slow_start_;
  WinnerTree tree_;
  std::vector<uint16_t> steps_;    // Of kSteps, for each server.
  std::vector<uint16_t> ramping_;  // The servers in slow start.
  Instant next_step_ = Instant::Never();
};

}  // namespace ballast::sched

#endif  // SCHED_LEAST_CONNECTION_H_
