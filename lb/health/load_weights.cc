#include "lb/health/load_weights.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace ballast::health {
namespace {

// 0 stays 0; else 1 to `configured`.
uint32_t Share(uint32_t configured, double factor) {
  if (configured == 0) return 0;
  const double weight = std::round(configured * std::clamp(factor, 0.0, 1.0));
  return std::clamp(static_cast<uint32_t>(weight), 1u, configured);
}

}  // namespace

std::optional<int> ParseLoad(absl::string_view text) {
  const absl::string_view line =
      absl::StripAsciiWhitespace(text.substr(0, text.find_first_of("\r\n")));
  int load;
  if (line.empty() || line.size() > 3 ||
      !std::all_of(line.begin(), line.end(),
                   [](char c) { return c >= '0' && c <= '9'; }) ||
      !absl::SimpleAtoi(line, &load) || load > kLoadDisabled) {
    return std::nullopt;
  }
  return load;
}

std::vector<uint32_t> LoadWeights(std::span<const LoadedServer> servers,
                                  const LoadOptions& options) {
  int lowest = kLoadMax;
  int sum = 0;
  int count = 0;
  for (const LoadedServer& server : servers) {
    const int load = server.load.value_or(kLoadMax);  // W3
    if (load > kLoadMax || server.configured == 0) continue;
    lowest = std::min(lowest, load);
    sum += load;
    ++count;
  }
  const bool as_configured =
      lowest == kLoadMax || sum < options.idle_percent * count;
  std::vector<uint32_t> weights;
  for (const LoadedServer& server : servers) {
    const int load = server.load.value_or(kLoadMax);
    if (load > kLoadMax) {
      weights.push_back(0);  // W2
    } else if (as_configured) {
      weights.push_back(server.configured);
    } else {
      weights.push_back(
          Share(server.configured,
                std::max(double(kLoadMax - load) / (kLoadMax - lowest),
                         options.least_percent / 100.0)));  // W1
    }
  }
  return weights;
}

ResponseTimes::ResponseTimes(std::vector<uint32_t> configured)
    : weights_(std::move(configured)) {
  for (const uint32_t weight : weights_) {
    servers_.push_back({.configured = weight});
  }
}

void ResponseTimes::Add(size_t server, absl::Duration time) {
  // A clock's grain must not make one infinitely fast.
  servers_[server].sum += std::max(time, absl::Microseconds(1));
  ++servers_[server].count;
}

const std::vector<uint32_t>& ResponseTimes::Weigh() {
  absl::Duration fastest = absl::InfiniteDuration();
  std::vector<bool> sampled;
  for (Server& server : servers_) {
    sampled.push_back(server.count > 0);
    if (server.count > 0) {
      server.mean = server.sum / server.count;
      server.sum = absl::ZeroDuration();
      server.count = 0;
    }
    // The last known time of one without a sample still compares.
    if (server.mean > absl::ZeroDuration() && server.configured > 0) {
      fastest = std::min(fastest, server.mean);
    }
  }
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (!sampled[i]) continue;  // W4
    weights_[i] = Share(servers_[i].configured,
                        absl::FDivDuration(fastest, servers_[i].mean));
  }
  return weights_;
}

}  // namespace ballast::health
