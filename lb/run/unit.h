// The balancer on this host: joins configuration, network, health checks and
// packet lanes on one control thread. What Balancer::Create() makes.
//
// Threads  see lb/balancer.h.
#ifndef LB_RUN_UNIT_H_
#define LB_RUN_UNIT_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "io/reactor.h"
#include "lb/balancer.h"
#include "lb/config/partner_config.h"
#include "lb/health/following.h"
#include "lb/l4/address_claim.h"
#include "lb/l4/plan.h"
#include "lb/log_record.h"
#include "lb/run/conntrack_link.h"
#include "lb/run/health_checker.h"
#include "lb/run/l7_sync.h"
#include "lb/run/lane.h"
#include "lb/run/lanes_state_table.h"
#include "lb/run/network.h"
#include "lb/run/partner.h"
#include "lb/run/proxies.h"
#include "lb/run/statistics.h"
#include "lb/run/weight_watch.h"
#include "persist/key_store.h"

namespace ballast::run {

class Unit : public Balancer, private Partner::Owner {
 public:
  static absl::StatusOr<std::unique_ptr<Balancer>> Create(Options options);
  ~Unit() override;

  absl::Status Apply(std::shared_ptr<const config::Model> model) override;
  absl::Status CheckApply(const config::Model& model) const override;
  const config::Model& model() const override { return *model_; }
  absl::Status SetServerState(const Endpoint& service, Protocol protocol,
                              const Endpoint& server,
                              config::AdminState state) override;
  Statistics GetStatistics() const override;
  absl::StatusOr<ConnectionList> ListConnections(
      const ConnectionQuery& query) override;
  absl::StatusOr<Explanation> Explain(const ExplainOrder& order) override;
  absl::StatusOr<PersistenceList> ListPersistence(
      const PersistenceQuery& query) override;
  absl::StatusOr<PersistenceList> DeletePersistence(
      const PersistenceQuery& query) override;
  int fd() override { return reactor_->fd(); }
  void RunOnce() override;
  void Run() override { reactor_->Run(); }
  void Stop() override { reactor_->Stop(); }
  absl::Status Shutdown() override;
  absl::Status Switchover() override;
  absl::Status Resync() override;
  absl::Status OfferConfig(uint64_t generation, std::vector<uint8_t> shared,
                           bool force) override;

 private:
  // -- The pair (unit_pair.cc) ------------------------------------------------
  absl::Status OpenPair();
  void ClosePair();
  // The pair's own fields that `model` may not change while running.
  absl::Status CheckPairUnchanged(const config::Model& model) const;
  // From the configuration in force, but for what is per unit and can change
  // while running: the keys above all.
  bool OnlyOwnPartDiffers(const config::Model& model) const;
  void ApplyToPair();
  // How its connections are told.
  l4::SyncOptions MakeSyncOptions() const;
  // Whether what came by sync ends by the partner's word alone.
  bool HearsEnds() const { return !model_->ha.plain.has_value(); }
  absl::Status HasPair(const char* what) const;
  void UpdateLinks();
  void WatchPair();
  void LeavePair();
  void LeaveProxies();
  // Partner::Owner.
  void SetActive(bool active) override;
  void Reannounce() override;
  void Reboot() override;
  void OnPartnerConfig(uint64_t generation,
                       std::span<const uint8_t> config) override;
  void SetLease(Instant until) override;
  void Say(const LogRecord& record) override;

  // Whatever cannot change while running has not.
  absl::Status CheckUnchanged(const config::Model& model) const;
  absl::Status ApplyAny(std::shared_ptr<const config::Model> model);
  // `model` null: this unit has it already.
  absl::Status ApplyFromPartner(std::shared_ptr<const config::Model> model,
                                config::PartnerConfig given);
  // The shared configuration, and what goes with it.
  std::vector<uint8_t> ForPartner() const;

  // Gives the entries of the key store the names of the configuration.
  void NameEntries();

  // The tables of the key store, by the configuration's names.
  std::vector<L7Sync::Table> KeyTables() const;
  // -- Questions (unit_inspect.cc) --------------------------------------------
  // Null: no such service of layer 4.
  const l4::PlanService* FindL4(const ServiceAddress& key) const;
  // Where a client's connections are; nullopt: any's.
  std::vector<size_t> LanesOf(const std::optional<Endpoint>& client) const;
  // Both lists of entries; `erase`: takes them out.
  absl::StatusOr<PersistenceList> FindPersistence(const PersistenceQuery& query,
                                                  bool erase);
  bool FindEntries(Lane& lane, const l4::ServerChoice::EntryFilter& filter,
                   size_t wanted, Instant deadline, PersistenceList* list);
  bool FindKeys(const PersistenceQuery& query, bool erase, size_t wanted,
                Instant deadline, PersistenceList* list);
  // False: it did not answer in time.
  bool ListLane(Lane& lane, const l4::FlowFilter& filter, size_t wanted,
                Instant deadline, ConnectionList* list);

  // -- Connections shared with a conntrackd (unit_connection_sync.cc) ---------
  // As `model` says; while running, too. What cannot be had leaves the old.
  absl::Status ApplyConnectionSync(const config::Model& model);
  absl::Status OpenConnectionSync(const config::Model& model);
  void CloseConnectionSync();

  // -- What outlives the process (unit_files.cc; Shutdown() too) --------------
  absl::Status ReadKeys();
  // A source key that the configuration does not have, for the next start.
  absl::Status KeepSourceKey() const;
  void RestoreFlows(const PacketSteering& steering);

  // -- The packet lanes (unit_packets.cc)
  // --------------------------------------
  absl::Status MakeLanes();
  // Has every lane take the plan with the health of its servers.
  absl::Status Distribute();
  std::vector<const l4::AllCounters*> Counters() const;
  // To every lane; what a lane's full mailbox refuses is told again later.
  void PostView();
  void PostHealth();
  void OnPackets(Completion completion);
  void OnPacketTick(Completion completion);
  void RunPackets();

  explicit Unit(Options options) : options_(std::move(options)) {}
  absl::Status Start();
  absl::StatusOr<std::shared_ptr<const l4::Plan>> BuildPlan(
      std::shared_ptr<const config::Model> model);
  absl::Status ApplyToProxies(const config::Model& model);
  void SetHealthTargets();
  bool IsUp(l4::Slot slot) const;
  // What packet threads have to know of each server, but its configuration.
  struct Standing {
    l4::Slot slot;
    bool up;
    uint32_t weight;
  };
  std::vector<Standing> StandingOfAll() const;
  ServerHealth HealthOf(l4::Slot slot) const;

  void OnNetwork(Completion completion);
  void OnSecond(Completion completion);
  void OnWake(Completion completion);
  void ReadNetwork();
  void UpdateNetwork();

  Options options_;
  Log log_;
  std::shared_ptr<const config::Model> model_;
  config::HashKey table_key_{};
  config::HashKey source_key_{};
  // Made, or the partner's; none before it was needed.
  std::optional<config::L7Secret> l7_secret_;
  std::vector<uint8_t> shared_;  // As given to OfferConfig(), or taken.
  l4::PlanBuilder builder_;
  std::shared_ptr<const l4::Plan> plan_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Reactor> reactor_;
  health::Following following_;
  std::unique_ptr<HealthChecker> health_;
  std::unique_ptr<WeightWatch> weights_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  // Persistence entries of layer 7, and of layer 4 that go by a message.
  std::shared_ptr<persist::KeyStore> key_store_;
  std::unique_ptr<Proxies> proxies_;  // Null: no service of layer 7 so far.
  StatisticsCollector statistics_;
  bool network_owed_ = false;  // A new view, to all.
  bool view_owed_ = false;     // A lane has not heard of the last view,
  bool health_owed_ = false;   // of the last change of health.
  int seconds_ = 0;

  bool ending_ = false;

  // Of a pair; without one this unit is active from the start.
  bool active_ = true;
  std::unique_ptr<LanesStateTable> table_;
  std::unique_ptr<L7Sync> l7_sync_;  // With l7_updates.
  std::unique_ptr<Partner> partner_;
  std::unique_ptr<ConntrackLink> connection_sync_;  // If enabled.
  std::atomic<int64_t> lease_ns_{0};
  std::vector<uint64_t> beats_;
  std::map<std::string, bool> had_carrier_;  // Of every configured interface.

  // What the lanes' threads have to say.
  std::mutex heard_mutex_;
  std::vector<l4::NeighbourKey> wanted_hops_;
  std::vector<l4::Slot> refused_;
  std::vector<l4::AddressClaim::News> address_news_;
  std::atomic<bool> changes_heard_{false};

  Operation network_op_ = Operation::To<&Unit::OnNetwork>(this);
  Operation network_timer_ = Operation::To<&Unit::OnNetworkTimer>(this);
  Operation packets_op_ = Operation::To<&Unit::OnPackets>(this);
  Operation packet_tick_ = Operation::To<&Unit::OnPacketTick>(this);
  Operation second_ = Operation::To<&Unit::OnSecond>(this);
  Operation wake_ = Operation::To<&Unit::OnWake>(this);
  void OnNetworkTimer(Completion completion);
};

}  // namespace ballast::run

#endif  // LB_RUN_UNIT_H_
