#include "lb/run/health_checker.h"

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/siphash.h"

namespace ballast::run {
namespace {

using config::CheckType;
using health::Action;
using health::ProbeDone;
using health::ProbeResult;

std::optional<ProbeDone> DoneOf(uint32_t probe,
                                std::optional<ProbeResult> result) {
  if (!result) return std::nullopt;
  return ProbeDone{probe, *result};
}

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

bool UsesSocket(config::CheckType type) {
  return type != CheckType::kNone && type != CheckType::kIcmp;
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
      places_(options.tcp_places),
      following_(options.following),
      on_answer_(options.on_answer),
      tcp_(reactor, options.source, options.tcp_places,
           [this](uint16_t id, uint32_t probe,
                  std::optional<ProbeResult> result) {
             OnDone(id, DoneOf(probe, result));
           }),
      streams_(reactor, options.source,
               [this](uint16_t id, uint32_t, std::optional<ProbeDone> done) {
                 OnDone(id, done);
               }),
      dns_(reactor, options.source,
           [this](uint16_t id, uint32_t probe,
                  std::optional<ProbeResult> result) {
             OnDone(id, DoneOf(probe, result));
           }),
      icmp_(reactor, options.source,
            [this](const health::EchoProbe& probe) { OnEchoReply(probe); }),
      alarm_(reactor, [this] { OnAlarm(); }) {}

HealthChecker::~HealthChecker() {
  for (const auto& [id, server] : servers_) Unfollow(*server);
}

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
  // Neighbours have the same check, as a rule: they share what it is made of.
  const Target* last = nullptr;
  std::shared_ptr<const health::StreamCheck> made;
  const auto stream_of = [&](const Target& target) {
    if (last == nullptr || last->check != target.check ||
        last->endpoint.port != target.endpoint.port) {
      made = health::StreamCheck::Create(target.check, target.endpoint.port);
      last = &target;
    }
    return made;
  };
  for (const Target& target : targets) {
    Server* server = Find(target.id);
    if (server != nullptr && !SameServer(server->target, target)) {
      Remove(target.id);
      server = nullptr;
    }
    if (server == nullptr) {
      Add(target, stream_of(target));
      continue;
    }
    if (server->target == target) continue;
    if (server->target.check != target.check ||
        server->target.endpoint != target.endpoint) {
      server->stream = stream_of(target);
    }
    Unfollow(*server);
    if (server->target.identity != target.identity) Forget(*server);
    server->target = target;
    Follow(*server);
    Carry(*server, server->state.Reconfigure(reactor_.Now(), target.check));
    Update(*server);
  }
  SetAlarm();
}

void HealthChecker::Add(const Target& target,
                        std::shared_ptr<const health::StreamCheck> stream) {
  auto& server = servers_[target.id];
  server = std::make_unique<Server>(
      Server{target, next_serial_++,
             health::CheckState(target.check, Spread(target), reactor_.Now())});
  server->stream = std::move(stream);
  server->last_change = reactor_.Now();
  Enqueue(*server, server->state.deadline(), /*waiting=*/false);
  Follow(*server);
  Update(*server);
}

void HealthChecker::Remove(uint16_t id) {
  const auto found = servers_.find(id);
  Dequeue(*found->second);
  Unfollow(*found->second);
  Forget(*found->second);
  tcp_.Abort(id);
  streams_.Abort(id);
  dns_.Abort(id);
  servers_.erase(found);
}

HealthChecker::Server* HealthChecker::Find(uint16_t id) {
  const auto found = servers_.find(id);
  return found == servers_.end() ? nullptr : found->second.get();
}

std::optional<HealthChecker::Status> HealthChecker::status(uint16_t id) const {
  const auto found = servers_.find(id);
  if (found == servers_.end()) return std::nullopt;
  const Server& server = *found->second;
  const health::CheckState& state = server.state;
  Status status{server.up, state.reason(), state.reason_text(),
                server.last_change, state.failures_in_a_row()};
  if (state.up() && !FollowedUp(server)) {
    status.reason = health::Reason::kFollows;
    status.text = absl::StrCat(
        "follows ", server.target.follow->server.ToString(), " of ",
        server.target.follow->service.ToString(), ", which is down");
  }
  return status;
}

HealthChecker::Stats HealthChecker::stats() const {
  Stats stats = stats_;
  stats.icmp_strays = icmp_.strays();
  stats.tcp_in_flight = places_taken();
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
        server.probe_began = reactor_.Now();
        ++stats_.started;
        at_once = StartProbe(server);
        break;
      case Action::Kind::kAbortProbe:
        server.probe.reset();
        tcp_.Abort(server.target.id);
        streams_.Abort(server.target.id);
        dns_.Abort(server.target.id);
        break;
      case Action::Kind::kReportUp:
      case Action::Kind::kReportDown:
        Update(server);
        break;
    }
  }
  Enqueue(server, server.state.deadline(), /*waiting=*/false);
  if (at_once) OnProbeDone(server, {*server.probe, *at_once});
}

bool HealthChecker::FollowedUp(const Server& server) const {
  return !server.follows || following_->Up(*server.target.follow);
}

void HealthChecker::Follow(Server& server) {
  if (following_ == nullptr || !server.target.follow) return;
  server.follows = following_->Follow(*server.target.follow,
                                      [this, &server] { Update(server); });
}

void HealthChecker::Unfollow(Server& server) {
  if (!server.follows) return;
  following_->Unfollow(*server.follows);
  server.follows.reset();
}

void HealthChecker::Forget(const Server& server) {
  if (following_ == nullptr || !server.target.identity) return;
  following_->Forget(*server.target.identity);
}

void HealthChecker::Update(Server& server) {
  const bool up = server.state.up() && FollowedUp(server);
  if (up != server.up) {
    server.up = up;
    server.last_change = reactor_.Now();
    reporting_ = true;
    on_change_(server.target.id, up, status(server.target.id)->reason);
    reporting_ = false;
  }
  if (following_ != nullptr && server.target.identity) {
    following_->Set(*server.target.identity, up);
  }
}

std::optional<ProbeResult> HealthChecker::StartProbe(Server& server) {
  const Target& target = server.target;
  if (server.stream != nullptr) {
    return streams_.Start(target.id, *server.probe, target.endpoint,
                          {.dialogue = server.stream->NewDialogue(),
                           .tls = server.stream->tls(),
                           .server_name = server.stream->server_name()});
  }
  if (target.check.type == CheckType::kTcp) {
    return tcp_.Start(target.id, *server.probe, target.endpoint);
  }
  if (target.check.type == CheckType::kDns) {
    return dns_.Start(target.id, *server.probe, target.endpoint);
  }
  return icmp_.Send({server.serial << 16 | target.id, *server.probe},
                    target.endpoint.address);
}

void HealthChecker::OnProbeDone(Server& server, const ProbeDone& done) {
  if (server.probe != done.probe) return;  // Given up, or a second reply.
  server.probe.reset();
  switch (done.result) {
    case ProbeResult::kSuccess:
      ++stats_.answered;
      if (on_answer_) {
        on_answer_(server.target.id, reactor_.Now() - server.probe_began);
      }
      break;
    case ProbeResult::kLocalError:
      ++stats_.local_errors;
      break;
    case ProbeResult::kRefused:
    case ProbeResult::kUnreachable:
    case ProbeResult::kRejected:
      ++stats_.failed;
      break;
  }
  Step(server, done);
}

size_t HealthChecker::places_taken() const {
  return tcp_.in_flight() + streams_.in_flight() + dns_.in_flight();
}

// A TCP probe that was aborted and has not quite ended leaves its place to the
// server's next.
bool HealthChecker::LacksPlace(const Server& server) {
  const CheckType type = server.target.check.type;
  if (server.probe || !UsesSocket(type) || places_taken() < places_) {
    return false;
  }
  if (type == CheckType::kTcp && tcp_.Holds(server.target.id)) return false;
  return !streams_.MakeRoom();
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

void HealthChecker::OnDone(uint16_t id, const std::optional<ProbeDone>& done) {
  Server* server = Find(id);
  if (server != nullptr && done) OnProbeDone(*server, *done);
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
  OnProbeDone(*server, {probe.probe, ProbeResult::kSuccess});
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
