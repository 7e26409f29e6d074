// FlowPath: services whose datagrams go each by what it says (F8).
#include <optional>

#include "lb/l4/flow_path.h"
#include "lb/l4/flow_rules.h"

namespace ballast::l4 {

template <typename A>
Connection<A>* FlowPath<A>::Existing(Entry* first, const Entry& flow) {
  return first != nullptr && first->IsBetweenTheSame(flow)
             ? first
             : table_.FindTo(flow);
}

template <typename A>
Verdict FlowPath<A>::Message(Instant now, size_t i, const PlanService& service,
                             Entry* first, Frame& frame, const Packet& packet) {
  if (packet.ttl <= 1) return context_.TimeExceeded(now, frame, packet);
  const Address client = SourceAddress(frame, packet);
  ServiceCounters& counters = context_.counters.services.Reserve(service.slot);
  ServerChoice::Choice choice;
  const auto by_message = context_.choice.ChooseByMessage(
      now, service, client,
      {frame.data + packet.payload, frame.data + packet.end}, [&](Slot slot) {
        return Existing(first, FlowTo(tuples_[i], slot)) != nullptr;
      });
  if (by_message.has_value()) {
    choice = *by_message;
    if (by_message->followed) counters.followed.Add(1);
  } else {
    counters.keyless.Add(1);
    if (first != nullptr) {
      return Forward(now, *first, PacketDirection::kFromClient, frame, packet);
    }
    choice = service.config.enabled
                 ? context_.choice.Schedule(now, service, client)
                 : ServerChoice::Choice{kNoSlot, DropReason::kServiceDisabled};
  }
  if (choice.server == kNoSlot) {
    if (choice.refused != DropReason::kServiceDisabled) counters.refused.Add(1);
    return context_.Drop(choice.refused);
  }
  Entry flow = FlowTo(tuples_[i], choice.server);
  if (Entry* entry = Existing(first, flow)) {
    return Forward(now, *entry, PacketDirection::kFromClient, frame, packet);
  }
  if (context_.connections_left == 0) {
    return BeginStateless(now, service, choice.server, frame, packet);
  }
  if (first != nullptr) flow.Set(kBeside);
  return Open(now, service, flow, choice.server, frame, packet);
}

template Connection<AddressV4>* FlowPath<AddressV4>::Existing(
    Connection<AddressV4>* first, const Connection<AddressV4>& flow);
template Connection<AddressV6>* FlowPath<AddressV6>::Existing(
    Connection<AddressV6>* first, const Connection<AddressV6>& flow);
template Verdict FlowPath<AddressV4>::Message(Instant now, size_t i,
                                              const PlanService& service,
                                              Entry* first, Frame& frame,
                                              const Packet& packet);
template Verdict FlowPath<AddressV6>::Message(Instant now, size_t i,
                                              const PlanService& service,
                                              Entry* first, Frame& frame,
                                              const Packet& packet);

}  // namespace ballast::l4
