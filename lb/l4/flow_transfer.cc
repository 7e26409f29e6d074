// FlowPath: flows seen from outside the packet path, and moved to other tables.
#include <algorithm>
#include <utility>

#include "lb/l4/flow_path.h"
#include "lb/l4/flow_rules.h"

namespace ballast::l4 {

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
      .synced = entry.Has(kSynced),
      .by_message = GoesByMessage(entry),
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
  if (entry->Has(kSynced)) Awake(*entry);
  const uint32_t before =
      std::exchange(entry->client_packets, entry->client_packets + packets);
  ServerCounters& counters = *context_.servers[entry->server_slot].counters;
  counters.packets_in.Add(packets);
  counters.bytes_in.Add(bytes);
  context_.counters.director.flows_absorbed.Add(1);
  if (context_.teller.telling()) Ask(now, *entry, before);
  return true;
}

template <typename A>
uint32_t FlowPath<A>::List(uint32_t cursor, uint32_t lines,
                           const FlowFilter& filter, size_t count_max,
                           std::vector<FlowView>& flows) {
  constexpr bool kV4 = sizeof(A) == 4;
  // Of the other family: none.
  for (const auto* end : {&filter.client, &filter.server}) {
    if (end->has_value() && (*end)->address.is_v4() != kV4) return 0;
  }
  const auto wants = [](const std::optional<Endpoint>& end, const A& address,
                        uint16_t port) {
    return !end.has_value() || ((end->port == 0 || end->port == port) &&
                                end->address == UnpackAddress(address));
  };
  return table_.Walk(cursor, lines, [&](Entry& entry) {
    const ServerPath& server = context_.servers[entry.server_slot];
    if (flows.size() >= count_max || !server.valid ||
        (filter.service != kNoSlot && filter.service != server.service) ||
        !wants(filter.client, entry.client, entry.client_port) ||
        !wants(filter.server, entry.server, entry.server_port)) {
      return;
    }
    flows.push_back(ViewOf(entry));
  });
}

template <typename A>
uint32_t FlowPath<A>::Export(Instant now, uint32_t cursor, size_t& count,
                             std::span<FlowRecord> records) {
  count = 0;
  const uint32_t now_ms = ClockMs(now);
  return table_.Walk(
      cursor, static_cast<uint32_t>(records.size()), [&](Entry& entry) {
        const PlanServer* server = context_.plan->server(entry.server_slot);
        if (server == nullptr || entry.Has(kReset) || entry.Has(kBeside))
          return;
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
  init.sync_end_ms = ClockMs(now);
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

template FlowView FlowPath<AddressV4>::ViewOf(
    const Connection<AddressV4>& entry) const;
template FlowView FlowPath<AddressV6>::ViewOf(
    const Connection<AddressV6>& entry) const;
template std::optional<FlowView> FlowPath<AddressV4>::Find(const FlowKey& key);
template std::optional<FlowView> FlowPath<AddressV6>::Find(const FlowKey& key);
template bool FlowPath<AddressV4>::Absorb(Instant now, FlowHandle handle,
                                          uint32_t packets, uint64_t bytes,
                                          Instant last_seen);
template bool FlowPath<AddressV6>::Absorb(Instant now, FlowHandle handle,
                                          uint32_t packets, uint64_t bytes,
                                          Instant last_seen);
template uint32_t FlowPath<AddressV4>::List(uint32_t cursor, uint32_t lines,
                                            const FlowFilter& filter,
                                            size_t count_max,
                                            std::vector<FlowView>& flows);
template uint32_t FlowPath<AddressV6>::List(uint32_t cursor, uint32_t lines,
                                            const FlowFilter& filter,
                                            size_t count_max,
                                            std::vector<FlowView>& flows);
template uint32_t FlowPath<AddressV4>::Export(Instant now, uint32_t cursor,
                                              size_t& count,
                                              std::span<FlowRecord> records);
template uint32_t FlowPath<AddressV6>::Export(Instant now, uint32_t cursor,
                                              size_t& count,
                                              std::span<FlowRecord> records);
template bool FlowPath<AddressV4>::Import(Instant now,
                                          const FlowRecord& record);
template bool FlowPath<AddressV6>::Import(Instant now,
                                          const FlowRecord& record);

}  // namespace ballast::l4
