// The L4 director of one packet thread: frames in, frames out, nothing else.
//
// A pure object. Its owner hands it batches of frames and the time, carries out
// the verdicts, and calls Emit() for what the director has to send by itself.
// NAT and direct server return, IPv4 and IPv6, TCP and UDP; ARP, neighbour
// discovery and echo for floating addresses while active; what is not an L4
// flow goes to the host's own stack through the punt port, if there is one.
//
//   auto director = Director::Create(options, plan, view, now);
//   n = io.Receive(frames);
//   (*director)->Process(now, {frames, n}, verdicts);   // send, drop or keep
//   n = (*director)->Emit(now, frames, verdicts, allocate);
//
// Several directors (one per packet thread) share plans and views and nothing
// else; frames must be steered by the client's address, so that all of a
// client's packets, their replies and their ICMP errors meet on one.
//
// Errors   Create() names the limit that does not fit. Nothing else can fail:
//          a packet's fate is its Verdict, counted in counters().
// Cost     per packet: parse, one prefetched look-up, rewrite; no allocation,
//          no system call, no timer. New flows: see server_choice.h.
// Threads  one, except counters(): any thread may read.
#ifndef LB_L4_DIRECTOR_H_
#define LB_L4_DIRECTOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/frame.h"
#include "io/base/instant.h"
#include "lb/explanation.h"
#include "lb/l4/address_claim.h"
#include "lb/l4/flow.h"
#include "lb/l4/flow_path.h"
#include "lb/l4/next_hop.h"
#include "lb/l4/path_context.h"
#include "lb/l4/plan.h"
#include "lb/l4/teller.h"
#include "lb/l4/unbound_store.h"
#include "persist/key_store.h"

namespace ballast::l4 {

class Director {
 public:
  static constexpr size_t kBatchMax = 64;

  struct Options {
    // This thread's share.
    uint32_t connections_max = 1'000'000;
    uint32_t persistence_entries_max = 262'144;
    uint32_t fragments_max = 16'384;
    uint32_t pending_frames_max = 256;
    // Secret: keys the tables' hashes on client-chosen values.
    config::HashKey table_key{};
    // Equal on both units of a pair: keys the source IP hash.
    config::HashKey source_key{};
    // Answers ARP, ND and claims addresses: the thread these are steered to.
    bool answers_neighbours = true;
    // The unit's entries by key: needed once a service goes by a message.
    std::shared_ptr<persist::KeyStore> keys;
    FlowSink* sink = nullptr;  // Not owned; outlives the director.
    // Of a pair: changes on their way to the partner, and what the partner has
    // told that is not configured here. Memory is taken when first used.
    uint32_t changes_max = 16'384;
    uint32_t unbound_max = 65'536;
  };

  //   kInvalidArgument    a limit out of range
  //   kResourceExhausted  no address space for a table
  static absl::StatusOr<std::unique_ptr<Director>> Create(
      const Options& options, std::shared_ptr<const Plan> plan,
      std::shared_ptr<const ForwardingView> view, Instant now);

  // One verdict per frame; at most kBatchMax frames. `now` never goes back.
  void Process(Instant now, std::span<Frame> frames,
               std::span<Verdict> verdicts);

  // Fills the front of `frames` with what is due: frames that waited for a next
  // hop (kSend) or waited in vain (kDrop), and the director's own, for which
  // `allocate` gives an empty frame or returns false. Returns how many; call
  // again while it fills `frames`. Does the expiry as well, so call it every
  // few milliseconds.
  using Allocate = absl::FunctionRef<bool(Frame*)>;
  size_t Emit(Instant now, std::span<Frame> frames, std::span<Verdict> verdicts,
              Allocate allocate);

  // Whether floating addresses are ours. `at_once`: announce without asking
  // whether anyone has them (the partner is known to be gone).
  void SetActive(Instant now, bool active, bool at_once = false);
  bool active() const { return context_.active; }
  // Announces every address that is claimed once more: others claimed them too
  // for a while.
  void Reannounce(Instant now) { claim_.Reannounce(now); }

  // Until when this unit may forward and answer, while active: an owner that
  // may be stopped for longer than its partner waits renews it, and reads the
  // clock after it has received what it hands to Process(). Later frames are
  // dropped as lease_expired.
  void SetLease(Instant until) { lease_ = until; }
  // Whether a frame may go out.
  bool Leased(Instant now) const { return !context_.active || now < lease_; }
  // Frames of verdict kSend that were not sent before the lease ended: counted
  // as dropped.
  void DropUnsent(std::span<const Frame> frames);

  // A new configuration. No flow is touched that need not move.
  void Apply(Instant now, std::shared_ptr<const Plan> plan);
  // Another network; a port that came up hears of our addresses again.
  void SetView(Instant now, std::shared_ptr<const ForwardingView> view);
  // Next hops to be kept resolved that came into use since the last call.
  std::vector<NeighbourKey> TakeWantedHops();
  bool has_wanted_hops() const { return context_.hops.has_wanted_hops(); }

  // Another key of the source IP hash: new flows are placed by it.
  void SetSourceKey(const config::HashKey& key) {
    context_.choice.SetSourceKey(key);
  }

  void SetHealthy(Instant now, Slot server, bool healthy);
  // Of new flows alone: server_choice.h.
  void SetWeight(Slot server, uint32_t weight) {
    context_.choice.SetWeight(server, weight);
  }
  // Servers that answered a new flow with a reset since the last call, for the
  // health checks to look at. They take nothing new for a moment.
  std::vector<Slot> TakeRefused();
  bool has_refused() const { return !context_.refused.empty(); }
  // Floating addresses that somebody else has, since the last call.
  std::vector<AddressClaim::News> TakeAddressNews() {
    return claim_.TakeNews();
  }
  bool has_address_news() const { return claim_.has_news(); }
  // Reads the other threads' flow counts, for least connection and connection
  // limits: the owner calls it every millisecond where there are others.
  void UpdateForeign(std::span<const AllCounters* const> others);

  // A flow by what its client sends; the fast path's reports of one.
  std::optional<FlowView> FindFlow(const FlowKey& client_side);
  // False: the flow has gone.
  bool Absorb(Instant now, FlowHandle handle, uint32_t packets, uint64_t bytes,
              Instant last_seen);
  size_t flow_count() const { return v4_.size() + v6_.size(); }

  // What would become of a client's next connection, and why; with nothing
  // changed. Both addresses are of one family. Allocates.
  void Explain(Instant now, const ExplainOrder& order, Explanation* out);

  // Adds flows that `filter` lets pass, until there are `count_max`, a piece at
  // a time: starts from a default cursor, looks at up to `lines` lines of the
  // table (about 10 ns each), done when cursor.done. Allocates what `flows` has
  // no room for.
  struct ListCursor {
    bool v6 = false;
    uint32_t line = 0;
    bool done = false;
  };
  void List(ListCursor& cursor, uint32_t lines, const FlowFilter& filter,
            size_t count_max, std::vector<FlowView>& flows);

  // As ServerChoice::List().
  uint32_t ListPersistence(Instant now, uint32_t cursor, uint32_t count,
                           const ServerChoice::EntryFilter& filter,
                           size_t count_max,
                           std::vector<ServerChoice::EntryView>& entries) {
    return context_.choice.List(now, cursor, count, filter, count_max, entries);
  }

  // Copies flows and persistence entries out, a piece at a time: starts from a
  // default cursor, fills the front of `records`, returns how many; done when
  // cursor.done.
  struct ExportCursor {
    int stage = 0;
    uint64_t position = 0;
    bool done = false;
  };
  size_t Export(Instant now, ExportCursor& cursor,
                std::span<FlowRecord> records);
  // Takes one in. False: its service or server is not here, it has expired, or
  // there is no room.
  bool Import(Instant now, const FlowRecord& record);

  // -- The partner: ha/state_table.h (director_sync.cc) ---------------------
  void SetSync(const SyncOptions& options);
  // A partner of ours tells this unit its table: until that ends, or this unit
  // is active, what came by sync does not expire, since its end is told.
  void SetFollowing(Instant now, bool following);
  void StartTelling(Instant now);
  void StopTelling(Instant now);
  size_t TakeChanges(Instant now, std::span<ha::SyncRecord> records);
  ha::TableSummary Mark(Instant now);
  bool has_changes() const { return !context_.teller.changes().empty(); }
  // Any thread's.
  uint64_t changes_lost() const { return context_.teller.changes().lost(); }
  size_t Export(Instant now, ha::StateTable::Cursor& cursor,
                std::span<ha::SyncRecord> records);
  uint64_t state_size() const;
  void BeginReplace(Instant now);
  void EndReplace(Instant now, bool complete);
  ha::ApplyCounts Apply(Instant now, std::span<const ha::SyncRecord> records);
  // What the partner told that is not configured here.
  size_t unbound_count() const { return context_.unbound.size(); }

  const AllCounters& counters() const { return context_.counters; }
  const ServerChoice& choice() const { return context_.choice; }
  const AddressClaim& claim() const { return claim_; }

 private:
  Director(const Options& options, std::shared_ptr<const ForwardingView> view,
           ServerChoice choice, FragmentTable fragments,
           ConnectionTable<AddressV4> v4, ConnectionTable<AddressV6> v6);

  Verdict Handle(Instant now, size_t i, Frame& frame, const Packet& packet);
  Verdict HandleNeighbour(Instant now, Frame& frame, const Packet& packet);
  Verdict HandleFromHost(Instant now, Frame& frame, const Packet& packet);
  // For what belongs to no flow: to the host, or dropped.
  Verdict HandleRest(Frame& frame, const Packet& packet, DropReason reason);
  void EmitOwn(Instant now);
  void EmitWaiting(Instant now);
  void Sweep(Instant now);
  bool AnswersOn(uint16_t port, const Address& address) const;
  void Announce(Instant now);
  void UpdateEnding(Instant now);

  void NewEpoch();
  uint32_t ExportUnbound(Instant now, uint32_t cursor, bool only_untold,
                         size_t& count, std::span<ha::SyncRecord> records);
  void MarkUnbound(std::span<const ha::SyncRecord> exported);
  // What these name is brought into the cache; at most kBatchMax.
  void PrefetchRecords(std::span<const ha::SyncRecord> records);
  void ApplyOne(Instant now, const ha::SyncRecord& record,
                ha::ApplyCounts& counts);
  void ApplyGone(const ha::SyncRecord& record, ha::ApplyCounts& counts);
  void KeepUnbound(Instant now, const ha::SyncRecord& record,
                   ha::ApplyCounts& counts);
  void BindUnbound(Instant now);
  void ExpireUnbound(Instant now);
  uint32_t IdleMs(Instant now, const Unbound& unbound) const;
  // Through the tables, a piece at each Emit(), for what is not told.
  enum class UntoldSweep : uint8_t { kNone, kForget, kRemove };
  void StartUntoldSweep(UntoldSweep sweep);
  void SweepUntold();

  // Emit()'s output while it runs.
  struct Output {
    std::span<Frame> frames;
    std::span<Verdict> verdicts;
    Allocate* allocate = nullptr;
    size_t count = 0;

    bool full() const { return count == frames.size(); }
  };
  bool Push(const Frame& frame, Verdict verdict);

  const Options options_;
  PathContext context_;
  FlowPath<AddressV4> v4_;
  FlowPath<AddressV6> v6_;
  AddressClaim claim_;
  std::vector<AddressClaim::Action> announcements_;  // Still to be sent.
  Instant lease_ = Instant::Never();
  bool sweeping_v4_ = false;
  bool sweeping_v6_ = false;
  UntoldSweep untold_sweep_ = UntoldSweep::kNone;
  bool untold_v4_ = false;
  bool untold_v6_ = false;
  bool untold_unbound_ = false;
  uint32_t untold_cursor_ = 0;
  uint32_t unbound_cursor_ = 0;  // Of ExpireUnbound().
  Instant next_drain_end_ = Instant::Never();
  Output output_;
  std::array<Packet, kBatchMax> packets_;
  std::array<DropReason, kBatchMax> parsed_;
};

}  // namespace ballast::l4

#endif  // LB_L4_DIRECTOR_H_
