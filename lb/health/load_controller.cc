#include "lb/health/load_controller.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "io/base/check.h"

namespace ballast::health {
namespace {

// What is less than this counts as this: one idle server must not take all.
constexpr double kLoadLeast = 0.5;

}  // namespace

LoadController::LoadController(std::vector<uint32_t> configured,
                               int idle_percent, int least_percent)
    : idle_percent_(idle_percent),
      least_percent_(least_percent),
      weights_(std::move(configured)) {
  for (const uint32_t weight : weights_) {
    servers_.push_back({.configured = weight});
  }
}

const std::vector<uint32_t>& LoadController::Step(
    std::span<const std::optional<double>> loads) {
  BALLAST_CHECK(loads.size() == servers_.size());
  double sum = 0;
  int count = 0;
  for (size_t i = 0; i < servers_.size(); ++i) {
    const bool known = loads[i].has_value() && std::isfinite(*loads[i]);
    if (servers_[i].configured == 0) continue;
    if (!known) {
      servers_[i].silent = std::min(servers_[i].silent + 1, kPatience + 1);
      continue;
    }
    servers_[i].silent = 0;
    sum += std::max(*loads[i], 0.0);
    ++count;
  }
  error_ = 0;
  if (count > 0 && sum < idle_percent_ * count) {
    Reset();  // F3
    return weights_;
  }
  if (count > 0) {
    const double mean = std::max(sum / count, kLoadLeast);
    double squares = 0;
    for (size_t i = 0; i < servers_.size(); ++i) {
      if (servers_[i].configured == 0 || servers_[i].silent > 0) continue;
      const double error = std::max(*loads[i], kLoadLeast) / mean - 1;
      squares += error * error;
    }
    error_ = std::sqrt(squares / count);
    const double gain = error_ > kNoise ? kFastGain : kSlowGain;
    for (size_t i = 0; i < servers_.size(); ++i) {
      if (servers_[i].configured == 0 || servers_[i].silent > 0) continue;
      servers_[i].share *=
          std::pow(mean / std::max(*loads[i], kLoadLeast), gain);
    }
  }
  if (!ReplaceSilent()) {
    Reset();
    return weights_;
  }
  Weigh();
  return weights_;
}

bool LoadController::ReplaceSilent() {
  double logs = 0;
  int count = 0;
  for (const Server& server : servers_) {
    if (server.configured == 0 || server.silent > kPatience) continue;
    logs += std::log(server.share);
    ++count;
  }
  if (count == 0) return false;
  for (Server& server : servers_) {
    if (server.silent > kPatience) server.share = std::exp(logs / count);  // F2
  }
  return true;
}

void LoadController::Weigh() {
  double greatest = 0;
  for (const Server& server : servers_) {
    if (server.configured > 0) greatest = std::max(greatest, server.share);
  }
  for (size_t i = 0; i < servers_.size(); ++i) {
    Server& server = servers_[i];
    if (server.configured == 0) continue;
    server.share = std::clamp(server.share / greatest, kShareMin, 1.0);
    const double share = std::max(server.share, least_percent_ / 100.0);
    weights_[i] = std::clamp(
        static_cast<uint32_t>(std::lround(server.configured * share)), 1u,
        server.configured);
  }
}

void LoadController::Reset() {
  for (size_t i = 0; i < servers_.size(); ++i) {
    servers_[i].share = 1;
    weights_[i] = servers_[i].configured;
  }
}

}  // namespace ballast::health
