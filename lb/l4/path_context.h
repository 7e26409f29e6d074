// What the parts of one packet thread's director share: the plan, the hops, the
// servers as the fast path reads them, and the counters.
//
// Threads  one, except counters(): any thread may read those.
#ifndef LB_L4_PATH_CONTEXT_H_
#define LB_L4_PATH_CONTEXT_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "io/base/frame.h"
#include "io/base/instant.h"
#include "lb/l4/connection.h"
#include "lb/l4/counters.h"
#include "lb/l4/drop_reason.h"
#include "lb/l4/flow.h"
#include "lb/l4/fragment_table.h"
#include "lb/l4/icmp.h"
#include "lb/l4/next_hop.h"
#include "lb/l4/packet.h"
#include "lb/l4/plan.h"
#include "lb/l4/rewrite.h"
#include "lb/l4/server_choice.h"
#include "lb/l4/teller.h"
#include "lb/l4/unbound_store.h"
#include "lb/l4/waiting_room.h"

namespace ballast::l4 {

// What becomes of a frame. (Aligned to be copied as one: in an optional, byte
// by byte stored and read as a pair, it would stall on every packet.)
struct alignas(2) Verdict {
  enum class Action : uint8_t {
    kSend,  // Ready: send it out of frame.port.
    kDrop,  // Release it; `reason` says why, and it has been counted.
    kHeld,  // The director keeps it until a later Emit().
  };
  Action action = Action::kDrop;
  DropReason reason = DropReason::kNone;
};

// Counters by slot, at addresses that never change, so that readers need no
// lock: chunks are added, never moved.
template <typename T>
class CounterChunks {
 public:
  CounterChunks() = default;
  ~CounterChunks() {
    for (auto& chunk : chunks_) delete[] chunk.load();
  }
  // The owning thread's: makes room for `slot`.
  T& Reserve(Slot slot) {
    std::atomic<T*>& chunk = chunks_[slot / kChunk];
    if (chunk.load(std::memory_order_relaxed) == nullptr) {
      chunk.store(new T[kChunk], std::memory_order_release);
    }
    return chunk.load(std::memory_order_relaxed)[slot % kChunk];
  }
  // Any thread's: null if there has never been such a slot.
  const T* Get(Slot slot) const {
    const T* chunk = chunks_[slot / kChunk].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : &chunk[slot % kChunk];
  }

 private:
  static constexpr size_t kChunk = 256;
  std::array<std::atomic<T*>, 256> chunks_{};
};

struct AllCounters {
  DirectorCounters director;
  CounterChunks<ServerCounters> servers;
  CounterChunks<ServiceCounters> services;
};

// A server as a packet of an established flow reads it.
struct ServerPath {
  bool valid = false;  // In the plan, and so is its service.
  bool nat = true;
  bool ending = false;      // Its flows are being reset.
  bool refresh = false;     // Long flows renew their persistence entry.
  bool by_message = false;  // Its service's datagrams go each by itself.
  HopCache::Index hop = HopCache::kNone;
  uint16_t hop_epoch = 0;
  uint32_t idle_timeout_ms = 0;
  Slot service = kNoSlot;
  ServerCounters* counters = nullptr;
};

struct PathContext {
  PathContext(std::shared_ptr<const ForwardingView> view, ServerChoice choice,
              size_t waiting_max, FragmentTable fragments, size_t changes_max,
              size_t unbound_max)
      : hops(std::move(view)),
        choice(std::move(choice)),
        waiting(waiting_max),
        fragments(std::move(fragments)),
        teller(changes_max),
        unbound(unbound_max) {}

  std::shared_ptr<const Plan> plan;
  HopCache hops;
  ServerChoice choice;
  WaitingRoom waiting;
  FragmentTable fragments;
  // ICMP errors of our own: at most 1,000 a second (RFC 1812 §4.3.2.8).
  RateLimiter icmp_limiter{1000, 100, Instant::FromNanos(0)};
  std::vector<ServerPath> servers;  // By slot.
  // By TcpState, in ms; kEstablished is the service's.
  std::array<uint32_t, kTcpStateCount> tcp_timeouts_ms{};
  // By service slot: until when flows without an entry are forwarded by hash.
  std::vector<Instant> stateless_until;
  Instant any_stateless_until = Instant::FromNanos(0);
  // Servers that refused a new flow, for the health checks.
  static constexpr size_t kRefusedMax = 64;
  std::vector<Slot> refused;
  uint32_t connections_left = 0;  // Shared by both families.
  FlowSink* sink = nullptr;
  // The pair. Floating addresses are ours; the partner tells us its table, and
  // what it tells ends by its word alone.
  bool active = false;
  bool following = false;
  // What came by sync is idle since then at the earliest.
  Instant synced_since = Instant::FromNanos(0);
  Teller teller;
  UnboundStore unbound;
  AllCounters counters;

  // Of something that came by sync and was not heard of here since.
  uint32_t SyncedIdleMs(Instant now, uint32_t last_seen_ms) const {
    const int64_t since_ms = (now.nanos() - synced_since.nanos()) / 1'000'000;
    return static_cast<uint32_t>(std::min<int64_t>(
        since_ms, static_cast<uint32_t>(ClockMs(now) - last_seen_ms)));
  }

  // Another takes the place of the unbound one that `record` names.
  void DropUnbound(const ha::SyncRecord& record) {
    Unbound* unbound_one = unbound.Find(record);
    if (unbound_one == nullptr) return;
    teller.TellGone(unbound_one->told_epoch, unbound_one->record);
    unbound.Erase(unbound_one);
  }

  Verdict Drop(DropReason reason) {
    counters.director.drops[static_cast<size_t>(reason)].Add(1);
    return {Verdict::Action::kDrop, reason};
  }
  // To a next hop; held if that has no MAC yet.
  Verdict Send(Instant now, Frame& frame, HopCache::Index index) {
    const Hop& hop = hops[index];
    frame.port = hop.key.port;
    if (!hop.resolved) [[unlikely]]
      return Hold(now, frame, hop);
    SetMacs(frame, hop.destination_mac, hop.source_mac);
    counters.director.sent.Add(1);
    return {Verdict::Action::kSend, DropReason::kNone};
  }
  // The frame has been turned into its answer: back out of its own port.
  Verdict Answered();
  // To the host's own stack, or dropped for `reason` where there is no way.
  Verdict Punt(Frame& frame, DropReason reason);
  Verdict TimeExceeded(Instant now, Frame& frame, const Packet& packet);
  Verdict TooBig(Instant now, Frame& frame, const Packet& packet, uint32_t mtu);
  // Servers' replies to flows without an entry are let through for as long as
  // one can be idle.
  void AwaitStateless(Instant now, const PlanService& service);
  // The same for services that go by a message, most of whose flows were not
  // told: this unit has taken over.
  void AwaitReplies(Instant now);
  // The hop to a server; kNone without a route.
  HopCache::Index ServerHop(ServerPath& server, Slot slot) {
    if (server.hop_epoch != hops.epoch()) [[unlikely]] {
      FindServerHop(server, slot);
    }
    return server.hop;
  }

 private:
  Verdict Hold(Instant now, Frame& frame, const Hop& hop);
  void FindServerHop(ServerPath& server, Slot slot);
  // Whom an error about this packet comes from; the unspecified address if we
  // have none of its family.
  Address Speaker(const Frame& frame, const Packet& packet) const;
};

}  // namespace ballast::l4

#endif  // LB_L4_PATH_CONTEXT_H_
