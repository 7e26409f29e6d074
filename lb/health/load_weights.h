// Weights from what servers say of their load, and from how fast they answer
// checks: resource based and response time scheduling. Pure.
//
//   W1  resource based: w = max(1, round(configured * (100 - load) / (100 -
//       lowest load))), never below the least share. Loads that are equal, all
//       100, or below `idle_percent` in the mean give the configured weights
//   W2  a load of 101 (down) or 102 (disabled by the administrator) gives 0
//   W3  a server that does not say its load counts as 100
//   W4  response time: w = max(1, round(configured * fastest / own)); a server
//       without a new sample keeps the weight it had
//
// A configured weight of 0 stays 0. Weights are 1 to the configured one else.
//
// Units    load: percent. Weights as configured, 0 to 65535.
// Cost     O(servers).
// Threads  one.
// Source   LoadMaster behaviour §4.10 (load values, MinPercent), §4.7 (`dl`).
#ifndef LB_HEALTH_LOAD_WEIGHTS_H_
#define LB_HEALTH_LOAD_WEIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ballast::health {

inline constexpr int kLoadMax = 100;
inline constexpr int kLoadDown = 101;
inline constexpr int kLoadDisabled = 102;

// The number in the first line of `text`: 0 to 102. nullopt: anything else.
std::optional<int> ParseLoad(absl::string_view text);

struct LoadedServer {
  uint32_t configured = 0;
  std::optional<int> load;  // nullopt: W3.
};

struct LoadOptions {
  int idle_percent = 5;
  int least_percent = 0;  // Of the configured weight.
};

// W1 to W3.
std::vector<uint32_t> LoadWeights(std::span<const LoadedServer> servers,
                                  const LoadOptions& options);

// W4, of one pool. Servers by their number, for as long as it exists.
class ResponseTimes {
 public:
  static constexpr absl::Duration kPeriod = absl::Seconds(15);

  explicit ResponseTimes(std::vector<uint32_t> configured);

  // A check of `server` was answered after `time`.
  void Add(size_t server, absl::Duration time);
  // Once a period: the weights by the mean of each server's times since the
  // last call.
  const std::vector<uint32_t>& Weigh();
  const std::vector<uint32_t>& weights() const { return weights_; }

 private:
  struct Server {
    uint32_t configured;
    absl::Duration sum = absl::ZeroDuration();
    int count = 0;
    absl::Duration mean = absl::ZeroDuration();  // Zero: none so far.
  };
  std::vector<Server> servers_;
  std::vector<uint32_t> weights_;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_LOAD_WEIGHTS_H_
