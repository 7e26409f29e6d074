#include "lb/l4/flow_path.h"

#include <algorithm>

#include "io/base/check.h"
#include "lb/l4/rewrite.h"
#include "lb/l4/tcp_reset.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {
namespace {

constexpr uint16_t kDirection = 1;  // Of a fragment's flow: from the server.

// IPVS calls these active; least connection and limits count them.
bool IsActive(TcpState state) {
  switch (state) {
    case TcpState::kEstablished:
    case TcpState::kSynSent:
    case TcpState::kSynReceived:
    case TcpState::kSynAck:
      return true;
    default:
      return false;
  }
}

// F2: a SYN on such a flow is a new flow, not a retransmission. With direct
// return the client's FIN is all that is ever seen of an end; IPVS does the
// same with conn_reuse_mode 2.
template <typename Entry>
bool IsOver(const Entry& entry) {
  return entry.state == TcpState::kTimeWait ||
         entry.state == TcpState::kClose ||
         (entry.state == TcpState::kFinWait && entry.Has(kDirect));
}

// A server that is sent what it sent itself would not take it, nor answer by
// way of us.
template <typename A>
bool IsToItself(const Connection<A>& connection) {
  return !connection.Has(kDirect) && connection.client == connection.server;
}

bool IsInitialSyn(const Packet& packet) {
  return (packet.tcp_flags & (kTcpSyn | kTcpAck | kTcpRst)) == kTcpSyn;
}

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
    bool anew = false;
    if (packet.kind == PacketKind::kTcp) {
      if (found.direction == PacketDirection::kFromServer) {
        if (Refused(now, entry, packet)) {
          *verdict = context_.Drop(DropReason::kServerRefused);
          return true;
        }
      } else if (IsInitialSyn(packet)) {
        anew = IsOver(entry) || (entry.Has(kNoOutputSeen) &&
                                 !context_.choice.healthy(entry.server_slot));
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
  ServerCounters& counters = *context_.servers[entry.server_slot].counters;
  if (direction == PacketDirection::kFromClient) {
    ++entry.client_packets;
    counters.packets_in.Add(1);
    counters.bytes_in.Add(packet.ip_length());
  } else {
    counters.packets_out.Add(1);
    counters.bytes_out.Add(packet.ip_length());
  }
  if (packet.kind == PacketKind::kTcp) Track(entry, direction, frame, packet);
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
  // Starts as inactive and is then counted as what it is.
  entry.Set(kInactive);
  SetActive(entry, entry.protocol != kProtocolTcp || IsActive(entry.state));
  Tell(FlowEvent::kAdded, entry);
}

template <typename A>
void FlowPath<A>::Closing(Entry& entry) {
  Tell(FlowEvent::kRemoved, entry);
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
std::optional<Verdict> FlowPath<A>::Begin(Instant now, size_t i, Frame& frame,
                                          const Packet& packet) {
  const Plan& plan = *context_.plan;
  const Address destination = DestinationAddress(frame, packet);
  if (!plan.IsFloating(destination)) {
    return now < context_.any_stateless_until
               ? StatelessReply(now, frame, packet)
               : std::nullopt;
  }
  const Protocol protocol = static_cast<Protocol>(packet.protocol);
  const PlanService* service =
      plan.FindService(protocol, destination, packet.destination_port);
  if (service == nullptr) return std::nullopt;
  if (!service->config.enabled) {
    return context_.Drop(DropReason::kServiceDisabled);
  }
  if (packet.kind == PacketKind::kTcp && !IsInitialSyn(packet)) {
    if (now < context_.stateless_until[service->slot]) {
      return BeginStateless(now, *service, frame, packet);
    }
    return context_.Drop(DropReason::kNotSyn);
  }
  if (packet.ttl <= 1) return context_.TimeExceeded(now, frame, packet);
  if (context_.connections_left == 0) {
    return BeginStateless(now, *service, frame, packet);
  }

  const ServerChoice::Choice choice =
      context_.choice.Choose(now, *service, SourceAddress(frame, packet));
  if (choice.server == kNoSlot) {
    context_.counters.services.Reserve(service->slot).refused.Add(1);
    return context_.Drop(choice.refused);
  }
  const PlanServer& server = *plan.server(choice.server);
  const FlowTuple<A>& tuple = tuples_[i];
  Entry init;
  init.client = tuple.source;
  init.vip = tuple.destination;
  init.client_port = tuple.source_port;
  init.vip_port = tuple.destination_port;
  init.server = PackAddress<A>(server.endpoint.address);
  init.server_port =
      server.endpoint.port != 0 ? server.endpoint.port : tuple.destination_port;
  init.protocol = tuple.protocol;
  init.server_slot = choice.server;
  init.Set(kNoOutputSeen);
  if (server.forwarding == config::Forwarding::kRoute) init.Set(kDirect);
  if (IsToItself(init)) return context_.Drop(DropReason::kSourceIsDestination);
  if (service->config.persistence.enabled) init.Set(kPersistent);

  const uint32_t now_ms = ClockMs(now);
  auto inserted = table_.Insert(now_ms, init, TimeoutMs(init));
  if (inserted.outcome == InsertOutcome::kReverseTaken &&
      inserted.conflict != nullptr && IsOver(*inserted.conflict)) {
    Remove(*inserted.conflict);
    inserted = table_.Insert(now_ms, init, TimeoutMs(init));
  }
  if (inserted.connection == nullptr) {
    if (inserted.outcome == InsertOutcome::kFull) {
      return BeginStateless(now, *service, frame, packet);
    }
    context_.counters.services.Reserve(service->slot).refused.Add(1);
    return context_.Drop(DropReason::kFlowAmbiguous);
  }
  Opened(*inserted.connection);
  return Forward(now, *inserted.connection, PacketDirection::kFromClient, frame,
                 packet);
}

template <typename A>
Verdict FlowPath<A>::BeginStateless(Instant now, const PlanService& service,
                                    Frame& frame, const Packet& packet) {
  ServiceCounters& counters = context_.counters.services.Reserve(service.slot);
  const auto refuse = [&] {
    counters.refused.Add(1);
    return context_.Drop(DropReason::kConnectionTableFull);
  };
  const Slot slot = context_.choice.ChooseStateless(
      service, SourceAddress(frame, packet), packet.source_port);
  if (slot == kNoSlot) return refuse();
  const PlanServer& server = *context_.plan->server(slot);
  const bool direct = server.forwarding == config::Forwarding::kRoute;
  const Endpoint target{server.endpoint.address, server.endpoint.port != 0
                                                     ? server.endpoint.port
                                                     : packet.destination_port};
  if (!direct) {
    if (target.address == SourceAddress(frame, packet)) {
      return context_.Drop(DropReason::kSourceIsDestination);
    }
    const auto reply =
        context_.plan->FindStatelessServer(service.config.protocol, target);
    if (!reply || reply->server != slot ||
        reply->service_port != packet.destination_port) {
      return refuse();
    }
  }
  if (packet.ttl <= 1) return context_.TimeExceeded(now, frame, packet);
  const HopCache::Index index =
      context_.ServerHop(context_.servers[slot], slot);
  if (index == HopCache::kNone) return context_.Drop(DropReason::kNoRoute);
  const uint32_t mtu = context_.hops[index].mtu;
  if (LargestIpPacket(frame, packet) > mtu) {
    return context_.TooBig(now, frame, packet, mtu);
  }
  if (context_.connections_left == 0 || IsInitialSyn(packet)) {
    // Such flows stay without an entry for as long as one could be idle.
    const Instant until =
        now + absl::Milliseconds(int64_t{service.idle_timeout_ms});
    context_.stateless_until[service.slot] = until;
    context_.any_stateless_until =
        std::max(context_.any_stateless_until, until);
  }
  counters.stateless.Add(1);
  ServerCounters& server_counters = *context_.servers[slot].counters;
  server_counters.packets_in.Add(1);
  server_counters.bytes_in.Add(packet.ip_length());
  if (!direct) {
    RewriteDestination(frame, packet, target.address.wire().data(),
                       target.port);
  }
  DecrementTtl(frame, packet);
  context_.counters.director.forwarded.Add(1);
  return context_.Send(now, frame, index);
}

template <typename A>
std::optional<Verdict> FlowPath<A>::StatelessReply(Instant now, Frame& frame,
                                                   const Packet& packet) {
  const Protocol protocol = static_cast<Protocol>(packet.protocol);
  const auto reply = context_.plan->FindStatelessServer(
      protocol, {SourceAddress(frame, packet), packet.source_port});
  if (!reply) return std::nullopt;
  const PlanServer& server = *context_.plan->server(reply->server);
  const PlanService& service = *context_.plan->service(server.service);
  if (now >= context_.stateless_until[service.slot]) return std::nullopt;
  if (packet.ttl <= 1) return context_.TimeExceeded(now, frame, packet);
  const HopCache::Index index =
      context_.hops.Find(DestinationAddress(frame, packet));
  if (index == HopCache::kNone) return context_.Drop(DropReason::kNoRoute);
  const uint32_t mtu = context_.hops[index].mtu;
  if (LargestIpPacket(frame, packet) > mtu) {
    return context_.TooBig(now, frame, packet, mtu);
  }
  context_.counters.services.Reserve(service.slot).stateless.Add(1);
  ServerCounters& counters = *context_.servers[reply->server].counters;
  counters.packets_out.Add(1);
  counters.bytes_out.Add(packet.ip_length());
  RewriteSource(frame, packet, service.config.address.wire().data(),
                reply->service_port);
  DecrementTtl(frame, packet);
  context_.counters.director.forwarded.Add(1);
  return context_.Send(now, frame, index);
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
          Remove(entry);
        } else if (server.ending && room && !entry.Has(kReset)) {
          if (entry.protocol != kProtocolTcp) {
            Remove(entry);
          } else if (reset(entry)) {
            entry.Set(kReset);
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

template <typename A>
FlowView FlowPath<A>::ViewOf(const Entry& entry) const {
  const ConnectionHandle handle = table_.HandleOf(&entry);
  return {
      .handle = {handle.index(), handle.generation(), sizeof(A) == 16},
      .client_side = {{UnpackAddress(entry.client), entry.client_port},
                      {UnpackAddress(entry.vip), entry.vip_port},
                      static_cast<Protocol>(entry.protocol)},
      .server = {UnpackAddress(entry.server), entry.server_port},
      .forwarding = entry.Has(kDirect) ? config::Forwarding::kRoute
                                       : config::Forwarding::kNat,
      .server_slot = entry.server_slot,
      .state = entry.state,
      .client_packets = entry.client_packets,
      .idle_since_ms = entry.last_seen_ms,
      .origin = entry.origin,
  };
}

template <typename A>
std::optional<FlowView> FlowPath<A>::Find(const FlowKey& key) {
  FlowTuple<A> tuple;
  tuple.source = PackAddress<A>(key.source.address);
  tuple.destination = PackAddress<A>(key.destination.address);
  tuple.source_port = key.source.port;
  tuple.destination_port = key.destination.port;
  tuple.protocol = static_cast<uint8_t>(key.protocol);
  const auto found = table_.Find(tuple);
  if (!found) return std::nullopt;
  return ViewOf(*found.connection);
}

template <typename A>
bool FlowPath<A>::Absorb(Instant now, FlowHandle handle, uint32_t packets,
                         uint64_t bytes, Instant last_seen) {
  Entry* entry = table_.Get({handle.index | uint64_t{handle.generation} << 24});
  if (entry == nullptr || !context_.servers[entry->server_slot].valid) {
    return false;
  }
  const uint32_t seen = ClockMs(std::min(last_seen, now));
  if (static_cast<int32_t>(seen - entry->last_seen_ms) > 0) {
    entry->last_seen_ms = seen;
  }
  entry->client_packets += packets;
  ServerCounters& counters = *context_.servers[entry->server_slot].counters;
  counters.packets_in.Add(packets);
  counters.bytes_in.Add(bytes);
  context_.counters.director.flows_absorbed.Add(1);
  return true;
}

template <typename A>
uint32_t FlowPath<A>::Export(Instant now, uint32_t cursor, size_t& count,
                             std::span<FlowRecord> records) {
  count = 0;
  const uint32_t now_ms = ClockMs(now);
  return table_.Walk(
      cursor, static_cast<uint32_t>(records.size()), [&](Entry& entry) {
        const PlanServer* server = context_.plan->server(entry.server_slot);
        if (server == nullptr || entry.Has(kReset)) return;
        const PlanService* service = context_.plan->service(server->service);
        const FlowView view = ViewOf(entry);
        records[count++] = {.kind = FlowRecord::Kind::kFlow,
                            .client_side = view.client_side,
                            .server = view.server,
                            .forwarding = view.forwarding,
                            .sorry = server->sorry,
                            .state = entry.state,
                            .service_port = service->config.port,
                            .idle_ms = now_ms - entry.last_seen_ms,
                            .client_packets = entry.client_packets,
                            .client_next_sequence = entry.client_next_seq,
                            .client_acknowledged = entry.client_ack};
      });
}

template <typename A>
bool FlowPath<A>::Import(Instant now, const FlowRecord& record) {
  const PlanService* service = context_.plan->FindService(
      record.client_side.protocol, record.client_side.destination.address,
      record.client_side.destination.port);
  if (service == nullptr || service->config.port != record.service_port ||
      context_.connections_left == 0) {
    return false;
  }
  const PlanServer* server = nullptr;
  const auto consider = [&](Slot slot) {
    const PlanServer* candidate = context_.plan->server(slot);
    const uint16_t port = candidate->endpoint.port != 0
                              ? candidate->endpoint.port
                              : record.client_side.destination.port;
    if (candidate->endpoint.address == record.server.address &&
        port == record.server.port &&
        candidate->forwarding == record.forwarding) {
      server = candidate;
    }
  };
  if (!record.sorry) {
    for (const Slot slot : service->servers) consider(slot);
  } else if (service->sorry_server != kNoSlot) {
    consider(service->sorry_server);
  }
  if (server == nullptr) return false;
  Entry init;
  init.client = PackAddress<A>(record.client_side.source.address);
  init.vip = PackAddress<A>(record.client_side.destination.address);
  init.server = PackAddress<A>(record.server.address);
  init.client_port = record.client_side.source.port;
  init.vip_port = record.client_side.destination.port;
  init.server_port = record.server.port;
  init.protocol = static_cast<uint8_t>(record.client_side.protocol);
  init.state = record.state;
  init.server_slot = server->slot;
  init.client_packets = record.client_packets;
  init.client_next_seq = record.client_next_sequence;
  init.client_ack = record.client_acknowledged;
  if (record.client_acknowledged != 0) init.Set(kSequenceKnown);
  if (record.forwarding == config::Forwarding::kRoute) init.Set(kDirect);
  if (IsToItself(init)) return false;
  const uint32_t timeout = TimeoutMs(init);
  if (record.idle_ms >= timeout) return false;
  const auto inserted =
      table_.Insert(ClockMs(now) - record.idle_ms, init, timeout);
  if (inserted.connection == nullptr) return false;
  Opened(*inserted.connection);
  return true;
}

template class FlowPath<AddressV4>;
template class FlowPath<AddressV6>;

}  // namespace ballast::l4
