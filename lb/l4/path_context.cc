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
  // The address the sender spoke to, if it is ours; else any of ours.
  const Address destination = DestinationAddress(frame, packet);
  if (plan->IsFloating(destination)) return destination;
  return plan->AnyFloating(!packet.v6).value_or(Address());
}

Verdict PathContext::TimeExceeded(Instant now, Frame& frame,
                                  const Packet& packet) {
  const Address speaker = Speaker(frame, packet);
  if (speaker.is_v4() == packet.v6) return Drop(DropReason::kTtlExceeded);
  if (!icmp_limiter.Take(now)) return Drop(DropReason::kRateLimited);
  if (!MakeTimeExceeded(frame, packet, speaker)) {
    return Drop(DropReason::kTtlExceeded);
  }
  Drop(DropReason::kTtlExceeded);
  counters.director.made.Add(1);  // Of the dropped packet's frame.
  return Answered();
}

Verdict PathContext::TooBig(Instant now, Frame& frame, const Packet& packet,
                            uint32_t mtu) {
  const Address speaker = Speaker(frame, packet);
  if (speaker.is_v4() == packet.v6) return Drop(DropReason::kTooBig);
  if (!icmp_limiter.Take(now)) return Drop(DropReason::kRateLimited);
  if (!MakePacketTooBig(frame, packet, speaker, mtu)) {
    return Drop(DropReason::kTooBig);
  }
  Drop(DropReason::kTooBig);
  counters.director.made.Add(1);  // Of the dropped packet's frame.
  return Answered();
}

void PathContext::FindServerHop(ServerPath& server, Slot slot) {
  server.hop = hops.Find(plan->server(slot)->endpoint.address);
  server.hop_epoch = hops.epoch();  // Find() may have moved it.
}

}  // namespace ballast::l4
