// A TrafficMeter for each client that has limits of its own: a table of fixed
// size, by a keyed hash of who the client is.
//
// Clients  an IPv4 address; of IPv6 the /64, since a host has all of one.
// Bounds   `clients_max`, rounded up to whole sets of 16 places; a client has
//          its place in one set. A meter that is idle (traffic_meter.h) gives
//          its place away and loses nothing by that, so a client needs one
//          only while it is connected and for a second after. No place: null,
//          counted in full(). The caller lets such a client pass: otherwise
//          strangers with many addresses could keep everybody out.
// Memory   48 B a place.
// Cost     Acquire: a lock on one of 64 shards, 16 places looked at. Release:
//          one atomic store.
// Threads  any.
#ifndef LB_L7_CLIENT_METERS_H_
#define LB_L7_CLIENT_METERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "absl/functional/function_ref.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/base/siphash.h"
#include "lb/l7/traffic_meter.h"

namespace ballast::l7 {

class ClientMeters {
 public:
  // `key`: unpredictable.
  ClientMeters(size_t clients_max, const SipKey& key);

  struct Held {
    TrafficMeter meter;
    std::atomic<uint32_t> holders{0};
    uint32_t domain = 0;  // These two under the shard's lock.
    uint64_t digest = 0;  // 0: free.
  };
  // The client's meter in `domain` (a service's number, say), the caller's to
  // use until Release(). Null: no place.
  Held* Acquire(Instant now, uint32_t domain, const Address& client);
  static void Release(Held* held) {
    held->holders.fetch_sub(1, std::memory_order_release);
  }

  // Calls with the client's meter, under its shard's lock, if it has one.
  void With(uint32_t domain, const Address& client,
            absl::FunctionRef<void(const TrafficMeter&)> visit);
  // All meters of `domain`, under their shards' locks.
  void ForEach(uint32_t domain, absl::FunctionRef<void(TrafficMeter&)> visit);
  uint64_t full() const { return full_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kWays = 16;
  static constexpr size_t kShards = 64;
  struct alignas(64) Shard {
    std::mutex mutex;
  };

  const SipKey key_;
  const size_t sets_;  // A power of two.
  std::unique_ptr<Held[]> places_;
  std::array<Shard, kShards> shards_;  // By the number of the set.
  std::atomic<uint64_t> full_{0};
};

}  // namespace ballast::l7

#endif  // LB_L7_CLIENT_METERS_H_
