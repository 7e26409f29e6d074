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
// Times are fractions, compared by cross multiplication, so nothing drifts.
#ifndef SCHED_WEIGHTED_ROUND_ROBIN_H_
#define SCHED_WEIGHTED_ROUND_ROBIN_H_

#include <cstdint>
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
      : Scheduler(options, servers), tree_(servers.size()) {}

  std::optional<uint16_t> Pick(Instant /*now*/, uint32_t /*hash*/) override {
    const uint16_t winner = tree_.Winner();
    Turn turn = tree_.key(winner);
    if (turn.weight == 0) return std::nullopt;
    last_ = turn;
    last_server_ = winner;
    turn.numerator += kPhaseUnit;
    if (turn.numerator >= uint64_t{turn.weight} * kPhaseUnit) {
      turn.numerator %= kPhaseUnit;
      ++turn.round;
    }
    tree_.Set(winner, turn);
    return winner;
  }

 private:
  static constexpr uint64_t kPhaseUnit = 1 << 16;

  // At round + numerator / (weight * kPhaseUnit). Weight 0: never.
  struct Turn {
    uint32_t round = 0;  // Wraps; turns that are compared are at most 1 apart.
    uint32_t weight = 0;
    uint64_t numerator = 0;

    static bool Beats(const Turn& a, const Turn& b, bool a_is_first) {
      if (a.weight == 0 || b.weight == 0) {
        return a.weight != 0 || (b.weight == 0 && a_is_first);
      }
      if (a.round != b.round) {
        return static_cast<int32_t>(a.round - b.round) < 0;
      }
      return a.numerator * b.weight <
             b.numerator * a.weight + (a_is_first ? 1 : 0);
    }
  };

  void Reset() override {
    for (uint16_t i = 0; i < server_count(); ++i) Rejoin(i);
  }
  void Changed(uint16_t server, Change change) override {
    if (change != Change::kConnections) Rejoin(server);
  }
  void CarryTurn(const Scheduler& previous,
                 std::span<const uint16_t> /*now_at*/) override {
    last_ = static_cast<const WeightedRoundRobin&>(previous).last_;
    last_server_ = kNoServer;  // After all turns of that very time.
    Reset();
  }

  // Gives `server` its first turn after the last that was taken.
  void Rejoin(uint16_t server) {
    const Server& s = servers_[server];
    if (!s.available()) {
      tree_.Set(server, Turn());
      return;
    }
    // 2^32 / golden ratio; the first server's turns are in the middle.
    const uint64_t phase = (0x80000000u + server * 2654435769u) >> 16;
    Turn turn = {last_.round, s.weight, phase};
    if (last_.weight != 0) {
      // Where `last_` falls among this server's turns, rounded down.
      const uint64_t at = last_.numerator * s.weight / last_.weight;
      if (at > phase) turn.numerator += (at - phase) / kPhaseUnit * kPhaseUnit;
      // Once for the rounding, once more for a turn at the very same time.
      while (!Turn::Beats(last_, turn, last_server_ < server)) {
        turn.numerator += kPhaseUnit;
      }
      if (turn.numerator >= s.weight * kPhaseUnit) {
        turn.numerator = phase;
        ++turn.round;
      }
    }
    tree_.Set(server, turn);
  }

  WinnerTree<Turn> tree_;
  Turn last_;  // Weight 0: none yet.
  uint16_t last_server_ = kNoServer;
};

}  // namespace ballast::sched

#endif  // SCHED_WEIGHTED_ROUND_ROBIN_H_
