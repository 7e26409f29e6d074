// What is limited, of one service, one client or the whole unit: connections
// that are open, and the rates of connections, requests and bytes.
//
// Burst    after a pause a rate may be ahead by a quarter of a second, but at
//          least by ten events or a whole second's, whichever is less: a
//          browser opens its connections at once. Bytes: by 50 ms, at least
//          kBurstBytes. (Ours: no source says.)
// Limits   0: none. What is open is counted all the same, so that a limit
//          holds as soon as it is set.
// Cost     one compare-and-swap for each limit that is set.
// Threads  any; limits hold exactly over all of them.
#ifndef LB_L7_TRAFFIC_METER_H_
#define LB_L7_TRAFFIC_METER_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "io/base/instant.h"
#include "lb/config/l7_model.h"
#include "lb/l7/token_clock.h"

namespace ballast::l7 {

// A config::TrafficLimit that may change while others read it.
class LiveLimit {
 public:
  void Set(const config::TrafficLimit& limit) {
    connections_.store(limit.connections, std::memory_order_relaxed);
    connection_rate_.store(limit.connections_per_second,
                           std::memory_order_relaxed);
    request_rate_.store(limit.requests_per_second, std::memory_order_relaxed);
    bandwidth_.store(limit.bandwidth_kbit_s, std::memory_order_relaxed);
  }
  uint32_t connections() const { return Get(connections_); }
  uint32_t connection_rate() const { return Get(connection_rate_); }
  uint32_t request_rate() const { return Get(request_rate_); }
  uint32_t bandwidth() const { return Get(bandwidth_); }
  bool any() const {
    return (connections() | connection_rate() | request_rate() | bandwidth()) !=
           0;
  }

 private:
  static uint32_t Get(const std::atomic<uint32_t>& value) {
    return value.load(std::memory_order_relaxed);
  }
  std::atomic<uint32_t> connections_{0};
  std::atomic<uint32_t> connection_rate_{0};
  std::atomic<uint32_t> request_rate_{0};
  std::atomic<uint32_t> bandwidth_{0};
};

class TrafficMeter {
 public:
  static constexpr int64_t kBurstBytes = 16 << 10;

  // False: full.
  bool TakeConnection(uint32_t limit) {
    uint64_t open = open_.load(std::memory_order_relaxed);
    do {
      if (limit != 0 && open >= limit) return false;
    } while (!open_.compare_exchange_weak(open, open + 1,
                                          std::memory_order_relaxed));
    return true;
  }
  void EndConnection() { open_.fetch_sub(1, std::memory_order_relaxed); }
  uint64_t open() const { return open_.load(std::memory_order_relaxed); }

  bool TakeConnectionRate(Instant now, uint32_t rate) {
    return Take(connections_, now, rate);
  }
  void GiveConnectionRateBack(uint32_t rate) {
    if (rate != 0) connections_.GiveBack(CostOf(rate));
  }
  bool TakeRequest(Instant now, uint32_t rate) {
    return Take(requests_, now, rate);
  }
  void GiveRequestBack(uint32_t rate) {
    if (rate != 0) requests_.GiveBack(CostOf(rate));
  }
  // `bytes` have come; whoever brought them reads on at the instant returned.
  Instant Charge(Instant now, size_t bytes, uint32_t kbit_s) {
    if (kbit_s == 0) return now;
    const int64_t burst =
        std::max(ByteCost(kBurstBytes, kbit_s), int64_t{50'000'000});
    return bytes_.Charge(now, ByteCost(static_cast<int64_t>(bytes), kbit_s),
                         burst);
  }

  // What these would say.
  bool WouldTakeConnection(uint32_t limit) const {
    return limit == 0 || open() < limit;
  }
  bool WouldTakeConnectionRate(Instant now, uint32_t rate) const {
    return WouldTake(connections_, now, rate);
  }
  bool WouldTakeRequest(Instant now, uint32_t rate) const {
    return WouldTake(requests_, now, rate);
  }

  // Limits have changed: nobody waits for the old ones.
  void Cap(Instant now, const LiveLimit& limit) {
    connections_.Cap(now, DepthOf(limit.connection_rate()));
    requests_.Cap(now, DepthOf(limit.request_rate()));
    bytes_.Cap(now, 0);
  }
  // Nothing would be lost with it.
  bool Idle(Instant now) const {
    return open() == 0 && connections_.Full(now) && requests_.Full(now) &&
           bytes_.Full(now);
  }
  void Reset() {
    open_.store(0, std::memory_order_relaxed);
    connections_.Reset();
    requests_.Reset();
    bytes_.Reset();
  }

 private:
  static int64_t CostOf(uint32_t rate) { return 1'000'000'000 / rate; }
  static int64_t DepthOf(uint32_t rate) {
    if (rate == 0) return 0;
    return std::max(std::min(rate, 10u), rate / 4) * CostOf(rate);
  }
  static int64_t ByteCost(int64_t bytes, uint32_t kbit_s) {
    return bytes * 8'000'000 / kbit_s;
  }
  static bool Take(TokenClock& clock, Instant now, uint32_t rate) {
    return rate == 0 || clock.Take(now, CostOf(rate), DepthOf(rate));
  }

  static bool WouldTake(const TokenClock& clock, Instant now, uint32_t rate) {
    return rate == 0 || clock.WouldTake(now, CostOf(rate), DepthOf(rate));
  }

  std::atomic<uint64_t> open_{0};
  TokenClock connections_;
  TokenClock requests_;
  TokenClock bytes_;
};

}  // namespace ballast::l7

#endif  // LB_L7_TRAFFIC_METER_H_
