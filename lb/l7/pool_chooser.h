// Which server of a pool takes the next request or stream, on one thread: the
// scheduler, and who of its servers is available.
//
// Rules (LoadMaster behaviour)
//   C1  a server is available when enabled, healthy, of positive weight and
//       below its connection limit (§4.7)
//   C2  a pool is up with at least servers_min servers available and every
//       critical one; otherwise its sorry server takes what is new (§5.4, §5.5)
//       (open on all threads; LC and WLC see the others' as it was at most
//       kForeignPause ago, limits as it is)
//   C3  ours: a server that could not be reached is avoided for kAvoid, while
//       another is available
//
// Ids      of servers, not 0: the caller's, the same on all threads, kept while
//          a server is configured, over any number of Apply().
// Cost     Pick: the scheduler's; every kForeignPause a look at the other
//          threads' counts of each server, where they matter. No allocation.
// Threads  one.
#ifndef LB_L7_POOL_CHOOSER_H_
#define LB_L7_POOL_CHOOSER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "lb/config/server_pool.h"
#include "lb/l7/application.h"
#include "lb/l7/server_counters.h"
#include "persist/follow.h"
#include "sched/scheduler.h"

namespace ballast::l7 {

class PoolChooser {
 public:
  static constexpr absl::Duration kAvoid = absl::Seconds(5);
  static constexpr absl::Duration kForeignPause = absl::Milliseconds(1);
  using Counters = std::vector<std::shared_ptr<ServerCounters>>;

  // `thread`: its number in the counters.
  explicit PoolChooser(size_t thread = 0) : thread_(thread) {}

  // One that goes on from here by itself, with counters of its own: to try out
  // what would come. Allocates.
  PoolChooser Clone() const;
  // Why servers take nothing new, one each: "10.0.0.1:80: down".
  std::vector<std::string> Obstacles() const;

  // One id for each server of `pool`, and one of `counters`, which all threads
  // share; empty: this thread is the only one. A new server is healthy until a
  // check says otherwise.
  void Apply(Instant now, const config::ServerPool& pool,
             std::span<const uint32_t> ids, const Counters& counters = {});

  // It will not be asked again: what is open here is counted no more.
  void Leave() { Uncount({}); }

  // A server for something new. `hash` is for the schedules by hash. nullopt:
  // C2, and no sorry server.
  struct Picked {
    uint32_t id = 0;  // 0: the sorry server.
    Endpoint endpoint;
  };
  std::optional<Picked> Pick(Instant now, uint32_t hash);
  // For whoever picks in the scheduler's place: the servers as configured, and
  // the one at a place in that list; nullopt: not available.
  void ListCandidates(Instant now, std::vector<Candidate>* candidates);
  std::optional<Picked> PickAt(size_t position) const;
  // The same, of the servers other than these; nullopt also if there is none.
  std::optional<Picked> PickOther(Instant now, uint32_t hash,
                                  std::span<const uint32_t> ids);
  // Where a persistence entry leads to.
  persist::ServerStanding Standing(uint32_t id) const;
  Endpoint EndpointOf(uint32_t id) const;  // Of one that Has().

  // Open requests or streams, one by one. A server that is not configured any
  // more is nothing.
  void OnOpen(uint32_t id);
  void OnClose(uint32_t id);
  // C3.
  void OnUnreachable(Instant now, uint32_t id);

  void SetHealthy(Instant now, uint32_t id, bool healthy);
  // In place of the configured weight, with a schedule whose weights move; with
  // others it is the configured one again. Holds over Apply() while that is the
  // same. True: up() is another.
  bool SetWeight(uint32_t id, uint32_t weight);

  // C2.
  bool up() const { return up_; }
  bool Has(uint32_t id) const { return positions_.contains(id); }
  // Null: not configured.
  std::shared_ptr<ServerCounters> counters(uint32_t id) const;

 private:
  struct Server {
    uint32_t id = 0;
    bool healthy = true;
    std::shared_ptr<ServerCounters> counters;
    uint32_t open = 0;                            // On this thread.
    Instant avoid_until = Instant::FromNanos(0);  // 0: not avoided.
    std::optional<Instant> drains_since;
  };

  uint64_t OpenElsewhere(size_t position) const {
    return servers_[position].counters->OpenElsewhere(thread_);
  }
  // What is open to those that are not among `ids` is counted no more.
  void Uncount(std::span<const uint32_t> ids);
  void UpdateForeign(Instant now);
  bool Schedulable(size_t position) const;
  bool Full(size_t position) const;
  uint32_t WeightOf(size_t position) const {
    return scheduler_->effective_weight(static_cast<uint16_t>(position));
  }
  void UpdateFull(size_t position);
  void UpdateUp();
  void EndAvoiding(Instant now);

  size_t thread_;
  config::ServerPool config_;
  std::vector<Server> servers_;  // As configured.
  absl::flat_hash_map<uint32_t, size_t> positions_;
  std::unique_ptr<sched::Scheduler> scheduler_;
  bool up_ = false;
  Instant avoid_deadline_ = Instant::Never();
  Instant next_foreign_ = Instant::FromNanos(0);  // Never(): nobody else.
};

}  // namespace ballast::l7

#endif  // LB_L7_POOL_CHOOSER_H_
