// Unit: questions to what runs, answered by the threads that have it.
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/clock.h"
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
    const l4::PlanServer* server = plan_->server(flow.server_slot);
    if (server == nullptr) continue;  // Gone since.
    const config::VirtualService& service =
        plan_->service(server->service)->config;
    const bool tcp = flow.client_side.protocol == Protocol::kTcp;
    // Seen since the last piece: not idle.
    const auto idle_ms = static_cast<int32_t>(now_ms - flow.idle_since_ms);
    list->connections.push_back(
        {.protocol = flow.client_side.protocol,
         .client = flow.client_side.source,
         .destination = flow.client_side.destination,
         .service = {service.address, service.port},
         .server = flow.server,
         .direct_return = flow.forwarding == config::Forwarding::kRoute,
         .state = tcp ? l4::TcpStateName(flow.state) : "-",
         .idle = absl::Milliseconds(std::max(idle_ms, 0)),
         .client_packets = flow.client_packets,
         .synced = flow.synced});
  }
  return true;
}

}  // namespace ballast::run
