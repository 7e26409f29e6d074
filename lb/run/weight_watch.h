// Weights that move: asks servers or a controller for loads, hears how long
// checks took, and keeps each server's weight.
//
//   schedule       asked                               each
//   ADAPTIVE       every server, GET url on its port   adaptive.interval
//   SDN_ADAPTIVE   the controller, GET url             adaptive.interval
//   RESPONSE_TIME  nobody: the times of health checks  ResponseTimes::kPeriod
//
// An interval begins with the questions, spread over its first half, and ends
// with new weights; what has not answered by then has not. Servers begin with
// their configured weights.
//
// Bounds   kPlacesMax connections. Without one a server's last load stays.
// Threads  the reactor's, which outlives this.
// Source   lb/health/load_weights.h, load_controller.h, controller_report.h.
#ifndef LB_RUN_WEIGHT_WATCH_H_
#define LB_RUN_WEIGHT_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "lb/config/server_pool.h"
#include "lb/health/load_controller.h"
#include "lb/health/load_weights.h"
#include "lb/log_record.h"
#include "lb/run/alarm.h"
#include "lb/run/probe_source.h"
#include "lb/run/stream_probes.h"

namespace ballast::run {

class WeightWatch {
 public:
  static constexpr size_t kPlacesMax = 256;

  struct Member {
    uint16_t id = 0;  // The caller's own: as HealthChecker::Target's.
    Address address;
    uint32_t configured = 0;

    friend bool operator==(const Member&, const Member&) = default;
  };
  struct Pool {
    std::string name;                                         // For the log.
    config::Schedule schedule = config::Schedule::kAdaptive;  // One of those.
    config::Adaptive adaptive{};
    std::vector<Member> members{};

    friend bool operator==(const Pool&, const Pool&) = default;
  };
  struct Options {
    ProbeSource source{};
    absl::Duration response_period = health::ResponseTimes::kPeriod;
  };
  // Some weight() is another. Must not call SetPools().
  using OnChange = absl::AnyInvocable<void()>;

  WeightWatch(Reactor& reactor, const Options& options, OnChange on_change,
              Log log);
  WeightWatch(const WeightWatch&) = delete;
  WeightWatch& operator=(const WeightWatch&) = delete;

  // Exactly these; each id once. One that is the same as before goes on, the
  // others begin with their configured weights.
  void SetPools(std::vector<Pool> pools);
  // A health check of `id` was answered after `time`.
  void OnAnswered(uint16_t id, absl::Duration time);
  // nullopt: in no pool, as configured.
  std::optional<uint32_t> weight(uint16_t id) const;

 private:
  struct Watched {
    Pool pool;
    std::vector<uint32_t> weights;
    Instant began;     // This interval.
    size_t asked = 0;  // Of its questions, so many have gone out.
    std::vector<std::optional<int>> loads;  // ADAPTIVE, the last told.
    std::vector<std::optional<int>> told;   // In the log.
    std::vector<std::shared_ptr<std::string>> bodies;  // What is being said.
    std::optional<health::LoadController> controller;  // SDN_ADAPTIVE
    bool controller_told = false;  // In the log: that it does not answer.
    std::optional<health::ResponseTimes> times;  // RESPONSE_TIME
  };
  using Place = std::pair<Watched*, size_t>;

  absl::Duration PeriodOf(const Watched& watched) const;
  size_t QuestionsOf(const Watched& watched) const;
  // Of the next question, or of the interval's end.
  Instant DueOf(const Watched& watched) const;
  void Begin(Watched& watched, Instant now);
  void Ask(Watched& watched, size_t question);
  void End(Watched& watched, Instant now);
  std::vector<uint32_t> WeighLoads(Watched& watched);
  std::vector<uint32_t> WeighReport(Watched& watched);
  void OnDone(uint16_t id, const std::optional<health::ProbeDone>& done);
  void OnAlarm();
  void SetAlarm();

  Reactor& reactor_;
  OnChange on_change_;
  const Log log_;
  const absl::Duration response_period_;
  StreamProbes probes_;
  std::vector<std::unique_ptr<Watched>> pools_;
  absl::flat_hash_map<uint16_t, Place> places_;
  Alarm alarm_{reactor_, [this] { OnAlarm(); }};
};

}  // namespace ballast::run

#endif  // LB_RUN_WEIGHT_WATCH_H_
