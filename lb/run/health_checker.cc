#include "lb/run/health_checker.h"

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/siphash.h"

namespace ballast::run {
namespace {

using config::CheckType;
using health::Action;
using health::ProbeResult;

// The phase of its checks: the same after a restart, and another for each of
// the services one server is in.
uint64_t Spread(const HealthChecker::Target& target) {
  std::array<uint8_t, 20> input;
  const auto& address = target.endpoint.address.bytes();
  std::copy(address.begin(), address.end(), input.begin());
  StoreBig16(&input[16], target.endpoint.port);
  StoreBig16(&input[18], target.id);
  return SipHash13(SipKey{}, input);
}

bool SameServer(const HealthChecker::Target& a,
                const HealthChecker::Target& b) {
  return a.endpoint.address == b.endpoint.address &&
         (a.endpoint.port == b.endpoint.port || a.check.port != b.check.port);
}

}  // namespace

HealthChecker::HealthChecker(Reactor& reactor, OnChange on_change,
                             const Options& options)
    : reactor_(reactor),
      on_change_(std::move(on_change)),
      tcp_(reactor, options.source, options.tcp_places,
           [this](uint16_t id, uint32_t probe,
                  std::optional<ProbeResult> result) {
             OnTcpDone(id, probe, result);
           }),
      icmp_(reactor, options.source,
            [this](const health::EchoProbe& probe) { OnEchoReply(probe); }),
      alarm_(reactor, [this] { OnAlarm(); }) {}

// --- Targets ----------------------------------------------------------------

void HealthChecker::SetTargets(const std::vector<Target>& targets) {
  BALLAST_CHECK(!reporting_);
  absl::flat_hash_set<uint16_t> wanted;
  for (const Target& target : targets) {
    BALLAST_CHECK(wanted.insert(target.id).second);  // Each id once.
  }
  std::vector<uint16_t> gone;
  for (const auto& [id, server] : servers_) {
    if (!wanted.contains(id)) gone.push_back(id);
  }
  for (const uint16_t id : gone) Remove(id);
  for (const Target& target : targets) {
    Server* server = Find(target.id);
    if (server != nullptr && !SameServer(server->target, target)) {
      Remove(target.id);
      server = nullptr;
    }
    if (server == nullptr) {
      Add(target);
      continue;
    }
    if (server->target.check == target.check) continue;
    server->target = target;
    Carry(*server, server->state.Reconfigure(reactor_.Now(), target.check));
  }
  SetAlarm();
}

void HealthChecker::Add(const Target& target) {
  auto& server = servers_[target.id];
  server = std::make_unique<Server>(
      Server{target, next_serial_++,
             health::CheckState(target.check, Spread(target), reactor_.Now())});
  Enqueue(*server, server->state.deadline(), /*waiting=*/false);
  if (server->state.up()) Report(*server);
}

void HealthChecker::Remove(uint16_t id) {
  const auto found = servers_.find(id);
  Dequeue(*found->second);
  tcp_.Abort(id);
  servers_.erase(found);
}

HealthChecker::Server* HealthChecker::Find(uint16_t id) {
  const auto found = servers_.find(id);
  return found == servers_.end() ? nullptr : found->second.get();
}

std::optional<HealthChecker::Status> HealthChecker::status(uint16_t id) const {
  const auto found = servers_.find(id);
  if (found == servers_.end()) return std::nullopt;
  const health::CheckState& state = found->second->state;
  return Status{state.up(), state.reason(), state.last_change(),
                state.failures_in_a_row()};
}

HealthChecker::Stats HealthChecker::stats() const {
  Stats stats = stats_;
  stats.icmp_strays = icmp_.strays();
  stats.tcp_in_flight = tcp_.in_flight();
  return stats;
}

// --- One server's steps -----------------------------------------------------

void HealthChecker::Step(Server& server, const health::Event& event) {
  Carry(server, server.state.Step(reactor_.Now(), event));
}

void HealthChecker::Carry(Server& server, const health::Actions& actions) {
  std::optional<ProbeResult> at_once;
  for (const Action& action : actions) {
    switch (action.kind) {
      case Action::Kind::kStartProbe:
        server.probe = action.probe;
        ++stats_.started;
        at_once = StartProbe(server);
        break;
      case Action::Kind::kAbortProbe:
        server.probe.reset();
        tcp_.Abort(server.target.id);
        break;
      case Action::Kind::kReportUp:
      case Action::Kind::kReportDown:
        Report(server);
        break;
    }
  }
  Enqueue(server, server.state.deadline(), /*waiting=*/false);
  if (at_once) OnProbeDone(server, *server.probe, *at_once);
}

void HealthChecker::Report(const Server& server) {
  reporting_ = true;
  on_change_(server.target.id, server.state.up(), server.state.reason());
  reporting_ = false;
}

std::optional<ProbeResult> HealthChecker::StartProbe(Server& server) {
  const Target& target = server.target;
  if (target.check.type == CheckType::kTcp) {
    return tcp_.Start(target.id, *server.probe, target.endpoint);
  }
  return icmp_.Send({server.serial << 16 | target.id, *server.probe},
                    target.endpoint.address);
}

void HealthChecker::OnProbeDone(Server& server, uint32_t probe,
                                ProbeResult result) {
  if (server.probe != probe) return;  // Given up, or a second reply.
  server.probe.reset();
  switch (result) {
    case ProbeResult::kSuccess:
      ++stats_.answered;
      break;
    case ProbeResult::kLocalError:
      ++stats_.local_errors;
      break;
    case ProbeResult::kRefused:
    case ProbeResult::kUnreachable:
      ++stats_.failed;
      break;
  }
  Step(server, health::ProbeDone{probe, result});
}

bool HealthChecker::LacksPlace(const Server& server) const {
  return server.target.check.type == CheckType::kTcp && !server.probe &&
         !tcp_.HasPlaceFor(server.target.id);
}

// Its deadline has come. With no probe under way that starts one.
void HealthChecker::Tick(Server& server) {
  if (server.probe) ++stats_.failed;
  Step(server, health::Tick{});
}

void HealthChecker::OnFlowRefused(uint16_t id) {
  Server* server = Find(id);
  if (server == nullptr || server->waiting || LacksPlace(*server)) return;
  Step(*server, health::FlowRefused{});
  SetAlarm();
}

// --- Queues -----------------------------------------------------------------

void HealthChecker::Enqueue(Server& server, Instant when, bool waiting) {
  if (server.queued == when && server.waiting == waiting) return;
  Dequeue(server);
  if (when == Instant::Never()) return;
  server.queued = when;
  server.waiting = waiting;
  (waiting ? waiting_ : due_).emplace(when, server.target.id);
}

void HealthChecker::Dequeue(Server& server) {
  (server.waiting ? waiting_ : due_).erase({server.queued, server.target.id});
  server.queued = Instant::Never();
  server.waiting = false;
}

void HealthChecker::OnTcpDone(uint16_t id, uint32_t probe,
                              std::optional<ProbeResult> result) {
  Server* server = Find(id);
  if (server != nullptr && result) OnProbeDone(*server, probe, *result);
  ServeWaiting();
  SetAlarm();
}

void HealthChecker::OnEchoReply(const health::EchoProbe& probe) {
  Server* server = Find(static_cast<uint16_t>(probe.server));
  // The upper half of the serial is lost, and 65536 servers of one id ago is
  // long ago.
  if (server == nullptr ||
      (server->serial << 16 | server->target.id) != probe.server) {
    return;
  }
  OnProbeDone(*server, probe.probe, ProbeResult::kSuccess);
  SetAlarm();
}

void HealthChecker::OnAlarm() {
  const Instant now = reactor_.Now();
  while (!due_.empty() && due_.begin()->first <= now) {
    Server& server = *Find(due_.begin()->second);
    if (LacksPlace(server)) {
      ++stats_.waited;
      Enqueue(server, server.queued, /*waiting=*/true);
    } else {
      Tick(server);
    }
  }
  SetAlarm();
}

void HealthChecker::ServeWaiting() {
  while (!waiting_.empty()) {
    Server& server = *Find(waiting_.begin()->second);
    if (LacksPlace(server)) return;
    Tick(server);
  }
}

void HealthChecker::SetAlarm() {
  alarm_.Set(due_.empty() ? Instant::Never() : due_.begin()->first);
}

}  // namespace ballast::run
