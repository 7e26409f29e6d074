#include "lb/run/weight_watch.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lb/health/controller_report.h"
#include "lb/health/fetch_dialogue.h"

namespace ballast::run {
namespace {

using config::Schedule;

constexpr size_t kLoadBytesMax = 4096;

std::string InUrl(const Address& address) {
  return address.is_v4() ? address.ToString()
                         : absl::StrCat("[", address.ToString(), "]");
}

std::vector<uint32_t> ConfiguredOf(const WeightWatch::Pool& pool) {
  std::vector<uint32_t> weights;
  for (const auto& member : pool.members) weights.push_back(member.configured);
  return weights;
}

}  // namespace

WeightWatch::WeightWatch(Reactor& reactor, const Options& options,
                         OnChange on_change, Log log)
    : reactor_(reactor),
      on_change_(std::move(on_change)),
      log_(std::move(log)),
      response_period_(options.response_period),
      probes_(
          reactor, options.source,
          [this](uint16_t id, uint32_t, std::optional<health::ProbeDone> done) {
            OnDone(id, done);
          }) {}

void WeightWatch::SetPools(std::vector<Pool> pools) {
  std::vector<std::unique_ptr<Watched>> before = std::move(pools_);
  pools_.clear();
  places_.clear();
  const Instant now = reactor_.Now();
  for (Pool& pool : pools) {
    if (pool.members.empty()) continue;
    const auto same =
        std::find_if(before.begin(), before.end(), [&](const auto& watched) {
          return watched != nullptr && watched->pool == pool;
        });
    if (same != before.end()) {
      pools_.push_back(std::move(*same));
    } else {
      auto watched = std::make_unique<Watched>();
      watched->pool = std::move(pool);
      watched->weights = ConfiguredOf(watched->pool);
      watched->loads.resize(watched->pool.members.size());
      watched->told.resize(watched->pool.members.size());
      if (watched->pool.schedule == Schedule::kSdnAdaptive) {
        watched->controller.emplace(watched->weights,
                                    watched->pool.adaptive.idle_percent,
                                    watched->pool.adaptive.least_percent);
      } else if (watched->pool.schedule == Schedule::kResponseTime) {
        watched->times.emplace(watched->weights);
      }
      Begin(*watched, now);
      pools_.push_back(std::move(watched));
    }
    Watched& watched = *pools_.back();
    for (size_t i = 0; i < watched.pool.members.size(); ++i) {
      places_[watched.pool.members[i].id] = {&watched, i};
    }
  }
  for (const auto& watched : before) {
    if (watched == nullptr) continue;
    for (const Member& member : watched->pool.members) {
      probes_.Abort(member.id);
    }
  }
  SetAlarm();
}

void WeightWatch::OnAnswered(uint16_t id, absl::Duration time) {
  const auto found = places_.find(id);
  if (found == places_.end()) return;
  const auto& [watched, place] = found->second;
  if (watched->times) watched->times->Add(place, time);
}

std::optional<uint32_t> WeightWatch::weight(uint16_t id) const {
  const auto found = places_.find(id);
  if (found == places_.end()) return std::nullopt;
  return found->second.first->weights[found->second.second];
}

absl::Duration WeightWatch::PeriodOf(const Watched& watched) const {
  return watched.times ? response_period_ : watched.pool.adaptive.interval;
}

size_t WeightWatch::QuestionsOf(const Watched& watched) const {
  if (watched.times) return 0;
  if (watched.controller) return watched.pool.adaptive.controller ? 1 : 0;
  return watched.pool.members.size();
}

Instant WeightWatch::DueOf(const Watched& watched) const {
  const absl::Duration period = PeriodOf(watched);
  const auto questions = static_cast<int64_t>(QuestionsOf(watched));
  const auto asked = static_cast<int64_t>(watched.asked);
  if (asked == questions) return watched.began + period;
  return watched.began + period / 2 * asked / questions;
}

void WeightWatch::Begin(Watched& watched, Instant now) {
  watched.began = now;
  watched.asked = 0;
  watched.bodies.assign(QuestionsOf(watched), nullptr);
}

void WeightWatch::Ask(Watched& watched, size_t question) {
  const config::Adaptive& adaptive = watched.pool.adaptive;
  const Member& member = watched.pool.members[question];
  const Address& to =
      watched.controller ? *adaptive.controller : member.address;
  if (probes_.in_flight() >= kPlacesMax && !probes_.MakeRoom()) return;
  watched.loads[question] = std::nullopt;
  auto body = std::make_shared<std::string>();
  StreamProbes::Talk talk;
  talk.dialogue = std::make_unique<health::FetchDialogue>(
      adaptive.url, InUrl(to),
      watched.controller ? health::kControllerReportBytesMax : kLoadBytesMax,
      body);
  // What could not be sent has no answer.
  if (!probes_.Start(member.id, 0, {to, adaptive.port}, std::move(talk))) {
    watched.bodies[question] = std::move(body);
  }
}

void WeightWatch::OnDone(uint16_t id,
                         const std::optional<health::ProbeDone>& done) {
  const auto found = places_.find(id);
  if (!done || found == places_.end()) return;
  Watched& watched = *found->second.first;
  const size_t place = found->second.second;
  if (watched.times || place >= watched.bodies.size()) return;
  std::shared_ptr<std::string>& body = watched.bodies[place];
  if (done->result != health::ProbeResult::kSuccess) {
    body = nullptr;
  } else if (!watched.controller && body != nullptr) {
    watched.loads[place] = health::ParseLoad(*body);
  }
}

std::vector<uint32_t> WeightWatch::WeighLoads(Watched& watched) {
  std::vector<health::LoadedServer> servers;
  for (size_t i = 0; i < watched.pool.members.size(); ++i) {
    const Member& member = watched.pool.members[i];
    const std::optional<int>& load = watched.loads[i];
    servers.push_back({member.configured, load});
    std::optional<int>& told = watched.told[i];
    const bool matters = [&](const std::optional<int>& value) {
      return value.value_or(0) > health::kLoadMax;
    }(load) || told.value_or(0) > health::kLoadMax;
    if (matters && load != told) {
      log_({LogLevel::kInfo,
            "server_load",
            absl::StrCat(
                watched.pool.name, ": server ", member.address.ToString(),
                load == health::kLoadDown ? " says that it is down: load 101"
                : load == health::kLoadDisabled
                    ? " says that it is disabled: load 102"
                    : " takes part again"),
            {{"service", watched.pool.name},
             {"server", member.address.ToString()}}});
    }
    told = load;
  }
  return health::LoadWeights(
      servers, {.idle_percent = watched.pool.adaptive.idle_percent,
                .least_percent = watched.pool.adaptive.least_percent});
}

std::vector<uint32_t> WeightWatch::WeighReport(Watched& watched) {
  std::vector<std::optional<double>> loads(watched.pool.members.size());
  std::string why = "no answer";
  if (!watched.bodies.empty() && watched.bodies[0] != nullptr &&
      !watched.bodies[0]->empty()) {
    const auto report = health::ParseControllerReport(*watched.bodies[0]);
    if (report.ok()) {
      why.clear();
      for (size_t i = 0; i < loads.size(); ++i) {
        const auto known = report->find(watched.pool.members[i].address);
        if (known != report->end()) loads[i] = known->second;
      }
    } else {
      why = std::string(report.status().message());
    }
  }
  const bool asked = watched.pool.adaptive.controller.has_value();
  if (asked && watched.controller_told == why.empty()) {
    watched.controller_told = !why.empty();
    const std::string controller = watched.pool.adaptive.controller->ToString();
    log_({why.empty() ? LogLevel::kInfo : LogLevel::kWarning,
          why.empty() ? "controller_up" : "controller_down",
          absl::StrCat(watched.pool.name, ": controller ", controller, ": ",
                       why.empty() ? "answers" : why),
          {{"service", watched.pool.name}, {"controller", controller}}});
  }
  return watched.controller->Step(loads);
}

void WeightWatch::End(Watched& watched, Instant now) {
  if (!watched.times) {
    for (const Member& member : watched.pool.members) probes_.Abort(member.id);
  }
  std::vector<uint32_t> weights = watched.times        ? watched.times->Weigh()
                                  : watched.controller ? WeighReport(watched)
                                                       : WeighLoads(watched);
  Begin(watched, now);
  if (weights == watched.weights) return;
  watched.weights = std::move(weights);
  on_change_();
}

void WeightWatch::OnAlarm() {
  const Instant now = reactor_.Now();
  for (const auto& watched : pools_) {
    // An end begins the next interval: at most its first question is due.
    while (DueOf(*watched) <= now) {
      if (watched->asked < QuestionsOf(*watched)) {
        Ask(*watched, watched->asked++);
      } else {
        End(*watched, now);
      }
    }
  }
  SetAlarm();
}

void WeightWatch::SetAlarm() {
  Instant next = Instant::Never();
  for (const auto& watched : pools_) next = std::min(next, DueOf(*watched));
  alarm_.Set(next);
}

}  // namespace ballast::run
