#include "lb/l4/path_context.h"

namespace ballast::l4 {

Verdict PathContext::Hold(Instant now, Frame& frame, const Hop& hop) {
  if (!waiting.Add(now, frame, hop.key)) {
    return Drop(DropReason::kNeighbourQueueFull);
  }
  return {Verdict::Action::kHeld, DropReason::kNone};
}

Verdict PathContext::Answered() {
  counters.director.sent.Add(1);
  counters.director.answered.Add(1);
  return {Verdict::Action::kSend, DropReason::kNone};
}

Verdict PathContext::Punt(Frame& frame, DropReason reason) {
  const ForwardingView& view = hops.view();
  const std::optional<uint16_t> port = view.punt_port();
  if (!port.has_value() || !view.ports()[*port].up) return Drop(reason);
  SetMacs(frame, *view.ports()[*port].host_mac, view.ports()[*port].mac);
  frame.port = *port;
  counters.director.punted.Add(1);
  return {Verdict::Action::kSend, DropReason::kNone};
}

Address PathContext::Speaker(const Frame& frame, const Packet& packet) const {
  // The address the sender spoke to, if it is ours.
  const Address destination = DestinationAddress(frame, packet);
  if (plan->IsFloating(destination)) return destination;
  // Else one of its link, and rather a gateway's than a service's: servers
  // with direct return have the service's too, and drop what comes from there.
  int best = -1;
  Address speaker;
  for (const auto& floating : plan->model().floating_addresses) {
    if (floating.address.is_v4() == packet.v6) continue;
    const bool here =
        hops.view().LivesOn(frame.port, floating.address, floating.interface);
    const int rank = 2 * here + !floating.service;
    if (rank <= best) continue;
    best = rank;
    speaker = floating.address;
    if (best == 3) break;
  }
  return speaker;
}

Verdict PathContext::TimeExceeded(Instant now, Frame& frame,
                                  const Packet& packet) {
  if (!icmp_limiter.Take(now)) return Drop(DropReason::kRateLimited);
  const Address speaker = Speaker(frame, packet);
  if (speaker.is_v4() == packet.v6) return Drop(DropReason::kTtlExceeded);
  if (!MakeTimeExceeded(frame, packet, speaker)) {
    return Drop(DropReason::kTtlExceeded);
  }
  Drop(DropReason::kTtlExceeded);
  counters.director.made.Add(1);  // Of the dropped packet's frame.
  return Answered();
}

Verdict PathContext::TooBig(Instant now, Frame& frame, const Packet& packet,
                            uint32_t mtu) {
  if (!icmp_limiter.Take(now)) return Drop(DropReason::kRateLimited);
  const Address speaker = Speaker(frame, packet);
  if (speaker.is_v4() == packet.v6) return Drop(DropReason::kTooBig);
  if (!MakePacketTooBig(frame, packet, speaker, mtu)) {
    return Drop(DropReason::kTooBig);
  }
  Drop(DropReason::kTooBig);
  counters.director.made.Add(1);  // Of the dropped packet's frame.
  return Answered();
}

void PathContext::AwaitStateless(Instant now, const PlanService& service) {
  const Instant until =
      now + absl::Milliseconds(int64_t{service.idle_timeout_ms});
  stateless_until[service.slot] = until;
  any_stateless_until = std::max(any_stateless_until, until);
}

void PathContext::AwaitReplies(Instant now) {
  for (Slot slot = 0; slot < plan->service_slots(); ++slot) {
    const PlanService* service = plan->service(slot);
    if (service != nullptr && service->by_message()) {
      AwaitStateless(now, *service);
    }
  }
}

void PathContext::FindServerHop(ServerPath& server, Slot slot) {
  server.hop = hops.Find(plan->server(slot)->endpoint.address);
  server.hop_epoch = hops.epoch();  // Find() may have moved it.
}

}  // namespace ballast::l4
