// A unit that seems to work, for tests of what shows one: the servers of its
// configuration are up, and something happens each time it is asked.
#ifndef LB_ADMIN_EXAMPLE_BACKEND_H_
#define LB_ADMIN_EXAMPLE_BACKEND_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lb/admin/backend.h"
#include "lb/admin/statistics_example.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace ballast::admin {

class ExampleBackend : public Backend {
 public:
  // `text`: a configuration of layer 4 in the text format.
  explicit ExampleBackend(absl::string_view text)
      : config_(*config::ParseConfig(text)) {}

  const config::proto::Config& configuration() const override {
    return config_;
  }
  uint64_t generation() const override { return generation_; }
  absl::Status Change(config::proto::Config next, absl::string_view what,
                      const Author& author) override {
    const config::Validated valid = config::Validate(next, generation_ + 1);
    if (valid.model == nullptr) {
      return absl::InvalidArgumentError(config::Report(valid));
    }
    config_ = std::move(next);
    Note(what, author);
    ++generation_;
    return absl::OkStatus();
  }
  std::vector<Revision> History() const override {
    return {history_.rbegin(), history_.rend()};
  }
  absl::StatusOr<config::proto::Config> ConfigurationOf(
      uint64_t) const override {
    return absl::NotFoundError("not kept");
  }
  Statistics GetStatistics() const override {
    ++asked_;
    const config::Validated valid = config::Validate(config_, generation_);
    Statistics all = ExampleStatistics();
    all.generation = generation_;
    all.services.clear();
    for (const config::VirtualService& from : valid.model->services) {
      ServiceStatistics& service = all.services.emplace_back();
      service.name = from.name;
      service.address = from.address;
      service.port = from.port;
      service.protocol = from.protocol;
      service.up = true;
      for (const config::RealServer& real : from.servers) {
        ServerStatistics& server = service.servers.emplace_back();
        const auto place = service.servers.size();
        server.name = real.name;
        server.endpoint = real.endpoint;
        server.weight = real.weight;
        server.state = real.state;
        server.up = true;
        server.reason = "check passed";
        server.traffic.connections = 100 * asked_ + place;
        server.traffic.active_connections = asked_ % 7 + place;
        server.traffic.connections_per_second =
            real.state == config::AdminState::kEnabled
                ? static_cast<double>(40 + asked_ * place * 7 % 25)
                : 0;
        service.traffic.connections += server.traffic.connections;
        service.traffic.active_connections += server.traffic.active_connections;
        service.traffic.connections_per_second +=
            server.traffic.connections_per_second;
        service.traffic.bytes_per_second +=
            server.traffic.connections_per_second * 21000;
      }
    }
    return all;
  }
  HostStatistics GetHostStatistics() override { return {}; }
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
  absl::Status Switchover(const Author& author) override {
    Note("switchover", author);
    return absl::FailedPreconditionError("the partner is not there");
  }
  absl::Status ForceUpdate(const Author& author) override {
    Note("force update", author);
    return absl::OkStatus();
  }
  absl::Status Resync(const Author&) override { return absl::OkStatus(); }
  absl::Status Reboot(const Author&) override { return absl::OkStatus(); }

  absl::Time now = absl::UnixEpoch();  // Of what happens next.
  ConnectionQuery connection_query;    // The last one, and its answer.
  absl::StatusOr<ConnectionList> connections = ConnectionList();
  ExplainOrder explain_order;
  absl::StatusOr<Explanation> explanation = Explanation();
  PersistenceQuery persistence_query;
  absl::StatusOr<PersistenceList> persistence = PersistenceList();
  int deletes = 0;

 private:
  void Note(absl::string_view what, const Author& author) {
    history_.push_back({generation_ + 1, now, author, std::string(what)});
  }

  config::proto::Config config_;
  uint64_t generation_ = 1;
  std::vector<Revision> history_;
  mutable uint64_t asked_ = 0;
};

}  // namespace ballast::admin

#endif  // LB_ADMIN_EXAMPLE_BACKEND_H_
