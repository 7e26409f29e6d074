// Flows as the world outside the packet path sees them: handles, views, the
// sink that hears of every flow, and the record by which a flow moves to
// another table (a restarted process, the partner unit).
//
// FlowSink  called on the packet thread that owns the flow, on creation, state
//           change and removal: never per packet. It must not call back into
//           the director. The in-kernel fast path and the sync policy attach
//           here (ARCHITECTURE.md D12).
#ifndef LB_L4_FLOW_H_
#define LB_L4_FLOW_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "io/base/instant.h"
#include "lb/config/model.h"
#include "lb/l4/plan.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {

// Names a flow of one director for as long as it lives; of a flow that has gone
// it names nothing.
struct FlowHandle {
  uint32_t index = 0;
  uint16_t generation = 0;
  bool v6 = false;

  friend auto operator<=>(const FlowHandle&, const FlowHandle&) = default;
};

// A flow with its rewrite, a copy.
struct FlowView {
  FlowHandle handle{};
  FlowKey client_side{};  // client -> virtual service.
  Endpoint server{};      // What the destination becomes (NAT).
  config::Forwarding forwarding = config::Forwarding::kNat;
  Slot server_slot = kNoSlot;
  TcpState state = TcpState::kNone;  // kNone for UDP.
  uint32_t client_packets = 0;       // Wraps.
  uint32_t idle_since_ms = 0;        // ClockMs() of its last packet.
  uint16_t origin = 0;               // The unit that made it; 0: this one.
  bool synced = false;  // Told by the partner; no packet here since.
  // Each of its client's datagrams is placed by itself and must come up: the
  // next one may belong to another flow.
  bool by_message = false;
};

// Which flows to list: what is not set is any.
struct FlowFilter {
  Slot service = kNoSlot;
  std::optional<Endpoint> client;  // Port 0: any.
  std::optional<Endpoint> server;  // Likewise.
};

enum class FlowEvent : uint8_t { kAdded, kChanged, kRemoved };

class FlowSink {
 public:
  virtual ~FlowSink() = default;
  virtual void OnFlow(FlowEvent event, const FlowView& flow) = 0;
};

// One flow or persistence entry as it travels: everything but the slot numbers,
// which are each unit's own. kFlowRecordSize bytes on the wire, laid out in
// flow_record.cc.
struct FlowRecord {
  enum class Kind : uint8_t { kFlow = 1, kPersistence = 2 };

  Kind kind = Kind::kFlow;
  FlowKey
      client_side{};  // kPersistence: source port 0, destination the service.
  Endpoint server{};
  config::Forwarding forwarding = config::Forwarding::kNat;
  bool sorry = false;  // The server is the service's sorry server.
  TcpState state = TcpState::kNone;
  uint16_t service_port = 0;  // The service's own; 0: wildcard.
  uint32_t idle_ms = 0;       // kFlow: silent for. kPersistence: age.
  uint32_t client_packets = 0;
  uint32_t client_next_sequence = 0;
  uint32_t client_acknowledged = 0;

  friend bool operator==(const FlowRecord&, const FlowRecord&) = default;
};

inline constexpr size_t kFlowRecordSize = 80;
// Writes kFlowRecordSize bytes.
void EncodeFlowRecord(const FlowRecord& record,
                      std::span<uint8_t, kFlowRecordSize> bytes);
// nullopt unless every field is one that EncodeFlowRecord could have written.
std::optional<FlowRecord> DecodeFlowRecord(
    std::span<const uint8_t, kFlowRecordSize> bytes);

}  // namespace ballast::l4

#endif  // LB_L4_FLOW_H_
