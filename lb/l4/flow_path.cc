#include "lb/l4/flow_path.h"

#include <algorithm>

#include "io/base/check.h"
#include "lb/l4/flow_rules.h"
#include "lb/l4/rewrite.h"
#include "lb/l4/tcp_reset.h"

namespace ballast::l4 {
namespace {

constexpr uint16_t kDirection = 1;  // Of a fragment's flow: from the server.

}  // namespace

template <typename A>
bool FlowPath<A>::Handle(Instant now, size_t i, Frame& frame,
                         const Packet& packet, Verdict* verdict) {
  const auto found = table_.Find(tuples_[i], hashes_[i], hints_[i]);
  if (found) {
    Entry& entry = *found.connection;
    if (!context_.servers[entry.server_slot].valid) [[unlikely]] {
      Remove(entry);
      *verdict = context_.Drop(DropReason::kNoService);
      return true;
    }
    if (GoesByMessage(entry) && found.direction == PacketDirection::kFromClient)
        [[unlikely]] {
      const Slot service = context_.servers[entry.server_slot].service;
      *verdict = Message(now, i, *context_.plan->service(service), &entry,
                         frame, packet);
      return true;
    }
    bool anew = false;
    if (packet.kind == PacketKind::kTcp) {
      if (found.direction == PacketDirection::kFromServer) {
        if (Refused(now, entry, packet)) {
          *verdict = context_.Drop(DropReason::kServerRefused);
          return true;
        }
      } else if (IsInitialSyn(packet)) {
        anew = BeginsAnew(entry);
      }
    }
    if (!anew) {
      *verdict = Forward(now, entry, found.direction, frame, packet);
      return true;
    }
    Remove(entry);
  }
  const std::optional<Verdict> begun = Begin(now, i, frame, packet);
  if (begun) *verdict = *begun;
  return begun.has_value();
}

template <typename A>
bool FlowPath<A>::BeginsAnew(const Entry& entry) const {
  return IsOver(entry) || (entry.Has(kNoOutputSeen) &&
                           !context_.choice.healthy(entry.server_slot));
}

template <typename A>
Verdict FlowPath<A>::Forward(Instant now, Entry& entry,
                             PacketDirection direction, Frame& frame,
                             const Packet& packet) {
  if (entry.Has(kReset)) {
    // Whatever either end still sends learns that the flow is over, in words
    // it must accept: the sequence number it asked for.
    if (packet.kind != PacketKind::kTcp || !MakeResetReply(frame, packet)) {
      return context_.Drop(DropReason::kReset);
    }
    context_.counters.director.resets.Add(1);
    return context_.Answered();
  }
  if (packet.ttl <= 1) return context_.TimeExceeded(now, frame, packet);
  const HopCache::Index index = HopTowards(entry, direction);
  if (index == HopCache::kNone) return context_.Drop(DropReason::kNoRoute);
  const uint32_t mtu = context_.hops[index].mtu;
  if (LargestIpPacket(frame, packet) > mtu) {
    return context_.TooBig(now, frame, packet, mtu);
  }

  entry.last_seen_ms = ClockMs(now);
  if (entry.Has(kSynced)) [[unlikely]]
    Awake(entry);
  ServerCounters& counters = *context_.servers[entry.server_slot].counters;
  if (direction == PacketDirection::kFromClient) {
    ++entry.client_packets;
    counters.packets_in.Add(1);
    counters.bytes_in.Add(packet.ip_length());
  } else {
    entry.Clear(kNoOutputSeen);
    counters.packets_out.Add(1);
    counters.bytes_out.Add(packet.ip_length());
  }
  if (packet.kind == PacketKind::kTcp) Track(entry, direction, frame, packet);
  if (context_.teller.telling() && direction == PacketDirection::kFromClient &&
      !entry.Has(kBeside)) {
    Ask(now, entry, entry.client_packets - 1);
  }
  if (packet.first_fragment) {
    const uint64_t value =
        table_.HandleOf(&entry).bits << 1 |
        (direction == PacketDirection::kFromServer ? kDirection : 0);
    if (!context_.fragments.Insert(now, FragmentKeyOf(frame, packet), value)) {
      context_.counters.director.fragments_evicted.Add(1);
    }
  }

  // Which it is was decided by the table; said again for the compiler, which
  // then leaves the other family's code out.
  if (packet.v6 != (sizeof(A) == 16)) __builtin_unreachable();
  if (direction == PacketDirection::kFromServer) {
    RewriteSource(frame, packet, reinterpret_cast<const uint8_t*>(&entry.vip),
                  entry.vip_port);
  } else if (!entry.Has(kDirect)) {
    RewriteDestination(frame, packet,
                       reinterpret_cast<const uint8_t*>(&entry.server),
                       entry.server_port);
  }
  DecrementTtl(frame, packet);
  context_.counters.director.forwarded.Add(1);
  return context_.Send(now, frame, index);
}

template <typename A>
bool FlowPath<A>::Refused(Instant now, Entry& entry, const Packet& packet) {
  if (!entry.Has(kNoOutputSeen)) return false;
  entry.Clear(kNoOutputSeen);
  if ((packet.tcp_flags & kTcpRst) == 0 ||
      entry.state != TcpState::kSynReceived) {
    return false;
  }
  const Slot slot = entry.server_slot;
  if (!context_.choice.Avoid(now, slot, UnpackAddress(entry.client))) {
    return false;
  }
  if (context_.refused.size() < PathContext::kRefusedMax) {
    context_.refused.push_back(slot);
  }
  Remove(entry);
  return true;
}

template <typename A>
void FlowPath<A>::Track(Entry& entry, PacketDirection direction,
                        const Frame& frame, const Packet& packet) {
  const bool from_client = direction == PacketDirection::kFromClient;
  if (from_client) {
    const uint8_t* tcp = frame.data + packet.l4;
    const uint32_t control = ((packet.tcp_flags & kTcpSyn) != 0) +
                             ((packet.tcp_flags & kTcpFin) != 0);
    entry.client_next_seq =
        LoadBig32(tcp + 4) + (packet.end - packet.payload) + control;
    if ((packet.tcp_flags & kTcpAck) != 0) {
      entry.client_ack = LoadBig32(tcp + 8);
      entry.Set(kSequenceKnown);
    }
  }
  const TcpView view = !from_client         ? TcpView::kFromServer
                       : entry.Has(kDirect) ? TcpView::kFromClientOnly
                                            : TcpView::kFromClient;
  const TcpState next = NextTcpState(view, packet.tcp_flags, entry.state);
  if (next != entry.state) SetState(entry, next);
}

template <typename A>
void FlowPath<A>::SetState(Entry& entry, TcpState state) {
  const uint32_t before = TimeoutMs(entry);
  entry.state = state;
  SetActive(entry, IsActive(state));
  const uint32_t after = TimeoutMs(entry);
  if (after < before) table_.Reschedule(&entry, after);
  Tell(FlowEvent::kChanged, entry);
}

template <typename A>
void FlowPath<A>::SetActive(Entry& entry, bool active) {
  if (active == !entry.Has(kInactive)) return;
  ServerCounters& counters = *context_.servers[entry.server_slot].counters;
  if (active) {
    entry.Clear(kInactive);
    counters.active.Add(1);
    context_.choice.OnOpen(entry.server_slot);
  } else {
    entry.Set(kInactive);
    counters.active.Sub(1);
    context_.choice.OnClose(entry.server_slot);
  }
}

template <typename A>
void FlowPath<A>::Opened(Entry& entry) {
  --context_.connections_left;
  ServerCounters& counters = *context_.servers[entry.server_slot].counters;
  counters.connections.Add(1);
  counters.open.Add(1);
  if (!context_.unbound.empty()) [[unlikely]]
    context_.DropUnbound(RecordOf(entry));
  // Starts as inactive and is then counted as what it is.
  entry.Set(kInactive);
  SetActive(entry, entry.protocol != kProtocolTcp || IsActive(entry.state));
  Tell(FlowEvent::kAdded, entry);
}

template <typename A>
void FlowPath<A>::Closing(Entry& entry) {
  Tell(FlowEvent::kRemoved, entry);
  if (entry.told_epoch != 0) {
    context_.teller.TellGone(entry.told_epoch, RecordOf(entry));
  }
  SetActive(entry, false);
  context_.servers[entry.server_slot].counters->open.Sub(1);
  ++context_.connections_left;
}

template <typename A>
void FlowPath<A>::Remove(Entry& entry) {
  Closing(entry);
  table_.Erase(&entry);
}

template <typename A>
std::optional<Verdict> FlowPath<A>::HandleError(Instant now, Frame& frame,
                                                const Packet& packet) {
  // The flow as the far end of the quoted packet would send on it.
  FlowTuple<A> tuple;
  tuple.source = LoadPacked<A>(EmbeddedDestinationBytes(frame, packet));
  tuple.destination = LoadPacked<A>(EmbeddedSourceBytes(frame, packet));
  tuple.source_port = packet.embedded.destination_port;
  tuple.destination_port = packet.embedded.source_port;
  tuple.protocol = packet.embedded.protocol;
  const auto found = table_.Find(tuple);
  if (!found) return std::nullopt;
  Entry& entry = *found.connection;
  if (!context_.servers[entry.server_slot].valid) {
    Remove(entry);
    return context_.Drop(DropReason::kNoService);
  }
  if (packet.ttl <= 1) return context_.Drop(DropReason::kTtlExceeded);
  const HopCache::Index index = HopTowards(entry, found.direction);
  if (index == HopCache::kNone) return context_.Drop(DropReason::kNoRoute);

  const auto bytes = [](const A& address) {
    return reinterpret_cast<const uint8_t*>(&address);
  };
  if (!entry.Has(kDirect)) {
    ErrorRewrite rewrite;
    if (found.direction == PacketDirection::kFromClient) {
      // About a reply to the client: the server sent it.
      if (LoadPacked<A>(SourceBytes(frame, packet)) == entry.server) {
        return context_.Drop(DropReason::kSourceIsDestination);
      }
      rewrite.outer_destination = bytes(entry.server);
      rewrite.embedded_source = bytes(entry.server);
      rewrite.embedded_source_port = entry.server_port;
    } else {
      // About a request: the client sent it, to the virtual service.
      if (LoadPacked<A>(SourceBytes(frame, packet)) == entry.server) {
        rewrite.outer_source = bytes(entry.vip);
      }
      rewrite.embedded_destination = bytes(entry.vip);
      rewrite.embedded_destination_port = entry.vip_port;
    }
    TranslateError(frame, packet, rewrite);
  }
  DecrementTtl(frame, packet);
  context_.counters.director.forwarded.Add(1);
  return context_.Send(now, frame, index);
}

template <typename A>
Verdict FlowPath<A>::HandleFragment(Instant now, Frame& frame,
                                    const Packet& packet) {
  const auto value = context_.fragments.Find(now, FragmentKeyOf(frame, packet));
  Entry* entry = value ? table_.Get(ConnectionHandle{*value >> 1}) : nullptr;
  if (entry == nullptr || !context_.servers[entry->server_slot].valid) {
    return context_.Drop(DropReason::kFragmentUnknown);
  }
  return Forward(now, *entry,
                 (*value & kDirection) != 0 ? PacketDirection::kFromServer
                                            : PacketDirection::kFromClient,
                 frame, packet);
}

template <typename A>
HopCache::Index FlowPath<A>::HopTowards(Entry& entry,
                                        PacketDirection direction) {
  if (direction == PacketDirection::kFromClient) {
    return context_.ServerHop(context_.servers[entry.server_slot],
                              entry.server_slot);
  }
  if (entry.client_hop_epoch != context_.hops.epoch()) {
    entry.client_hop = context_.hops.Find(UnpackAddress(entry.client));
    entry.client_hop_epoch = context_.hops.epoch();
  }
  return entry.client_hop;
}

template <typename A>
uint32_t FlowPath<A>::TimeoutMs(const Entry& entry) const {
  const ServerPath& server = context_.servers[entry.server_slot];
  if (!server.valid) return 0;
  if (entry.timeout_s != 0) return entry.timeout_s * 1000u;
  if (entry.protocol != kProtocolTcp || entry.state == TcpState::kEstablished) {
    return server.idle_timeout_ms;
  }
  return context_.tcp_timeouts_ms[static_cast<size_t>(entry.state)];
}

template <typename A>
void FlowPath<A>::Expire(Instant now, size_t budget) {
  table_.Advance(
      ClockMs(now), budget,
      [&](const Entry& entry) {
        // Looked at every quarter of an hour at least, alive or not.
        const uint32_t timeout_ms = TimeoutMs(entry);
        if (entry.Has(kSynced)) {
          return SyncedDeadlineMs(now, entry, timeout_ms);
        }
        if (context_.servers[entry.server_slot].refresh &&
            ClockMs(now) - entry.last_seen_ms < timeout_ms) {
          context_.choice.Refresh(now, entry.server_slot,
                                  UnpackAddress(entry.client));
        }
        return timeout_ms;
      },
      [this](Entry& entry) { Closing(entry); });
}

template <typename A>
bool FlowPath<A>::Sweep(Instant now, size_t lines, ResetFlow reset) {
  bool room = true;
  const uint32_t cursor = sweep_cursor_;
  const uint32_t next =
      table_.Walk(cursor, static_cast<uint32_t>(lines), [&](Entry& entry) {
        const ServerPath& server = context_.servers[entry.server_slot];
        if (!server.valid) {
          if (entry.Has(kSynced) && context_.following) KeepUnbound(entry);
          Remove(entry);
        } else if (server.ending && context_.active && room &&
                   !entry.Has(kReset)) {
          if (entry.protocol != kProtocolTcp) {
            Remove(entry);
          } else if (reset(entry)) {
            entry.Set(kReset);
            entry.Clear(kSynced);
            entry.timeout_s = 0;
            entry.last_seen_ms = ClockMs(now);
            SetState(entry, TcpState::kClose);
          } else {
            room = false;
          }
        }
      });
  if (room) sweep_cursor_ = next;
  return room && next == 0;
}

template class FlowPath<AddressV4>;
template class FlowPath<AddressV6>;

}  // namespace ballast::l4
