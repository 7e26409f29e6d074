// Small questions about a partner's record, which the director's side of
// ha/state_table.h is made of.
#ifndef LB_L4_RECORD_RULES_H_
#define LB_L4_RECORD_RULES_H_

#include <algorithm>
#include <cstdint>

#include "ha/sync_record.h"
#include "io/base/flow_key.h"
#include "lb/l4/flow_tuple.h"
#include "lb/l4/plan.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {

// Whether a unit like this one could ever serve it. Leaves out, of what IPVS
// knows, other protocols, templates of firewall marks (protocol 0), one-packet
// connections, and FTP's announced data connections, whose client port is not
// known.
inline bool IsServable(const ha::SyncRecord& record) {
  if (record.protocol != static_cast<uint8_t>(Protocol::kTcp) &&
      record.protocol != static_cast<uint8_t>(Protocol::kUdp)) {
    return false;
  }
  if (record.client.address.is_v4() == record.v6 ||
      record.virtual_service.address.is_v4() == record.v6) {
    return false;
  }
  switch (record.kind) {
    case ha::SyncRecord::Kind::kGone:
      return true;
    case ha::SyncRecord::Kind::kTemplate:
      return record.server.address.is_v4() != record.v6;
    case ha::SyncRecord::Kind::kConnection:
      return record.server.address.is_v4() != record.v6 &&
             (record.flags & (ha::kOnePacket | ha::kNoClientPort)) == 0 &&
             record.state <
                 (record.protocol == static_cast<uint8_t>(Protocol::kTcp)
                      ? kTcpStateCount
                      : 1);
  }
  return false;
}

template <typename A>
FlowTuple<A> TupleOf(const ha::SyncRecord& record) {
  return {PackAddress<A>(record.client.address),
          PackAddress<A>(record.virtual_service.address), record.client.port,
          record.virtual_service.port, record.protocol};
}

// How long before now the connection was last seen, within the clock's reach.
inline uint32_t IdleOf(const ha::SyncRecord& record) {
  return record.has_detail ? std::min(record.idle_ms, uint32_t{1} << 30) : 0;
}

// The server a connection's record names: of its service, by address and port,
// the port as given, then 0 (any); the sorry server too, and one that is
// removed but still known. Null: not here.
inline const PlanServer* FindServer(const Plan& plan,
                                    const ha::SyncRecord& record) {
  const PlanService* service = plan.FindService(
      static_cast<Protocol>(record.protocol), record.virtual_service.address,
      record.virtual_service.port);
  if (service == nullptr) return nullptr;
  for (const uint16_t port : {record.server.port, uint16_t{0}}) {
    const Endpoint wanted{record.server.address, port};
    for (const Slot slot : service->servers) {
      const PlanServer* server = plan.server(slot);
      if (server->endpoint == wanted) return server;
    }
    if (service->sorry_server != kNoSlot) {
      const PlanServer* server = plan.server(service->sorry_server);
      if (server->endpoint == wanted) return server;
    }
  }
  for (Slot slot = 0; slot < plan.server_slots(); ++slot) {
    const PlanServer* server = plan.server(slot);
    if (server != nullptr && server->removed &&
        server->service == service->slot &&
        server->endpoint.address == record.server.address &&
        (server->endpoint.port == record.server.port ||
         server->endpoint.port == 0)) {
      return server;
    }
  }
  return nullptr;
}

}  // namespace ballast::l4

#endif  // LB_L4_RECORD_RULES_H_
