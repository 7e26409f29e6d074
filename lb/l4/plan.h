// The configuration as packet threads read it: services and servers in slots
// that keep their number for life, and the look-ups of a packet's first visit.
//
// A Plan is immutable and shared by all packet threads. The control thread
// makes it from a config::Model with a PlanBuilder, which remembers which slot
// belongs to which service and server: a flow that need not move keeps pointing
// at its slot over any reload. A removed server keeps its slot (state
// `removed`: no new flow) until no thread has a flow on it; a removed service
// loses its address and so its flows.
//
// Units    slot: 0..65534, stable. position: index in the configured order.
// Errors   Build() refuses what does not fit the slots, naming the limit.
// Cost     FindService two hash look-ups at most, once per new flow.
// Threads  a Plan never changes; a PlanBuilder is the control thread's.
#ifndef LB_L4_PLAN_H_
#define LB_L4_PLAN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "io/base/instant.h"
#include "lb/config/model.h"
#include "lb/config/partner_config.h"
#include "sched/source_hash_table.h"

namespace ballast::l4 {

using Slot = uint16_t;
inline constexpr Slot kNoSlot = 0xffff;

struct PlanServer {
  Slot slot = kNoSlot;
  Slot service = kNoSlot;
  Endpoint endpoint{};  // Port 0: the port the client asked for.
  config::Forwarding forwarding = config::Forwarding::kNat;
  config::AdminState state = config::AdminState::kEnabled;
  uint32_t weight = 0;
  uint32_t connection_limit = 0;  // Of the unit; 0: none.
  bool sorry = false;             // Not checked, never in the scheduler.
  bool removed = false;           // Gone from the configuration.
  bool drop_at_drain_end = false;
  // While draining: persistence entries reach it before this. Never() when it
  // is not draining.
  Instant drain_end = Instant::Never();
  uint64_t id = 0;  // From the endpoint alone: equal on both units of a pair.
};

struct PlanService {
  Slot slot = kNoSlot;
  config::VirtualService config;
  uint64_t id = 0;  // From (address, port, protocol): as above.
  uint32_t idle_timeout_ms = 0;
  std::vector<Slot> servers;  // In configured order, which schedulers use.
  Slot sorry_server = kNoSlot;
  // Schedule SH: its configured slots.
  std::shared_ptr<const sched::SourceHashTable> source_hash;

  // Persistence goes by what a datagram says, each by itself (mode UDP_SIP).
  bool by_message() const {
    return config.persistence.enabled &&
           config.persistence.mode == config::PersistenceMode::kUdpSip;
  }
};

class Plan {
 public:
  // The service for a new flow to (address, port): exact port, then an extra
  // port, then the wildcard. Null: none. Disabled services are found too.
  const PlanService* FindService(Protocol protocol, const Address& address,
                                 uint16_t port) const;
  bool IsFloating(const Address& address) const {
    return floating_.contains(address);
  }
  // The one server that (protocol, endpoint) can be, and the service port its
  // replies come from; nullopt when several services share it. For flows
  // without a table entry.
  struct StatelessServer {
    Slot server;
    uint16_t service_port;
  };
  std::optional<StatelessServer> FindStatelessServer(
      Protocol protocol, const Endpoint& endpoint) const;

  // Null: no such slot now.
  const PlanService* service(Slot slot) const {
    return slot < services_.size() && services_[slot].has_value()
               ? &*services_[slot]
               : nullptr;
  }
  const PlanServer* server(Slot slot) const {
    return slot < servers_.size() && servers_[slot].has_value()
               ? &*servers_[slot]
               : nullptr;
  }
  size_t service_slots() const { return services_.size(); }
  size_t server_slots() const { return servers_.size(); }
  const config::Model& model() const { return *model_; }

 private:
  friend class PlanBuilder;
  using ServiceKey = std::tuple<Protocol, Address, uint16_t>;

  std::shared_ptr<const config::Model> model_;
  std::vector<std::optional<PlanService>> services_;
  std::vector<std::optional<PlanServer>> servers_;
  absl::flat_hash_map<ServiceKey, Slot> by_port_;  // Port 0: wildcard.
  absl::flat_hash_map<ServiceKey, StatelessServer> stateless_;
  absl::flat_hash_map<Address, bool> floating_;  // Value: is a VIP.
};

class PlanBuilder {
 public:
  static constexpr size_t kSlotCountMax = 65535;

  // Makes the plan that follows the last one. `in_use(slot)` says whether any
  // packet thread still has flows on a removed server.
  //   kResourceExhausted  more services or servers than slots
  absl::StatusOr<std::shared_ptr<const Plan>> Build(
      std::shared_ptr<const config::Model> model, Instant now,
      const std::function<bool(Slot)>& in_use);

  // The next plan's `even` services have these slots, the partner's, where they
  // fit the servers; else they follow from the last plan's.
  void Adopt(std::vector<config::ScheduleTable> tables) {
    adopted_ = std::move(tables);
  }

 private:
  using ServerKey = std::tuple<uint64_t, Endpoint, bool>;  // Service id, sorry.
  struct Drain {
    Instant began;
  };

  absl::flat_hash_map<std::tuple<Protocol, Address, uint16_t>, Slot>
      service_slots_;
  absl::flat_hash_map<ServerKey, Slot> server_slots_;
  absl::flat_hash_map<Slot, Drain> draining_;
  std::shared_ptr<const Plan> last_;
  std::vector<config::ScheduleTable> adopted_;
};

// The slots of the `even` services, which another unit cannot compute from the
// configuration alone.
std::vector<config::ScheduleTable> ScheduleTablesOf(const Plan& plan);

// Stable identities: FNV-1a over the wire form, so that both units of a pair
// agree. Not secret, not for attacker-chosen input.
uint64_t ServiceId(Protocol protocol, const Address& address, uint16_t port);
uint64_t ServerId(const Endpoint& endpoint);

}  // namespace ballast::l4

#endif  // LB_L4_PLAN_H_
