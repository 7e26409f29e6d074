// A Balancer that forwards nothing: what its owner asks of it is written down,
// and it refuses as it is told. For tests of what stands above a balancer.
#ifndef LB_RUN_FAKE_BALANCER_H_
#define LB_RUN_FAKE_BALANCER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lb/balancer.h"

namespace ballast::run {

class FakeBalancer : public Balancer {
 public:
  explicit FakeBalancer(Options options)
      : options(std::move(options)), in_force(this->options.model) {}

  absl::Status Apply(std::shared_ptr<const config::Model> model) override {
    ++applied;
    // In part, before it was refused.
    if (apply_status.ok() || half) in_force = std::move(model);
    return std::exchange(apply_status, absl::OkStatus());
  }
  absl::Status CheckApply(const config::Model&) const override {
    return check_status;
  }
  const config::Model& model() const override { return *in_force; }
  absl::Status SetServerState(const Endpoint&, Protocol, const Endpoint&,
                              config::AdminState) override {
    return absl::OkStatus();
  }
  Statistics GetStatistics() const override {
    Statistics statistics;
    statistics.pair.role = role;
    return statistics;
  }
  absl::StatusOr<ConnectionList> ListConnections(
      const ConnectionQuery&) override {
    return ConnectionList();
  }
  absl::StatusOr<Explanation> Explain(const ExplainOrder&) override {
    return Explanation();
  }
  absl::StatusOr<PersistenceList> ListPersistence(
      const PersistenceQuery&) override {
    return PersistenceList();
  }
  absl::StatusOr<PersistenceList> DeletePersistence(
      const PersistenceQuery&) override {
    if (!act_status.ok()) return act_status;
    return PersistenceList{.entries = {{}, {}}};
  }
  absl::Status Switchover() override { return act_status; }
  absl::Status Resync() override { return act_status; }
  absl::Status OfferConfig(uint64_t generation, std::vector<uint8_t> shared,
                           bool) override {
    offered.emplace_back(generation, std::move(shared));
    return act_status;
  }
  int fd() override { return -1; }
  void RunOnce() override {}
  void Run() override {}
  void Stop() override {}
  absl::Status Shutdown() override { return absl::OkStatus(); }

  Options options;
  std::shared_ptr<const config::Model> in_force;
  int applied = 0;
  absl::Status apply_status;  // Of the next Apply().
  bool half = false;
  absl::Status check_status;
  absl::Status act_status;
  std::string role = "active";
  std::vector<std::pair<uint64_t, std::vector<uint8_t>>> offered;
};

}  // namespace ballast::run

#endif  // LB_RUN_FAKE_BALANCER_H_
