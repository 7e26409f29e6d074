// A unit for tests: validates as the real one does, keeps the history, serves
// nothing.
#ifndef LB_ADMIN_FAKE_BACKEND_H_
#define LB_ADMIN_FAKE_BACKEND_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/admin/backend.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace ballast::admin {

class FakeBackend : public Backend {
 public:
  // The configuration in Protobuf's text format.
  explicit FakeBackend(absl::string_view text) {
    auto config = config::ParseConfig(text);
    if (config.ok()) config_ = *std::move(config);
  }

  explicit FakeBackend(const config::proto::Config& config) : config_(config) {}

  const config::proto::Config& configuration() const override {
    return config_;
  }
  uint64_t generation() const override { return generation_; }
  absl::Status Change(config::proto::Config next, absl::string_view what,
                      const Author& author) override {
    if (!refusal.ok()) return refusal;
    const config::Validated valid = config::Validate(next, generation_ + 1);
    if (valid.model == nullptr) {
      std::string lines;
      for (const auto& problem : valid.errors) {
        absl::StrAppend(&lines, lines.empty() ? "" : "\n", problem.ToString());
      }
      return absl::InvalidArgumentError(lines);
    }
    config_ = std::move(next);
    history_.insert(history_.begin(),
                    {.generation = ++generation_,
                     .when = absl::UnixEpoch() + absl::Seconds(1700000000),
                     .author = author,
                     .what = std::string(what)});
    return absl::OkStatus();
  }
  std::vector<Revision> History() const override { return history_; }
  absl::StatusOr<config::proto::Config> ConfigurationOf(
      uint64_t) const override {
    return absl::NotFoundError("none");
  }
  Statistics GetStatistics() const override { return statistics; }
  HostStatistics GetHostStatistics() override { return host; }
  absl::StatusOr<ConnectionList> ListConnections(
      const ConnectionQuery& query) override {
    connection_query = query;
    return connections;
  }
  absl::StatusOr<Explanation> Explain(const ExplainOrder& order) override {
    explain_order = order;
    return explanation;
  }
  absl::StatusOr<PersistenceList> ListPersistence(
      const PersistenceQuery& query) override {
    persistence_query = query;
    return persistence;
  }
  absl::StatusOr<PersistenceList> DeletePersistence(
      const PersistenceQuery& query, const Author&) override {
    persistence_query = query;
    ++deletes;
    return persistence;
  }
  absl::Status Switchover(const Author&) override { return absl::OkStatus(); }
  absl::Status ForceUpdate(const Author&) override { return absl::OkStatus(); }
  absl::Status Resync(const Author&) override { return absl::OkStatus(); }
  absl::Status Reboot(const Author&) override {
    ++reboots;
    return absl::OkStatus();
  }

  Statistics statistics;
  ExplainOrder explain_order;
  absl::StatusOr<Explanation> explanation = Explanation();
  PersistenceQuery persistence_query;
  absl::StatusOr<PersistenceList> persistence = PersistenceList();
  int deletes = 0;
  ConnectionQuery connection_query;  // The last one,
  absl::StatusOr<ConnectionList> connections =
      ConnectionList();  // and its answer.
  HostStatistics host;
  absl::Status refusal;  // Of every change, unless it is OK.
  int reboots = 0;

 private:
  config::proto::Config config_;
  uint64_t generation_ = 1;
  std::vector<Revision> history_;
};

}  // namespace ballast::admin

#endif  // LB_ADMIN_FAKE_BACKEND_H_
