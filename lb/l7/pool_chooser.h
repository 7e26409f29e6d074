// Which server of a pool takes the next request or stream, on one thread: the
// scheduler, and who of its servers is available.
//
// Rules (LoadMaster behaviour)
//   C1  a server is available when enabled, healthy, of positive weight and
//       below its connection limit (§4.7)
//   C2  a pool is up with at least servers_min servers available and every
//       critical one; otherwise its sorry server takes what is new (§5.4, §5.5)
//   C3  ours: a server that could not be reached is avoided for kAvoid, while
//       another is available
//
// Ids      of servers, not 0: the caller's, the same on all threads, kept while
//          a server is configured, over any number of Apply().
// Cost     Pick: the scheduler's. No allocation.
// Threads  one.
#ifndef LB_L7_POOL_CHOOSER_H_
#define LB_L7_POOL_CHOOSER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "lb/config/server_pool.h"
#include "lb/l7/application.h"
#include "persist/follow.h"
#include "sched/scheduler.h"

namespace ballast::l7 {

class PoolChooser {
 public:
  static constexpr absl::Duration kAvoid = absl::Seconds(5);

  // One id for each server of `pool`. A new server is healthy until a check
  // says otherwise.
  void Apply(Instant now, const config::ServerPool& pool,
             std::span<const uint32_t> ids);

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

  // C2.
  bool up() const { return up_; }
  bool Has(uint32_t id) const { return positions_.contains(id); }
  uint32_t open(uint32_t id) const;
  uint64_t opened(uint32_t id) const;  // Ever.

 private:
  struct Server {
    uint32_t id = 0;
    bool healthy = true;
    uint32_t open = 0;
    uint64_t opened = 0;
    Instant avoid_until = Instant::FromNanos(0);  // 0: not avoided.
    Instant drain_end = Instant::FromNanos(0);
  };

  bool Schedulable(size_t position) const;
  bool Full(size_t position) const;
  void UpdateFull(size_t position);
  void UpdateUp();
  void EndAvoiding(Instant now);

  config::ServerPool config_;
  std::vector<Server> servers_;  // As configured.
  absl::flat_hash_map<uint32_t, size_t> positions_;
  std::unique_ptr<sched::Scheduler> scheduler_;
  bool up_ = false;
  Instant avoid_deadline_ = Instant::Never();
};

}  // namespace ballast::l7

#endif  // LB_L7_POOL_CHOOSER_H_
