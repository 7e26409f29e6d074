#include "lb/l4/connection_of.h"

#include <algorithm>

#include "absl/time/time.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {

ConnectionRecord ConnectionOf(const Plan& plan, const FlowView& flow,
                              uint32_t now_ms) {
  const config::VirtualService& service =
      plan.service(plan.server(flow.server_slot)->service)->config;
  const bool tcp = flow.client_side.protocol == Protocol::kTcp;
  // Seen since `now_ms`: not idle.
  const auto idle_ms = static_cast<int32_t>(now_ms - flow.idle_since_ms);
  return {.protocol = flow.client_side.protocol,
          .client = flow.client_side.source,
          .destination = flow.client_side.destination,
          .service = {service.address, service.port},
          .server = flow.server,
          .direct_return = flow.forwarding == config::Forwarding::kRoute,
          .state = tcp ? TcpStateName(flow.state) : "-",
          .idle = absl::Milliseconds(std::max(idle_ms, 0)),
          .client_packets = flow.client_packets,
          .synced = flow.synced};
}

}  // namespace ballast::l4
