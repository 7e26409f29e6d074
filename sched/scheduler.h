// Scheduling: which real server of a virtual service gets the next flow.
//
// One Scheduler per (virtual service, packet thread). It knows its servers by
// their position in the service's configured order, is told what changes
// (health, connections, limits, weights), and answers Pick().
//
//   method                   the server with ...            ties
//   kRoundRobin              the next turn in list order    -
//   kWeightedRoundRobin      turns in proportion to weight  -
//   kLeastConnection         fewest connections             first in list
//   kWeightedLeastConnection fewest connections / weight    first in list
//   kFixedWeighting          the highest weight             first in list
//   kSourceIpHash            the client's slot of 4096      -
//   kUrlHash                 the request's place in list    -
//
// Available  a server is picked only while it is up, its weight is above 0 and
//            it is not full.
// Errors     Create() names what is wrong with its arguments. The rest cannot
//            fail; a server number out of range is the caller's bug.
// Cost       Pick, OnOpen, OnClose, SetFull: at most O(log servers), no
//            allocation. SetUp and SetEffectiveWeight the same, except that
//            source IP hash lays out its table anew (see source_hash_table.h).
// Threads    one.
// Source     LoadMaster's scheduling methods, `rr` `wrr` `lc` `wlc` `fixed`
//            `sh` `uhash`; where its pages leave an edge open, the method's
//            own header says what we chose.
#ifndef SCHED_SCHEDULER_H_
#define SCHED_SCHEDULER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "sched/server_set.h"
#include "sched/source_hash_table.h"

namespace ballast::sched {

enum class Method : uint8_t {
  kRoundRobin,
  kWeightedRoundRobin,
  kLeastConnection,
  kWeightedLeastConnection,
  kFixedWeighting,
  kSourceIpHash,
  kUrlHash,
};

inline constexpr absl::Duration kSlowStartMax = absl::Seconds(600);

// One configured server.
struct ServerState {
  uint32_t weight = 1000;  // 0..kWeightMax; 0 gets nothing, by any method.
  bool up = true;          // Healthy and enabled.
  uint64_t id = 0;         // The same server keeps it over configurations.
};

struct Options {
  Method method = Method::kRoundRobin;
  // Least connection and weighted least connection: how long a server that
  // came up is held back, 0..kSlowStartMax.
  absl::Duration slow_start = absl::ZeroDuration();
  // Source IP hash only. The table may be the control plane's, shared by all
  // threads; without one it is built here from `fill` and the servers (and, by
  // CarryOver(), from the table before).
  Fill fill = Fill::kLoadMaster;
  std::shared_ptr<const SourceHashTable> table = nullptr;
};

class Scheduler {
 public:
  // The servers start as they are given, without slow start.
  //   kInvalidArgument  too many servers, a weight or slow start out of range,
  //                     ids that repeat where the fill needs them, or a table
  //                     that was not built for these servers
  static absl::StatusOr<std::unique_ptr<Scheduler>> Create(
      const Options& options, std::span<const ServerState> servers);
  virtual ~Scheduler() = default;
  Scheduler& operator=(const Scheduler&) = delete;
  // One that goes on from here by itself: to try out what would come.
  virtual std::unique_ptr<Scheduler> Clone() const = 0;

  // The server for a new flow, or nullopt when none is available. Does not
  // count the flow: call OnOpen() once it exists. `hash` is what the methods by
  // hash go by, uniform: SourceHash() of the client's address, or one of the
  // request's host and path.
  virtual std::optional<uint16_t> Pick(Instant now, uint32_t hash) = 0;
  // What Pick() would say, with nothing changed: a copy's word. Allocates.
  std::optional<uint16_t> WouldPick(Instant now, uint32_t hash) const {
    return Clone()->Pick(now, hash);
  }

  // This thread's connections to `server`, one by one.
  void OnOpen(uint16_t server);
  void OnClose(uint16_t server);
  // All other threads' connections to `server`, as last heard.
  void SetForeignConnections(uint16_t server, uint32_t count);

  // At its connection limit, or no longer so. Moves no other client: source IP
  // hash sends a full server's clients to the next available in list order.
  void SetFull(uint16_t server, bool full);
  // Health and enablement. Coming up begins the slow start.
  void SetUp(Instant now, uint16_t server, bool up);
  // Replaces the configured weight until the next call: what adaptive methods
  // move. Source IP hash only asks whether it is 0: its table keeps to the
  // configured weights, so that a load report moves nobody.
  void SetEffectiveWeight(uint16_t server, uint32_t weight);

  // Takes over from the scheduler of the configuration before: for servers
  // with the same id their connections, slow start and, while the configured
  // weight is the same, effective weight; and, when the method is the same, the
  // place in the rotation or what an even source hash table owes to the one
  // before. An available server that was not there before
  // begins its slow start. Full is not taken over: limits may have changed.
  void CarryOver(Instant now, const Scheduler& previous);

  uint16_t server_count() const {
    return static_cast<uint16_t>(servers_.size());
  }
  // Own and foreign.
  uint32_t connections(uint16_t server) const;
  // Without slow start.
  uint32_t effective_weight(uint16_t server) const;
  bool available(uint16_t server) const { return available_.Contains(server); }

 protected:
  enum class Change : uint8_t { kConnections, kFull, kUp, kWeight };

  struct Server {
    uint32_t weight;  // Effective.
    uint32_t own = 0;
    uint32_t foreign = 0;
    bool up;
    bool full = false;
    // When the slow start began; Instant::Never() when there is none.
    Instant up_since = Instant::Never();
    uint64_t id;
    uint32_t configured_weight;

    uint32_t connections() const;
    bool eligible() const { return up && weight > 0; }
    bool available() const { return eligible() && !full; }
  };

  Scheduler(const Options& options, std::span<const ServerState> servers);
  Scheduler(const Scheduler&) = default;

  // Rebuilds whatever the method keeps about its servers.
  virtual void Reset() {}
  // `server` has changed; available_ is up to date.
  virtual void Changed(uint16_t server, Change change);
  // Goes on in the rotation where `previous`, of the same method, was. Its
  // server i is now at now_at[i], or kNoServer.
  virtual void CarryTurn(const Scheduler& previous,
                         std::span<const uint16_t> now_at);

  std::vector<Server> servers_;
  ServerSet available_;
  const Method method_;

 private:
  Server& At(uint16_t server);
  void Update(uint16_t server, Change change);
};

}  // namespace ballast::sched

#endif  // SCHED_SCHEDULER_H_
