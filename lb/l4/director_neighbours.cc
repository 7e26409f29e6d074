// Director: ARP and neighbour discovery for floating addresses, and what it
// announces of them.
#include "io/base/check.h"
#include "lb/l4/director.h"
#include "lb/l4/responder.h"

namespace ballast::l4 {

Verdict Director::HandleNeighbour(Instant now, Frame& frame,
                                  const Packet& packet) {
  const MacAddress& mac = context_.hops.view().ports()[frame.port].mac;
  if (!options_.answers_neighbours) return context_.Drop(DropReason::kForeign);
  const std::optional<NeighbourMessage> message = ReadNeighbour(frame, packet);
  if (!message) return context_.Drop(DropReason::kMalformedArp);
  if (message->sender_mac == mac) return context_.Drop(DropReason::kForeign);
  // Whoever speaks for, or probes for, an address we want has it too. Not on
  // links we do not want it on: servers of direct return have it, and say so
  // on theirs unless told not to (arp_announce).
  for (const Address& claimed : {message->claims, message->probes}) {
    if (claimed.is_unspecified() || !AnswersOn(frame.port, claimed)) continue;
    const AddressClaim::State state = claim_.state(claimed);
    const bool probe = claimed == message->probes;
    if (state == AddressClaim::State::kReleased ||
        (probe && state == AddressClaim::State::kClaimed)) {
      continue;
    }
    context_.counters.director.address_conflicts.Add(1);
    claim_.OnForeignClaim(now, claimed);
  }
  if (!context_.active) return context_.Drop(DropReason::kStandby);
  if (message->asks_for.is_unspecified() ||
      !claim_.claimed(message->asks_for) ||
      !AnswersOn(frame.port, message->asks_for)) {
    return context_.Drop(DropReason::kForeign);
  }
  const bool answered = packet.kind == PacketKind::kArp
                            ? MakeArpReply(frame, packet, mac)
                            : MakeNeighbourAdvertisement(frame, packet, mac);
  if (!answered) return context_.Drop(DropReason::kNoRoom);
  return context_.Answered();
}

bool Director::AnswersOn(uint16_t port, const Address& address) const {
  for (const auto& floating : context_.plan->model().floating_addresses) {
    if (floating.address == address) {
      return context_.hops.view().LivesOn(port, address, floating.interface);
    }
  }
  return false;
}

void Director::Announce(Instant now) {
  if (!options_.answers_neighbours || !context_.active) return;
  if (claim_.deadline() <= now) {
    const auto due = claim_.Step(now);
    announcements_.insert(announcements_.end(), due.begin(), due.end());
  }
  const ForwardingView& view = context_.hops.view();
  while (!announcements_.empty()) {
    const AddressClaim::Action& action = announcements_.back();
    size_t ports = 0;
    for (uint16_t port = 0; port < view.ports().size(); ++port) {
      ports += AnswersOn(port, action.address) && view.ports()[port].up;
    }
    if (output_.frames.size() - output_.count < ports) return;  // Next time.
    for (uint16_t port = 0; port < view.ports().size(); ++port) {
      if (!AnswersOn(port, action.address) || !view.ports()[port].up) continue;
      Frame frame;
      if (!(*output_.allocate)(&frame)) return;
      frame.port = port;
      const MacAddress& mac = view.ports()[port].mac;
      const bool built = action.send == AddressClaim::Send::kProbe
                             ? BuildProbe(frame, action.address, mac)
                             : BuildAnnouncement(frame, action.address, mac);
      BALLAST_CHECK(built);  // Every backend's buffers hold 128 bytes.
      context_.counters.director.made.Add(1);
      context_.counters.director.sent.Add(1);
      context_.counters.director.answered.Add(1);
      Push(frame, {Verdict::Action::kSend, DropReason::kNone});
    }
    announcements_.pop_back();
  }
}

}  // namespace ballast::l4
