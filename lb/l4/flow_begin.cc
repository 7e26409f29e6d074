// FlowPath: packets that belong to no flow yet, and those of flows without an
// entry.
#include <algorithm>

#include "lb/l4/flow_path.h"
#include "lb/l4/flow_rules.h"
#include "lb/l4/rewrite.h"

namespace ballast::l4 {

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
  const bool first = packet.kind != PacketKind::kTcp || IsInitialSyn(packet);
  const Admission admission =
      Admit(now, *service, first, context_.connections_left);
  switch (admission) {
    case Admission::kMessage:
      return Message(now, i, *service, nullptr, frame, packet);
    case Admission::kDisabled:
      return context_.Drop(DropReason::kServiceDisabled);
    case Admission::kNotSyn:
      return context_.Drop(DropReason::kNotSyn);
    case Admission::kMidFlow:
      return BeginStateless(now, *service, kNoSlot, frame, packet);
    case Admission::kFull:
    case Admission::kNew:
      break;
  }
  if (packet.ttl <= 1) return context_.TimeExceeded(now, frame, packet);
  if (admission == Admission::kFull) {
    return BeginStateless(now, *service, kNoSlot, frame, packet);
  }

  const ServerChoice::Choice choice =
      context_.choice.Choose(now, *service, SourceAddress(frame, packet));
  if (choice.server == kNoSlot) {
    context_.counters.services.Reserve(service->slot).refused.Add(1);
    return context_.Drop(choice.refused);
  }
  Entry init = FlowTo(tuples_[i], choice.server);
  if (service->config.persistence.enabled) init.Set(kPersistent);
  return Open(now, *service, init, kNoSlot, frame, packet);
}

template <typename A>
Connection<A> FlowPath<A>::FlowTo(const FlowTuple<A>& tuple, Slot slot) const {
  const PlanServer& server = *context_.plan->server(slot);
  Entry flow;
  flow.client = tuple.source;
  flow.vip = tuple.destination;
  flow.client_port = tuple.source_port;
  flow.vip_port = tuple.destination_port;
  flow.server = PackAddress<A>(server.endpoint.address);
  flow.server_port =
      server.endpoint.port != 0 ? server.endpoint.port : tuple.destination_port;
  flow.protocol = tuple.protocol;
  flow.server_slot = slot;
  flow.Set(kNoOutputSeen);
  if (server.forwarding == config::Forwarding::kRoute) flow.Set(kDirect);
  return flow;
}

template <typename A>
Verdict FlowPath<A>::Open(Instant now, const PlanService& service, Entry& init,
                          Slot stateless, Frame& frame, const Packet& packet) {
  if (IsToItself(init)) return context_.Drop(DropReason::kSourceIsDestination);
  const uint32_t now_ms = ClockMs(now);
  init.sync_end_ms = now_ms;
  auto inserted = table_.Insert(now_ms, init, TimeoutMs(init));
  if (inserted.outcome == InsertOutcome::kReverseTaken &&
      inserted.conflict != nullptr && GivesWay(*inserted.conflict, init)) {
    Remove(*inserted.conflict);
    inserted = table_.Insert(now_ms, init, TimeoutMs(init));
  }
  if (inserted.connection == nullptr) {
    if (inserted.outcome == InsertOutcome::kFull) {
      return BeginStateless(now, service, stateless, frame, packet);
    }
    context_.counters.services.Reserve(service.slot).refused.Add(1);
    return context_.Drop(DropReason::kFlowAmbiguous);
  }
  Opened(*inserted.connection);
  return Forward(now, *inserted.connection, PacketDirection::kFromClient, frame,
                 packet);
}

template <typename A>
DropReason FlowPath<A>::StatelessObstacle(const PlanService& service, Slot slot,
                                          const Address& client,
                                          uint16_t service_port) const {
  if (slot == kNoSlot) return DropReason::kConnectionTableFull;
  const PlanServer& server = *context_.plan->server(slot);
  if (server.forwarding == config::Forwarding::kRoute) return DropReason::kNone;
  if (server.endpoint.address == client) {
    return DropReason::kSourceIsDestination;
  }
  const Endpoint target{server.endpoint.address, server.endpoint.port != 0
                                                     ? server.endpoint.port
                                                     : service_port};
  const auto reply =
      context_.plan->FindStatelessServer(service.config.protocol, target);
  const bool known =
      reply && reply->server == slot && reply->service_port == service_port;
  return known ? DropReason::kNone : DropReason::kConnectionTableFull;
}

template <typename A>
Verdict FlowPath<A>::BeginStateless(Instant now, const PlanService& service,
                                    Slot slot, Frame& frame,
                                    const Packet& packet) {
  ServiceCounters& counters = context_.counters.services.Reserve(service.slot);
  if (slot == kNoSlot) {
    slot = context_.choice.ChooseStateless(
        service, SourceAddress(frame, packet), packet.source_port);
  }
  const DropReason obstacle = StatelessObstacle(
      service, slot, SourceAddress(frame, packet), packet.destination_port);
  if (obstacle == DropReason::kConnectionTableFull) counters.refused.Add(1);
  if (obstacle != DropReason::kNone) return context_.Drop(obstacle);
  const PlanServer& server = *context_.plan->server(slot);
  const bool direct = server.forwarding == config::Forwarding::kRoute;
  const Endpoint target{server.endpoint.address, server.endpoint.port != 0
                                                     ? server.endpoint.port
                                                     : packet.destination_port};
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
    context_.AwaitStateless(now, service);
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

// What the rest of the director calls.
#define BALLAST_FLOW_BEGIN(A)                                                  \
  template std::optional<Verdict> FlowPath<A>::Begin(Instant, size_t, Frame&,  \
                                                     const Packet&);           \
  template Connection<A> FlowPath<A>::FlowTo(const FlowTuple<A>&, Slot) const; \
  template DropReason FlowPath<A>::StatelessObstacle(                          \
      const PlanService&, Slot, const Address&, uint16_t) const;               \
  template Verdict FlowPath<A>::Open(Instant, const PlanService&,              \
                                     Connection<A>&, Slot, Frame&,             \
                                     const Packet&);                           \
  template Verdict FlowPath<A>::BeginStateless(Instant, const PlanService&,    \
                                               Slot, Frame&, const Packet&);   \
  template std::optional<Verdict> FlowPath<A>::StatelessReply(Instant, Frame&, \
                                                              const Packet&);

BALLAST_FLOW_BEGIN(AddressV4)
BALLAST_FLOW_BEGIN(AddressV6)
#undef BALLAST_FLOW_BEGIN

}  // namespace ballast::l4
