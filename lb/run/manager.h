// A balancer and its configuration's file: changes that last. What an
// application (or ballastd) has that lets people change the configuration while
// it runs.
//
//   auto manager = run::Manager::Open({.path = "/etc/ballast.textproto"});
//   poll on (*manager)->balancer().fd(), then RunOnce(), as lb/balancer.h says
//   (*manager)->Change(next, "weight of web-1", {.user = "admin"});
//
// A change is validated whole → asked of the balancer (CheckApply) → written,
// file and revision, and synced → applied → in the audit → offered to the
// partner. What is refused at any step leaves nothing, on the disk neither: if
// the balancer does not take it, the former file is restored and applied again.
// When Change() has returned OK, the change survives kill -9 and a power
// failure; if the process ends before, the next start finds the old or the new
// file, whole.
//
// The file stays the truth that a person edits: Reload() takes it, and after a
// change it is text format with a line that says by whom (config_store.h). With
// state_dir, history and audit are in STATE_DIR/history and audit.log; without,
// in memory.
//
// Generations count accepted configurations, on over restarts if there is a
// state_dir. A standby's own part ("Per unit") has none of its own; what the
// partner gives has the partner's.
//
// Who wins  of a pair only the active unit changes what both share: a standby
//           refuses and names the active one. What the partner gives replaces
//           the rest here, history and audit say so, and stays in the file even
//           where it takes a restart.
// Errors    as lb/admin/backend.h. Open(): kInvalidArgument with all that is
//           wrong with the file, or as Balancer::Create().
// Cost      each change is some syncs of the disk on the control thread: with a
//           disk that is slower than the pair's takeover time, a change may
//           cost the unit its role.
// Threads   the control thread's. One Manager for a file and a state_dir.
#ifndef LB_RUN_MANAGER_H_
#define LB_RUN_MANAGER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lb/admin/backend.h"
#include "lb/balancer.h"
#include "lb/config/change_record.h"
#include "lb/log_record.h"
#include "lb/run/audit_log.h"
#include "lb/run/config_store.h"
#include "lb/run/host_sampler.h"

namespace ballast::run {

class Manager : public admin::Backend {
 public:
  struct Options {
    std::string path;  // Of the configuration. It must be there.
    // All but model, on_partner_config and on_reboot, which are set here.
    Balancer::Options balancer;
    // Balancer::Create if empty.
    std::function<absl::StatusOr<std::unique_ptr<Balancer>>(Balancer::Options)>
        create;
  };
  static absl::StatusOr<std::unique_ptr<Manager>> Open(Options options);

  Balancer& balancer() { return *balancer_; }
  const config::Model& model() const { return *model_; }

  // admin::Backend.
  const config::proto::Config& configuration() const override {
    return config_;
  }
  uint64_t generation() const override { return config_.generation(); }
  absl::Status Change(config::proto::Config next, absl::string_view what,
                      const admin::Author& author) override;
  std::vector<admin::Revision> History() const override;
  absl::StatusOr<config::proto::Config> ConfigurationOf(
      uint64_t generation) const override;
  Statistics GetStatistics() const override;
  HostStatistics GetHostStatistics() override;
  absl::StatusOr<ConnectionList> ListConnections(
      const ConnectionQuery& query) override;
  absl::StatusOr<Explanation> Explain(const ExplainOrder& order) override;
  absl::StatusOr<PersistenceList> ListPersistence(
      const PersistenceQuery& query) override;
  absl::StatusOr<PersistenceList> DeletePersistence(
      const PersistenceQuery& query, const admin::Author& author) override;
  absl::Status Switchover(const admin::Author& author) override;
  absl::Status ForceUpdate(const admin::Author& author) override;
  absl::Status Resync(const admin::Author& author) override;
  absl::Status Reboot(const admin::Author& author) override;

  // Takes the file as it is now.
  absl::Status Reload(const admin::Author& author);
  // Change() to what was in force at `generation`.
  absl::Status Rollback(uint64_t generation, const admin::Author& author);
  // As config::Difference(); kNotFound.
  absl::StatusOr<std::string> Compare(uint64_t from, uint64_t to) const;

  // Writes the configuration in force to `path`, in text format below a line
  // that says when and which it is: a file that Restore() reads, and ballastd
  // too. It has what the configuration has, no file that it names: not the
  // certificates in files, nor state_dir. `secrets`: with keys and passwords.
  absl::Status Backup(const std::string& path, bool secrets,
                      const admin::Author& author);
  // Change() to the configuration in `path`. If secrets were left out, those in
  // force stay.
  absl::Status Restore(const std::string& path, const admin::Author& author);

  // Lines of the audit, the last one last.
  std::string AuditTail(size_t lines_max) const {
    return audit_->Tail(lines_max);
  }

 private:
  explicit Manager(Options options) : options_(std::move(options)) {}
  absl::Status Start();
  // Of the file as it was found.
  uint64_t FirstGeneration(const ConfigFile& file) const;

  // The two ways a configuration comes; `text`: its file's, which is there.
  absl::Status Take(config::proto::Config next, const std::string* text,
                    config::ChangeRecord record);
  absl::StatusOr<std::shared_ptr<const config::Model>> TakeFromPartner(
      uint64_t generation, absl::Span<const uint8_t> shared);
  absl::Status ApplyOrRestore(std::shared_ptr<const config::Model> model);
  absl::Status Offer(bool force);
  void PutInForce(config::proto::Config config,
                  std::shared_ptr<const config::Model> model);
  uint64_t GenerationOf(const config::proto::Config& next) const;

  config::ChangeRecord RecordOf(absl::string_view what,
                                const admin::Author& author) const;
  void LogTaken(const absl::Status& taken, absl::string_view what,
                const admin::Author& author) const;
  // Into the audit, done or refused; `outcome` is returned.
  absl::Status Audit(config::ChangeRecord record, absl::Status outcome);
  absl::Status Act(absl::string_view what, const admin::Author& author,
                   absl::FunctionRef<absl::Status()> act);
  absl::Status RunRebootCommand();

  bool paired() const { return model_->ha.mode != ha::Mode::kNone; }
  // The partner takes this unit's configuration.
  bool sealed() const { return paired() && !model_->ha.plain.has_value(); }

  Options options_;
  Log log_;
  config::proto::Config config_;  // In force; its generation is the unit's.
  std::shared_ptr<const config::Model> model_;
  std::unique_ptr<ConfigStore> store_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<HostSampler> host_;
  uint64_t refused_digest_ = 0;         // Of the partner's: told once.
  std::unique_ptr<Balancer> balancer_;  // Last: it calls the others.
};

}  // namespace ballast::run

#endif  // LB_RUN_MANAGER_H_
