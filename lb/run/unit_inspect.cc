// Unit: questions to what runs, answered by the threads that have it.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/clock.h"
#include "lb/l4/connection_of.h"
#include "lb/l4/drop_reason.h"
#include "lb/run/unit.h"

namespace ballast::run {
namespace {

// Lines of a table between two rounds of packets.
constexpr uint32_t kListLines = 4096;
// A thread that is busy is asked for no longer, nor are all.
constexpr absl::Duration kThreadPatience = absl::Milliseconds(20);
constexpr absl::Duration kListPatience = absl::Milliseconds(200);

}  // namespace

const l4::PlanService* Unit::FindL4(const ServiceAddress& key) const {
  const l4::PlanService* service =
      plan_->FindService(key.protocol, key.endpoint.address, key.endpoint.port);
  // Not one that has the port beside its own.
  return service != nullptr && service->config.port == key.endpoint.port
             ? service
             : nullptr;
}

std::vector<size_t> Unit::LanesOf(const std::optional<Endpoint>& client) const {
  std::vector<size_t> lanes;
  if (client.has_value() && lanes_.size() > 1) {
    return {network_->Steering(*model_).ThreadOf(client->address)};
  }
  for (size_t i = 0; i < lanes_.size(); ++i) lanes.push_back(i);
  return lanes;
}

absl::StatusOr<ConnectionList> Unit::ListConnections(
    const ConnectionQuery& query) {
  l4::FlowFilter filter{.client = query.client, .server = query.server};
  bool at_layer7 = proxies_ != nullptr;
  bool at_layer4 = true;
  if (query.service.has_value()) {
    const l4::PlanService* service = FindL4(*query.service);
    at_layer4 = service != nullptr;
    if (at_layer4) filter.service = service->slot;
    at_layer7 = at_layer7 && proxies_->Has(*query.service);
    if (!at_layer4 && !at_layer7) {
      return absl::NotFoundError(
          absl::StrCat("service: no ", ProtocolName(query.service->protocol),
                       " ", query.service->endpoint.ToString()));
    }
  }
  ConnectionList list;
  const Instant deadline = MonotonicNow() + kListPatience;
  const size_t wanted = query.limit + 1;
  if (at_layer4) {
    for (const size_t lane : LanesOf(query.client)) {
      if (list.connections.size() >= wanted) break;
      list.more |= !ListLane(*lanes_[lane], filter, wanted, deadline, &list);
    }
  }
  if (at_layer7 && list.connections.size() < wanted) {
    list.more |= !proxies_->List(query, wanted, deadline, &list.connections);
  }
  if (list.connections.size() > query.limit) {
    list.more = true;
    list.connections.resize(query.limit);
  }
  return list;
}

bool Unit::ListLane(Lane& lane, const l4::FlowFilter& filter, size_t wanted,
                    Instant deadline, ConnectionList* list) {
  if (!lane.Answers(kThreadPatience)) return false;
  const size_t room = wanted - list->connections.size();
  std::vector<l4::FlowView> flows;
  // The packet thread is not to allocate more than it must.
  flows.reserve(std::min<size_t>(room, 1024));
  l4::Director::ListCursor cursor;
  uint32_t now_ms = 0;
  while (!cursor.done && flows.size() < room) {
    if (MonotonicNow() >= deadline) return false;
    const bool done = lane.Call([&](Instant now, l4::Director& director) {
      director.List(cursor, kListLines, filter, room, flows);
      now_ms = l4::ClockMs(now);
    });
    if (!done) return false;
    // Packets of this thread go on in between.
    if (lane.runner() != nullptr) RunPackets();
  }
  for (const l4::FlowView& flow : flows) {
    if (plan_->server(flow.server_slot) == nullptr) continue;  // Gone since.
    list->connections.push_back(l4::ConnectionOf(*plan_, flow, now_ms));
  }
  return true;
}

absl::StatusOr<Explanation> Unit::Explain(const ExplainOrder& order) {
  if (order.client.address.is_v4() != order.destination.address.is_v4()) {
    return absl::InvalidArgumentError(
        absl::StrCat("destination: ", order.destination.ToString(),
                     ", must be of the client's family"));
  }
  Explanation explanation;
  explanation.reason = l4::DropReasonName(l4::DropReason::kNoService);
  const bool at_layer7 =
      proxies_ != nullptr && order.protocol == Protocol::kTcp;
  if (!lanes_.empty()) {
    Lane& lane = *lanes_[LanesOf(order.client).front()];
    const bool done = lane.Answers(kThreadPatience) &&
                      lane.Call([&](Instant now, l4::Director& director) {
                        director.Explain(now, order, &explanation);
                      });
    if (!done) {
      return absl::UnavailableError("a packet thread is too busy to answer");
    }
    // What no flow or service of layer 4 takes may be for a proxy.
    if (explanation.service.has_value() ||
        (explanation.reason != l4::DropReasonName(l4::DropReason::kNoService) &&
         plan_->IsFloating(order.destination.address))) {
      return explanation;
    }
  }
  if (at_layer7) {
    auto known = proxies_->Explain(order, MonotonicNow() + kListPatience);
    if (known.has_value()) return *std::move(known);
  }
  return explanation;
}

}  // namespace ballast::run
