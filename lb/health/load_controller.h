// A closed loop that evens out load: what a controller of the network measures
// of each server goes in, weights come out. Pure.
//
// A server's error is how far its load is from the mean of all, relative to
// that. Each interval its share goes the opposite way,
//
//   share *= (mean / load) ^ gain
//
// with a gain of kFastGain while the errors are greater than noise makes them
// (root mean square above kNoise), and of kSlowGain then, which averages noise
// over some intervals. The greatest share counts as the whole of the configured
// weight.
//
//   F1  in a network where load goes with share, whatever each server's
//       capacity within 1 to 8: errors below 5 % within 20 intervals under
//       noise of +-10 %, without overshoot beyond 20 %
//   F2  a server without a value keeps its share for kPatience intervals, then
//       takes the mean of the others' (the geometric one), and joins again with
//       its next value. No value of any server: all as configured
//   F3  below `idle_percent` in the mean all are as configured
//
// Units    load: percent of what a server's path can carry, 0 or more.
// Cost     O(servers).
// Threads  one.
// Source   LoadMaster behaviour §4.7, `sdn-adaptive`; §4.10, MinPercent. The
//          vendor's law is not public: this one is ours.
#ifndef LB_HEALTH_LOAD_CONTROLLER_H_
#define LB_HEALTH_LOAD_CONTROLLER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ballast::health {

class LoadController {
 public:
  static constexpr double kFastGain = 0.3;
  static constexpr double kSlowGain = 0.12;
  static constexpr double kNoise = 0.12;
  static constexpr int kPatience = 3;
  // Of the greatest share: what the smallest may be.
  static constexpr double kShareMin = 1.0 / 256;

  // `least_percent`: no weight falls below that of its configured one.
  LoadController(std::vector<uint32_t> configured, int idle_percent,
                 int least_percent);

  // One interval: a load for each server, nullopt where there is none.
  const std::vector<uint32_t>& Step(
      std::span<const std::optional<double>> loads);
  const std::vector<uint32_t>& weights() const { return weights_; }
  // Root mean square of the servers' errors at the last step; 0: none known.
  double error() const { return error_; }

 private:
  struct Server {
    uint32_t configured;
    double share = 1;
    int silent = 0;  // Intervals.
  };
  // The others' mean takes the place of those that are silent for long. False:
  // all of them are.
  bool ReplaceSilent();
  void Weigh();
  void Reset();

  const int idle_percent_;
  const int least_percent_;
  std::vector<Server> servers_;
  std::vector<uint32_t> weights_;
  double error_ = 0;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_LOAD_CONTROLLER_H_
