// Weighted round robin, smooth, O(log servers) a pick.
//
// Every server has turns at fixed points of a virtual time that repeats with
// period 1: server i of weight w at (k + phase_i) / w for k = 0 .. w - 1. The
// picks are the turns of the available servers in order of time (of equal
// times, the first in list order). Hence
//   - any sum(w) / gcd(w) picks in a row give each server exactly its share,
//     wherever they begin: the turns have that period;
//   - a server's turns are spread over the cycle, and the phases (multiples of
//     the golden ratio) keep servers of like weight from taking theirs
//     together;
//   - a server that comes back simply has its next turn: nothing is made up
//     for.
// Times are fractions, compared exactly, so nothing drifts.
#ifndef SCHED_WEIGHTED_ROUND_ROBIN_H_
#define SCHED_WEIGHTED_ROUND_ROBIN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sched/scheduler.h"
#include "sched/winner_tree.h"

namespace ballast::sched {

class WeightedRoundRobin final : public Scheduler {
 public:
  WeightedRoundRobin(const Options& options,
                     std::span<const ServerState> servers)
      : Scheduler(options, servers),
        tree_(servers.size()),
        rounds_(servers.size()),
        turns_(servers.size()) {}

  std::unique_ptr<Scheduler> Clone() const override {
    return std::make_unique<WeightedRoundRobin>(*this);
  }
  std::optional<uint16_t> Pick(Instant /*now*/, uint32_t /*hash*/) override {
    if (tree_.WinningScore() == WinnerTree::kNever) return std::nullopt;
    const uint16_t server = tree_.Winner();
    last_ = tree_.WinningScore();
    last_server_ = server;
    if (++turns_[server] == servers_[server].weight) {
      turns_[server] = 0;
      if (++rounds_[server] > kRoundMax) [[unlikely]] {
        StartOver();
        return server;
      }
    }
    tree_.Set(server, NextTurn(server));
    return server;
  }

 private:
  static constexpr uint32_t kRoundMax = 0xfffe;

  // When: the round in the upper 16 bits, and how far into it in units of
  // 2^-48: (turn + phase) / weight, where phase is in units of 2^-16, as a
  // fraction of 32 bits over at most 16.
  uint64_t NextTurn(uint16_t server) const {
    return uint64_t{rounds_[server]} << 48 |
           WinnerTree::Fraction(uint64_t{turns_[server]} << 16 | Phase(server),
                                servers_[server].weight);
  }
  // Multiples of 2^32 / golden ratio; the first server's is the middle.
  static uint32_t Phase(uint16_t server) {
    return (0x80000000u + server * 2654435769u) >> 16;
  }

  void Reset() override {
    for (uint16_t i = 0; i < server_count(); ++i) Rejoin(i);
  }
  void Changed(uint16_t server, Change change) override {
    if (change != Change::kConnections) Rejoin(server);
  }
  void CarryTurn(const Scheduler& previous,
                 std::span<const uint16_t> /*now_at*/) override {
    last_ = static_cast<const WeightedRoundRobin&>(previous).last_;
    last_server_ = kNoServer;  // Whoever had a turn at that very time, had it.
    Reset();
  }

  // Gives `server` its first turn after the last that was taken.
  void Rejoin(uint16_t server) {
    const uint32_t weight = servers_[server].weight;
    if (!servers_[server].available()) {
      tree_.Set(server, WinnerTree::kNever);
      return;
    }
    rounds_[server] = static_cast<uint32_t>(last_ >> 48);
    // The turn at or before the last one taken, give or take one.
    const uint64_t into_round = last_ & ((uint64_t{1} << 48) - 1);
    const uint64_t turn = (into_round >> 16) * weight >> 32;
    turns_[server] = static_cast<uint32_t>(turn > 0 ? turn - 1 : 0);
    while (!IsAfterLast(server)) {
      if (++turns_[server] == weight) {
        turns_[server] = 0;
        ++rounds_[server];
      }
    }
    tree_.Set(server, NextTurn(server));
  }

  bool IsAfterLast(uint16_t server) const {
    const uint64_t turn = NextTurn(server);
    return turn > last_ || (turn == last_ && server > last_server_);
  }

  // Before rounds run out of bits: the same turns, counted from round 0.
  void StartOver() {
    last_ &= (uint64_t{1} << 48) - 1;
    Reset();
  }

  WinnerTree tree_;
  // The next turn of each server.
  std::vector<uint32_t> rounds_;
  std::vector<uint32_t> turns_;
  // The turn taken last; before any, a time before all turns.
  uint64_t last_ = 0;
  int32_t last_server_ = -1;
};

}  // namespace ballast::sched

#endif  // SCHED_WEIGHTED_ROUND_ROBIN_H_
