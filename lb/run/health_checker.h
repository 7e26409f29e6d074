// Checks real servers on the control thread and reports which are up: carries
// out what health::CheckState decides, one for each server, over a Reactor.
//
// Load     at most Options::tcp_places sockets at a time, but for ICMP's two. A
//          check that finds no place waits for one, its timeout not yet
//          running: too many dead servers make checks rarer, never live servers
//          dead.
// Stalls   an answer that came while the thread was held up counts: a reactor's
//          turn delivers what has arrived before its timeouts. (epoll: the
//          first 256 descriptors; a probe failed for that is one in a row.)
// Follow   a server that follows another is up while both are; reports and
//          status() tell of that.
// Cost     O(log servers) a probe, beside its system calls; one timer.
// Threads  the reactor's.
// Source   lb/health/check_state.h, stream_check.h and following.h;
//          lb/run/tcp_probes.h, stream_probes.h, icmp_probes.h and
//          dns_probes.h.
#ifndef LB_RUN_HEALTH_CHECKER_H_
#define LB_RUN_HEALTH_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "lb/config/model.h"
#include "lb/health/check_state.h"
#include "lb/health/following.h"
#include "lb/health/stream_check.h"
#include "lb/run/alarm.h"
#include "lb/run/dns_probes.h"
#include "lb/run/icmp_probes.h"
#include "lb/run/probe_source.h"
#include "lb/run/server_health.h"
#include "lb/run/stream_probes.h"
#include "lb/run/tcp_probes.h"

namespace ballast::run {

class HealthChecker {
 public:
  struct Target {
    uint16_t id = 0;    // The caller's own; its slot in the plan, say.
    Endpoint endpoint;  // With the port to check, whatever check.port says.
    config::HealthCheck check;
    // With Options::following: who it is, for those that follow it, and whom it
    // follows.
    std::optional<config::ServerIdentity> identity{};
    std::optional<config::ServerIdentity> follow{};

    friend bool operator==(const Target&, const Target&) = default;
  };
  // Called when a server changes, from the reactor's turns and SetTargets().
  // May ask for status(); must not call SetTargets() or destroy the checker.
  using OnChange =
      absl::AnyInvocable<void(uint16_t id, bool up, health::Reason reason)>;
  struct Options {
    ProbeSource source;
    size_t tcp_places = TcpProbes::kPlacesMax;
    health::Following* following = nullptr;  // Outlives the checker.
    // A probe was answered after `time`.
    std::function<void(uint16_t id, absl::Duration time)> on_answer{};
  };

  // The reactor may be destroyed before the checker, or after; with dialogues
  // under way, after.
  HealthChecker(Reactor& reactor, OnChange on_change, const Options& options);
  HealthChecker(Reactor& reactor, OnChange on_change)
      : HealthChecker(reactor, std::move(on_change), Options()) {}
  HealthChecker(const HealthChecker&) = delete;
  HealthChecker& operator=(const HealthChecker&) = delete;
  ~HealthChecker();

  // Checks exactly these; each id once.
  //   new      down, unreported, until it answers; with check type none up,
  //            and reported so, at once. An id that names another server is
  //            new: another address, or another port though check.port is the
  //            same.
  //   changed  as CheckState::Reconfigure(): stays what it is until checked.
  //   same     nothing happens.
  //   gone     its probe ends untold, nothing is reported.
  void SetTargets(const std::vector<Target>& targets);

  // The server answered a client's SYN with a RST: check it now.
  void OnFlowRefused(uint16_t id);

  struct Status {
    bool up;
    health::Reason reason;
    std::string text;  // "HTTP status 503".
    Instant last_change;
    int failures_in_a_row;
  };
  // nullopt: no such target.
  std::optional<Status> status(uint16_t id) const;
  bool up(uint16_t id) const {
    const auto found = servers_.find(id);
    return found != servers_.end() && found->second->up;
  }

  // Since the beginning, but `in_flight`. A probe that was started and is in
  // none of the others was abandoned, or is under way.
  struct Stats {
    uint64_t started = 0;
    uint64_t answered = 0;
    uint64_t failed = 0;        // Refused, unreachable, wrong or timed out.
    uint64_t local_errors = 0;  // Not sent, for a reason of this host's.
    uint64_t waited = 0;        // Probes that waited for a place.
    uint64_t icmp_strays = 0;   // Packets that answer no probe of ours.
    size_t tcp_in_flight = 0;   // Sockets now, but for ICMP's.
  };
  Stats stats() const;

 private:
  struct Server {
    Target target;
    uint32_t serial;  // Tells it from earlier servers of the same id.
    health::CheckState state;
    std::shared_ptr<const health::StreamCheck> stream{};  // Null: none.
    bool up = false;                                      // As reported.
    Instant last_change{};                                // Of `up`.
    std::optional<uint32_t> probe{};                      // Under way.
    Instant probe_began{};
    Instant queued = Instant::Never();  // Its key in due_ or waiting_.
    bool waiting = false;
    std::optional<health::Following::Handle> follows{};
  };
  // Earliest first.
  using Queue = std::set<std::pair<Instant, uint16_t>>;

  Server* Find(uint16_t id);
  void Add(const Target& target,
           std::shared_ptr<const health::StreamCheck> stream);
  void Remove(uint16_t id);

  void Step(Server& server, const health::Event& event);
  void Carry(Server& server, const health::Actions& actions);
  bool FollowedUp(const Server& server) const;
  void Follow(Server& server);
  void Unfollow(Server& server);
  void Forget(const Server& server);
  // Reports it, if it is another than before, and tells its followers.
  void Update(Server& server);
  std::optional<health::ProbeResult> StartProbe(Server& server);
  void OnProbeDone(Server& server, const health::ProbeDone& done);
  size_t places_taken() const;
  bool LacksPlace(const Server& server);
  void Tick(Server& server);
  void Enqueue(Server& server, Instant when, bool waiting);
  void Dequeue(Server& server);

  void OnDone(uint16_t id, const std::optional<health::ProbeDone>& done);
  void OnEchoReply(const health::EchoProbe& probe);
  void OnAlarm();
  void ServeWaiting();
  void SetAlarm();

  Reactor& reactor_;
  OnChange on_change_;
  const size_t places_;
  health::Following* const following_;
  const std::function<void(uint16_t id, absl::Duration time)> on_answer_;
  TcpProbes tcp_;
  StreamProbes streams_;
  DnsProbes dns_;
  IcmpProbes icmp_;
  Alarm alarm_;
  absl::flat_hash_map<uint16_t, std::unique_ptr<Server>> servers_;
  Queue due_;      // By the state's deadline.
  Queue waiting_;  // Due, but without a place for the connection.
  Stats stats_;
  uint32_t next_serial_ = 0;
  bool reporting_ = false;
};

// A status as statistics tell it.
inline ServerHealth HealthShown(const HealthChecker::Status& status,
                                Instant now, std::optional<uint32_t> weight) {
  return {status.up, status.text,
          static_cast<uint64_t>(absl::ToInt64Seconds(now - status.last_change)),
          weight};
}

}  // namespace ballast::run

#endif  // LB_RUN_HEALTH_CHECKER_H_
