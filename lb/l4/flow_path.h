// The flows of one address family on one packet thread: found, made, tracked,
// rewritten, sent on, ended.
//
// Use per batch (each frame by its place in the batch):
//   Prepare(i) for all; Prefetch(i) for all; then Handle(i) in order.
// Rules
//   F1  a packet of a known flow goes where the flow goes, whatever the
//       configuration says of new flows by now.
//   F2  a TCP flow begins with a SYN; one that meets a closed flow of the same
//       addresses begins anew.
//       One whose server is down by now and was never heard (with direct
//       return it never is) begins anew too,
//       and so does one whose server refused it, if another server can take it:
//       the refusal is kept from the client, whose next SYN finds the other.
//   F3  TTL, MTU: as a router (RFC 1812): time exceeded, packet too big.
//   F4  a full table harms no flow it holds. A new one is forwarded by hash
//       while its server says by itself which service it belongs to (or returns
//       directly); else it is refused.
//   F5  an ICMP error goes to the end that sent the packet it quotes.
//   F6  later fragments follow their first.
//   F7  what came by sync is a flow like any other; its first packet here makes
//       it ours. Until then it ends by the partner's word, or after the timeout
//       the partner named, counted from our takeover if that is later.
//   F8  of a service that goes by a message (mode UDP_SIP), each datagram from
//       a client is placed by itself, by its header field, and counts as a new
//       connection to persistence. For a proxy sends all its calls from one
//       address and port, and a call may come through several proxies: a flow
//       is no call. (Linux IPVS needs one-packet scheduling for that, and then
//       keeps no flow that a reply could come back by.)
//       So a client's tuple has a flow to each server that its calls are at.
//       The first has the tuple, and takes the datagrams that lack the field,
//       as any flow would. The others lie beside it (kBeside), and are found by
//       the server that a datagram is for; replies find either as always.
//       What lies beside is not told to the partner: the next datagram makes it
//       again, and until then a server's replies go by the plan, for an idle
//       timeout after a takeover, like those of flows without an entry (F4).
//       Of a datagram in fragments the first is read, whatever it has of the
//       message. An ICMP error about a reply goes to the first flow's server.
//       Many datagrams in one frame (segmentation offload) go by the first.
//
// Cost     one flow look-up per packet, prefetched; no allocation but for a new
//          next hop.
// Threads  one.
#ifndef LB_L4_FLOW_PATH_H_
#define LB_L4_FLOW_PATH_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/bytes.h"
#include "io/base/frame.h"
#include "io/base/instant.h"
#include "lb/explanation.h"
#include "lb/l4/connection_table.h"
#include "lb/l4/flow.h"
#include "lb/l4/packet.h"
#include "lb/l4/path_context.h"

namespace ballast::l4 {

template <typename A>
class FlowPath {
 public:
  using Table = ConnectionTable<A>;
  using Entry = Connection<A>;
  static constexpr size_t kBatchMax = 64;

  FlowPath(Table table, PathContext& context)
      : table_(std::move(table)), context_(context) {}

  void Prepare(size_t i, const Frame& frame, const Packet& packet) {
    FlowTuple<A>& tuple = tuples_[i];
    tuple.source = LoadPacked<A>(SourceBytes(frame, packet));
    tuple.destination = LoadPacked<A>(DestinationBytes(frame, packet));
    // Not from `packet`: just stored one by one and loaded together, they would
    // stall.
    tuple.source_port = LoadBig16(frame.data + packet.l4);
    tuple.destination_port = LoadBig16(frame.data + packet.l4 + 2);
    tuple.protocol = packet.protocol;
    hashes_[i] = table_.Hash(tuple);
    table_.Prefetch(hashes_[i]);
  }
  void Prefetch(size_t i) { hints_[i] = table_.PrefetchCandidate(hashes_[i]); }
  // For kTcp and kUdp. False: no flow, nor a new one for a service.
  bool Handle(Instant now, size_t i, Frame& frame, const Packet& packet,
              Verdict* verdict);
  // For kIcmpError. nullopt: it quotes no flow of ours.
  std::optional<Verdict> HandleError(Instant now, Frame& frame,
                                     const Packet& packet);
  // For kFragment.
  Verdict HandleFragment(Instant now, Frame& frame, const Packet& packet);

  // Ends what has been idle for too long, up to `budget` looked at.
  void Expire(Instant now, size_t budget);
  // Looks at up to `lines` table lines for flows whose server is going: those
  // without a server are removed; those of an ending server are reset. `reset`
  // is called with each TCP flow to send resets for and returns false when it
  // can take no more. True when the whole table has been seen. While the
  // addresses are not ours nothing is reset: the partner does, and says so.
  using ResetFlow = absl::FunctionRef<bool(const Entry&)>;
  bool Sweep(Instant now, size_t lines, ResetFlow reset);
  void RestartSweep() { sweep_cursor_ = 0; }

  size_t size() const { return table_.size(); }
  std::optional<FlowView> Find(const FlowKey& key);
  bool Absorb(Instant now, FlowHandle handle, uint32_t packets, uint64_t bytes,
              Instant last_seen);
  // What would become of the first packet of a connection, or, of a service
  // that goes by a message, of `datagram`; with nothing changed
  // (flow_explain.cc).
  void Explain(Instant now, const FlowKey& key,
               std::span<const uint8_t> datagram, Explanation* out);
  // Adds those among the next `lines` table lines from `cursor` (0 to begin)
  // that `filter` lets pass, until there are `count_max`; 0 at the end.
  uint32_t List(uint32_t cursor, uint32_t lines, const FlowFilter& filter,
                size_t count_max, std::vector<FlowView>& flows);
  // Fills `records` from `cursor` (0 to begin); 0 when the end was reached.
  uint32_t Export(Instant now, uint32_t cursor, size_t& count,
                  std::span<FlowRecord> records);
  // False: no such service or server here, or no room.
  bool Import(Instant now, const FlowRecord& record);

  // -- The partner (flow_sync.cc) -------------------------------------------
  // As Export(), for the partner; of all, or of what is not told. What is
  // returned is told once MarkExported() was called, in the same order.
  uint32_t Export(Instant now, uint32_t cursor, bool only_untold, size_t& count,
                  std::span<ha::SyncRecord> records);
  void MarkExported();
  // For a batch of servable records, before they are applied one by one:
  // PrepareRecord(i) for all, Prefetch(i) for all, PrefetchNeighbours(i) for
  // all. Only saves time.
  void PrepareRecord(size_t i, const ha::SyncRecord& record);
  void PrefetchNeighbours(size_t i) { table_.PrefetchNeighbours(hints_[i]); }
  // A connection the partner tells of, whose server is here (`server`) or not
  // (null). False: there is no flow of it here now, and nothing is counted.
  bool Apply(Instant now, const ha::SyncRecord& record,
             const PlanServer* server, ha::ApplyCounts& counts);
  // A flow for a record, told as `told_epoch` says. Null: no room for it.
  Entry* Create(Instant now, const ha::SyncRecord& record,
                const PlanServer& server, uint8_t told_epoch);
  // kGone. False: no such flow.
  bool ApplyGone(const ha::SyncRecord& record, ha::ApplyCounts& counts);
  // Looks at up to `lines` lines for what is not told: removed, or only its old
  // mark cleared. True when the whole table has been seen.
  bool SweepUntold(size_t lines, bool remove);
  void RestartUntoldSweep() { untold_cursor_ = 0; }
  // The table's line of the flow a record names, if Export() tells of it; else
  // 0.
  uint32_t ExportedLineOf(const ha::SyncRecord& record, bool only_untold);

 private:
  Verdict Forward(Instant now, Entry& entry, PacketDirection direction,
                  Frame& frame, const Packet& packet);
  std::optional<Verdict> Begin(Instant now, size_t i, Frame& frame,
                               const Packet& packet);
  // What a packet of no flow is to its service, before a server is chosen.
  // `first`: it is a SYN, or no TCP.
  enum class Admission : uint8_t {
    kNew,
    kMessage,
    kDisabled,
    kNotSyn,
    kMidFlow,  // Of a flow without an entry.
    kFull,     // New, but there is no room for an entry.
  };
  Admission Admit(Instant now, const PlanService& service, bool first,
                  uint32_t connections_left) const {
    if (service.by_message()) return Admission::kMessage;
    if (!service.config.enabled) return Admission::kDisabled;
    if (!first) {
      return now < context_.stateless_until[service.slot] ? Admission::kMidFlow
                                                          : Admission::kNotSyn;
    }
    return connections_left == 0 ? Admission::kFull : Admission::kNew;
  }
  // F2: a SYN on it begins a new flow.
  bool BeginsAnew(const Entry& entry) const;
  // F8: the flow of the same ends, if there is one; `first` as in Message().
  Entry* Existing(Entry* first, const Entry& flow);
  // What keeps a flow to `slot` from being forwarded without an entry; kNone:
  // nothing.
  DropReason StatelessObstacle(const PlanService& service, Slot slot,
                               const Address& client,
                               uint16_t service_port) const;
  // Explain()'s parts: `gone` is the flow that would be removed first.
  void ExplainMessage(Instant now, const FlowTuple<A>& tuple,
                      const PlanService& service, Entry* first,
                      std::span<const uint8_t> datagram, Explanation* out);
  void ExplainNew(const FlowTuple<A>& tuple, const PlanService& service,
                  Slot slot, const Entry* gone, bool full,
                  absl::string_view reason, Explanation* out);
  void ExplainRefusal(const PlanService& service, DropReason reason,
                      Explanation* out) const;
  void SayObstacles(const PlanService& service, Explanation* out) const;
  // The flow of a client's packet to a server, not in the table yet.
  Entry FlowTo(const FlowTuple<A>& tuple, Slot slot) const;
  // `stateless`: as for BeginStateless(), if there is no room.
  Verdict Open(Instant now, const PlanService& service, Entry& init,
               Slot stateless, Frame& frame, const Packet& packet);
  // F8. `first`: the flow that has the datagram's tuple; null: none.
  Verdict Message(Instant now, size_t i, const PlanService& service,
                  Entry* first, Frame& frame, const Packet& packet);
  // Without an entry, to `slot`; kNoSlot: by hash.
  Verdict BeginStateless(Instant now, const PlanService& service, Slot slot,
                         Frame& frame, const Packet& packet);
  std::optional<Verdict> StatelessReply(Instant now, Frame& frame,
                                        const Packet& packet);
  bool Refused(Instant now, Entry& entry, const Packet& packet);
  void Track(Entry& entry, PacketDirection direction, const Frame& frame,
             const Packet& packet);
  void SetState(Entry& entry, TcpState state);
  void SetActive(Entry& entry, bool active);
  void Opened(Entry& entry);
  void Closing(Entry& entry);
  void Remove(Entry& entry);
  HopCache::Index HopTowards(Entry& entry, PacketDirection direction);
  uint32_t TimeoutMs(const Entry& entry) const;
  // After how long from last_seen_ms to look at one that came by sync.
  uint32_t SyncedDeadlineMs(Instant now, const Entry& entry,
                            uint32_t timeout_ms) const;
  // Packets from the client that the table has counted: worth a record?
  void Ask(Instant now, Entry& entry, uint32_t count_before);
  void TellNow(Entry& entry);
  void TellSynced(Entry& entry, const ha::SyncRecord& record);
  bool IsTheirs(const Entry& entry) const;
  bool IsExported(const Entry& entry, bool only_untold) const;
  // The first packet of a synced flow.
  void Awake(Entry& entry);
  void Update(Instant now, Entry& entry, const ha::SyncRecord& record);
  void SetFromRecord(Instant now, Entry& entry, const ha::SyncRecord& record);
  // Before its removal: its server is gone here, not at the partner's.
  void KeepUnbound(Entry& entry);
  ha::SyncRecord RecordOf(const Entry& entry) const;
  FlowView ViewOf(const Entry& entry) const;
  bool GoesByMessage(const Entry& entry) const {
    return context_.servers[entry.server_slot].by_message;
  }
  void Tell(FlowEvent event, const Entry& entry) {
    if (context_.sink != nullptr) context_.sink->OnFlow(event, ViewOf(entry));
  }

  Table table_;
  PathContext& context_;
  std::array<FlowTuple<A>, kBatchMax> tuples_;
  std::array<uint64_t, kBatchMax> hashes_;
  std::array<uint32_t, kBatchMax> hints_;
  uint32_t sweep_cursor_ = 0;
  uint32_t untold_cursor_ = 0;
  std::vector<Entry*> exported_;  // Not marked yet.
};

extern template class FlowPath<AddressV4>;
extern template class FlowPath<AddressV6>;

}  // namespace ballast::l4

#endif  // LB_L4_FLOW_PATH_H_
