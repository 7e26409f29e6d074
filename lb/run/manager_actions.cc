// Manager: what is no change of the configuration by itself.
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/file.h"
#include "lb/config/difference.h"
#include "lb/config/format.h"
#include "lb/config/load.h"
#include "lb/config/secrets.h"
#include "lb/run/manager.h"

namespace ballast::run {

absl::Status Manager::Act(absl::string_view what, const admin::Author& author,
                          absl::FunctionRef<absl::Status()> act) {
  const config::ChangeRecord record = RecordOf(what, author);
  return Audit(record, act());
}

absl::Status Manager::Switchover(const admin::Author& author) {
  return Act("switchover", author, [this] { return balancer_->Switchover(); });
}

absl::Status Manager::Resync(const admin::Author& author) {
  return Act("resync", author, [this] { return balancer_->Resync(); });
}

absl::Status Manager::ForceUpdate(const admin::Author& author) {
  return Act("update of the partner", author, [this] {
    return paired() ? Offer(/*force=*/true)
                    : absl::FailedPreconditionError("no pair is configured");
  });
}

absl::Status Manager::Reboot(const admin::Author& author) {
  return Act("reboot", author, [this] { return RunRebootCommand(); });
}

absl::Status Manager::RunRebootCommand() {
  if (model_->ha.reboot_command.empty()) {
    return absl::FailedPreconditionError(
        "ha.reboot_command: none is configured");
  }
  std::vector<char*> words;
  for (const std::string& word : model_->ha.reboot_command) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  // What this process keeps from itself is the program's to hear.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid;
  const int error =
      posix_spawn(&pid, words[0], nullptr, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (error == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(error,
                             absl::StrCat("ha.reboot_command ", words[0]));
}

std::vector<admin::Revision> Manager::History() const {
  std::vector<admin::Revision> history;
  for (config::ChangeRecord& record : store_->revisions().List()) {
    history.push_back({record.generation,
                       record.when,
                       {std::move(record.user), std::move(record.from)},
                       std::move(record.what)});
  }
  return history;
}

absl::StatusOr<config::proto::Config> Manager::ConfigurationOf(
    uint64_t generation) const {
  BALLAST_ASSIGN_OR_RETURN(const std::string text,
                           store_->revisions().TextOf(generation));
  return config::ParseConfig(text);
}

absl::StatusOr<std::string> Manager::Compare(uint64_t from, uint64_t to) const {
  BALLAST_ASSIGN_OR_RETURN(const auto before, ConfigurationOf(from));
  BALLAST_ASSIGN_OR_RETURN(const auto after, ConfigurationOf(to));
  return config::Difference(before, after);
}

absl::Status Manager::Rollback(uint64_t generation,
                               const admin::Author& author) {
  const std::string what = absl::StrCat("rollback to ", generation);
  auto config = ConfigurationOf(generation);
  if (!config.ok()) return Audit(RecordOf(what, author), config.status());
  return Change(*std::move(config), what, author);
}

absl::Status Manager::Backup(const std::string& path, bool secrets,
                             const admin::Author& author) {
  return Act(absl::StrCat("backup to ", path), author, [&]() -> absl::Status {
    config::proto::Config config = config_;
    if (!secrets) config::ClearSecrets(config);
    config::ChangeRecord record = RecordOf("backup", author);
    record.without_secrets = !secrets;
    const std::string text =
        config::FormatKept(record, config::FormatConfig(config));
    return WriteFileAtomically(
        path, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  });
}

absl::Status Manager::Restore(const std::string& path,
                              const admin::Author& author) {
  const std::string what = absl::StrCat("restore from ", path);
  auto file = ReadConfigFile(path);
  if (!file.ok()) return Audit(RecordOf(what, author), file.status());
  const auto kept = config::ParseKept(file->text);
  if (kept.ok() && kept->record.without_secrets) {
    config::FillSecrets(file->config, config_);
  }
  return Change(std::move(file->config), what, author);
}

Statistics Manager::GetStatistics() const { return balancer_->GetStatistics(); }

HostStatistics Manager::GetHostStatistics() {
  return host_->Sample(MonotonicNow());
}

absl::StatusOr<ConnectionList> Manager::ListConnections(
    const ConnectionQuery& query) {
  return balancer_->ListConnections(query);
}

absl::StatusOr<PersistenceList> Manager::ListPersistence(
    const PersistenceQuery& query) {
  return balancer_->ListPersistence(query);
}

absl::StatusOr<PersistenceList> Manager::DeletePersistence(
    const PersistenceQuery& query, const admin::Author& author) {
  absl::StatusOr<PersistenceList> taken = balancer_->DeletePersistence(query);
  std::string what = "delete persistence entries";
  if (taken.ok()) absl::StrAppend(&what, ": ", taken->entries.size());
  if (query.service.has_value()) {
    absl::StrAppend(&what, " of ", query.service->endpoint.ToString());
  }
  if (query.client.has_value()) {
    absl::StrAppend(&what, " for ", query.client->ToString());
  }
  if (!query.key.empty()) absl::StrAppend(&what, " for key ", query.key);
  (void)Audit(RecordOf(what, author), taken.status());
  return taken;
}

absl::StatusOr<Explanation> Manager::Explain(const ExplainOrder& order) {
  return balancer_->Explain(order);
}

}  // namespace ballast::run
