// A unit in the simulation: the real director and the real node, on a clock of
// its own that may run fast or slow, be stalled or end.
#ifndef LB_SIM_UNIT_H_
#define LB_SIM_UNIT_H_

#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "ha/node.h"
#include "io/base/frame.h"
#include "io/base/instant.h"
#include "lb/config/model.h"
#include "lb/l4/director.h"
#include "lb/l4/director_state_table.h"
#include "lb/l4/plan.h"
#include "lb/sim/ledger.h"

namespace ballast::sim {

// Ports of a unit, and the networks they are on.
inline constexpr uint16_t kClients = 0;
inline constexpr uint16_t kServers = 1;

class Unit : public ha::Node::Host {
 public:
  // What a unit does to the world. Frames are read before the call returns.
  class World {
   public:
    virtual ~World() = default;
    virtual void OnFrame(int unit, uint16_t port,
                         std::span<const uint8_t> frame) = 0;
    virtual void OnAdvert(int unit, int interface,
                          std::vector<uint8_t> bytes) = 0;
    virtual void OnSync(int unit, std::vector<uint8_t> bytes) = 0;
    // False: there is no stream.
    virtual bool OnStream(int unit, std::vector<uint8_t> bytes) = 0;
    // It takes the role; its replicator still has its former one.
    virtual void OnTake(int unit) = 0;
    // A role changed, and all that goes with it.
    virtual void OnRole(int unit, const ha::RoleChange& change) = 0;
    virtual void OnConfig(int unit, uint64_t generation,
                          std::span<const uint8_t> config) = 0;
  };

  struct Options {
    int number = 0;  // 0 is First, 1 is Second.
    uint64_t seed = 0;
    absl::Duration interval = absl::Milliseconds(100);
    bool preferred = false;
    ha::SyncSettings sync;
  };

  Unit(const Options& options, std::shared_ptr<const config::Model> model,
       World& world, Instant now);

  // `now` is this unit's own time in every call.
  void Receive(Instant now, Frame frame);
  void Tick(Instant now);
  // When Tick() is due; the director wants one every few milliseconds.
  Instant deadline() const;

  void Configure(Instant now, std::shared_ptr<const config::Model> model);
  bool serving(Instant now) const {
    return director_->active() && now < node_->lease();
  }
  ha::Node& node() { return *node_; }
  const ha::Node& node() const { return *node_; }
  l4::Director& director() { return *director_; }
  Ledger& ledger() { return *ledger_; }
  const Ledger& ledger() const { return *ledger_; }

 private:
  // ha::Node::Host.
  void SendAdvert(Instant now, int interface,
                  std::span<const uint8_t> bytes) override;
  void SendSync(Instant now, std::span<const uint8_t> bytes) override;
  bool SendStream(Instant now, std::span<const uint8_t> bytes) override;
  void TakeRole(Instant now) override;
  void DropRole(Instant now) override;
  void Reannounce(Instant now) override;
  void Reboot(Instant now) override;
  void OnRoleChange(const ha::RoleChange& change) override;
  void OnConfig(Instant now, uint64_t generation,
                std::span<const uint8_t> config) override;
  void FillRandom(std::span<uint8_t> bytes) override;

  void Emit(Instant now);

  const Options options_;
  World& world_;
  std::mt19937_64 random_;
  l4::PlanBuilder builder_;
  std::unique_ptr<l4::Director> director_;
  std::unique_ptr<l4::DirectorStateTable> table_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<ha::Node> node_;
  Instant next_emit_;
};

// The MAC of unit `number`, and of any host.
MacAddress UnitMac(int number);

}  // namespace ballast::sim

#endif  // LB_SIM_UNIT_H_
