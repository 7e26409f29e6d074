#include "lb/run/manager.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/file.h"
#include "lb/config/difference.h"
#include "lb/config/format.h"
#include "lb/config/load.h"
#include "lb/config/secrets.h"
#include "lb/config/shared_part.h"
#include "lb/config/validate.h"
#include "lb/run/stderr_log.h"

namespace ballast::run {
namespace {

absl::Status ErrorsOf(const config::Validated& validated) {
  return absl::InvalidArgumentError(
      absl::StrJoin(validated.errors, "\n",
                    [](std::string* out, const config::Problem& problem) {
                      absl::StrAppend(out, problem.ToString());
                    }));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Manager>> Manager::Open(Options options) {
  std::unique_ptr<Manager> manager(new Manager(std::move(options)));
  BALLAST_RETURN_IF_ERROR(manager->Start());
  return manager;
}

absl::Status Manager::Start() {
  log_ = LogOrStandardError(options_.balancer.log);
  BALLAST_ASSIGN_OR_RETURN(ConfigFile file, ReadConfigFile(options_.path));
  config::Validated found = config::Validate(file.config, 1);
  if (found.model == nullptr) return ErrorsOf(found);
  const std::string& state_dir = found.model->state_dir;
  BALLAST_ASSIGN_OR_RETURN(
      store_, ConfigStore::Open(options_.path, file.text, state_dir,
                                found.model->history, log_));
  audit_ = std::make_unique<AuditLog>(state_dir, found.model->history, log_);
  host_ = std::make_unique<HostSampler>(
      MonotonicNow(), state_dir.empty()
                          ? std::vector<std::string>{"/"}
                          : std::vector<std::string>{"/", state_dir});
  if (state_dir.empty()) {
    log_({LogLevel::kInfo, "no_state_dir",
          "state_dir: none: earlier configurations and the audit are kept in "
          "memory, until the process ends"});
  }
  model_ = found.model;
  file.config.set_generation(FirstGeneration(file));
  auto model = std::make_shared<config::Model>(*found.model);
  model->generation = file.config.generation();
  PutInForce(std::move(file.config), std::move(model));

  config::ChangeRecord record =
      RecordOf("as found at the start", {"start", ""});
  // If the last process ended between a file and its revision.
  const auto header = config::ParseKept(file.text);
  if (header.ok() && header->record.generation == generation()) {
    record = header->record;
  }
  Balancer::Options options = options_.balancer;
  options.model = model_;
  options.log = log_;
  options.on_partner_config = [this](uint64_t generation,
                                     absl::Span<const uint8_t> shared) {
    return TakeFromPartner(generation, shared);
  };
  options.on_reboot = [this] {
    const absl::Status done = Act("reboot: a link failed", {"the unit", ""},
                                  [this] { return RunRebootCommand(); });
    if (!done.ok()) {
      log_({LogLevel::kError, "reboot_failed", std::string(done.message())});
    }
  };
  BALLAST_ASSIGN_OR_RETURN(
      balancer_, options_.create ? options_.create(std::move(options))
                                 : Balancer::Create(std::move(options)));
  BALLAST_RETURN_IF_ERROR(store_->Keep(record, std::move(file.text)));
  (void)Audit(RecordOf("start", {"start", ""}), absl::OkStatus());
  return sealed() ? Offer(/*force=*/false) : absl::OkStatus();
}

uint64_t Manager::FirstGeneration(const ConfigFile& file) const {
  const uint64_t said = std::max<uint64_t>(1, file.config.generation());
  if (store_->revisions().empty()) return said;
  const uint64_t newest = store_->revisions().newest().generation;
  const auto text = store_->revisions().NewestText();
  const auto last = text.ok()
                        ? config::ParseConfig(*text)
                        : absl::StatusOr<config::proto::Config>(text.status());
  if (last.ok()) {
    const bool same = sealed() ? config::SharedDigest(*last) ==
                                     config::SharedDigest(file.config)
                               : config::SameConfig(*last, file.config);
    if (same) return std::max(said, newest);
  }
  return std::max(said, newest + 1);
}

void Manager::PutInForce(config::proto::Config config,
                         std::shared_ptr<const config::Model> model) {
  config_ = std::move(config);
  model_ = std::move(model);
  store_->revisions().SetLimits(model_->history);
  audit_->SetLimits(model_->history);
}

config::ChangeRecord Manager::RecordOf(absl::string_view what,
                                       const admin::Author& author) const {
  return {.generation = generation(),
          .when = absl::Now(),
          .user = author.user,
          .from = author.from,
          .what = std::string(what)};
}

absl::Status Manager::Audit(config::ChangeRecord record, absl::Status outcome) {
  record.generation = generation();
  if (!outcome.ok()) record.refused = std::string(outcome.message());
  audit_->Add(record);
  return outcome;
}

absl::Status Manager::Offer(bool force) {
  const std::string shared = config::SerializeShared(config_);
  return balancer_->OfferConfig(generation(), {shared.begin(), shared.end()},
                                force);
}

uint64_t Manager::GenerationOf(const config::proto::Config& next) const {
  if (config::SameConfig(next, config_)) return generation();
  // What is a standby's own has no generation: its keys, for one.
  if (sealed() && config::SharedDigest(next) == config::SharedDigest(config_) &&
      balancer_->GetStatistics().pair.role != "active") {
    return generation();
  }
  return generation() + 1;
}

absl::Status Manager::ApplyOrRestore(
    std::shared_ptr<const config::Model> model) {
  const config::Model* next = model.get();
  const absl::Status applied = balancer_->Apply(std::move(model));
  if (applied.ok()) return applied;
  if (&balancer_->model() == next) {
    // In force in part: a packet thread took no orders.
    if (const absl::Status back = balancer_->Apply(model_); !back.ok()) {
      log_({LogLevel::kError, "configuration_not_restored",
            absl::StrCat("the former configuration: ", back.message())});
    }
  }
  return applied;
}

absl::Status Manager::Take(config::proto::Config next, const std::string* text,
                           config::ChangeRecord record) {
  record.generation = GenerationOf(next);
  next.set_generation(record.generation);
  next.DiscardUnknownFields();
  const config::Validated validated = config::Validate(next, record.generation);
  if (validated.model == nullptr) return ErrorsOf(validated);
  for (const config::Problem& warning : validated.warnings) {
    log_({LogLevel::kWarning, "configuration_warning", warning.ToString()});
  }
  BALLAST_RETURN_IF_ERROR(balancer_->CheckApply(*validated.model));
  const bool writes = text == nullptr && !config::SameConfig(next, config_);
  if (writes) BALLAST_RETURN_IF_ERROR(store_->Write(record, next));
  // Files that the configuration names are read anew even if it is the same.
  if (absl::Status applied = ApplyOrRestore(validated.model); !applied.ok()) {
    if (writes) {
      if (const absl::Status restored = store_->TakeBack(); !restored.ok()) {
        log_({LogLevel::kError, "configuration_file_error",
              absl::StrCat("the former file: ", restored.message())});
      }
    }
    return applied;
  }
  PutInForce(std::move(next), validated.model);
  if (text != nullptr) {
    if (const absl::Status kept = store_->Keep(record, *text); !kept.ok()) {
      log_({LogLevel::kWarning, "history_error",
            absl::StrCat("history: ", kept.message())});
    }
  }
  if (!sealed()) return absl::OkStatus();
  if (const absl::Status offered = Offer(/*force=*/false); !offered.ok()) {
    log_({LogLevel::kWarning, "configuration_not_offered",
          std::string(offered.message())});
  }
  return absl::OkStatus();
}

void Manager::LogTaken(const absl::Status& taken, absl::string_view what,
                       const admin::Author& author) const {
  const std::string now = absl::StrCat(generation());
  if (taken.ok()) {
    log_({LogLevel::kInfo,
          "configuration_accepted",
          absl::StrCat(what, ": generation ", now),
          {{"generation", now}, {"user", author.user}}});
  } else {
    log_({LogLevel::kWarning,
          "configuration_refused",
          absl::StrCat(what, " refused: ", taken.message()),
          {{"generation", now}, {"user", author.user}}});
  }
}

absl::Status Manager::Change(config::proto::Config next, absl::string_view what,
                             const admin::Author& author) {
  const config::ChangeRecord record = RecordOf(what, author);
  absl::Status taken = Take(std::move(next), nullptr, record);
  LogTaken(taken, absl::StrCat("change (", what, ")"), author);
  return Audit(record, std::move(taken));
}

absl::Status Manager::Reload(const admin::Author& author) {
  const config::ChangeRecord record = RecordOf("reload", author);
  auto file = ReadConfigFile(store_->path());
  absl::Status taken = file.status();
  if (taken.ok()) taken = Take(std::move(file->config), &file->text, record);
  LogTaken(taken, taken.ok() ? "reloaded" : "reload", author);
  return Audit(record, std::move(taken));
}

absl::StatusOr<std::shared_ptr<const config::Model>> Manager::TakeFromPartner(
    uint64_t generation, absl::Span<const uint8_t> bytes) {
  std::string partner;
  for (const config::HaLink& link : model_->ha.links) {
    if (link.check && partner.empty()) partner = link.partner.ToString();
  }
  config::ChangeRecord record =
      RecordOf("configuration of the active unit", {"partner", partner});
  uint64_t digest = 0;
  const auto refuse = [&](absl::Status why) {
    // It comes again every two minutes.
    if (digest != 0 && digest == refused_digest_) return why;
    refused_digest_ = digest;
    return Audit(record, std::move(why));
  };
  const auto shared = config::ParseShared(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  if (!shared.ok()) return refuse(shared.status());
  digest = config::SharedDigest(*shared);
  if (digest == config::SharedDigest(config_)) {
    config_.set_generation(generation);
    return std::shared_ptr<const config::Model>();
  }
  config::proto::Config merged = config::MergeShared(config_, *shared);
  merged.set_generation(generation);
  record.generation = generation;
  const config::Validated validated = config::Validate(merged, generation);
  if (validated.model == nullptr) {
    return refuse(absl::InvalidArgumentError(
        absl::StrCat("it is not valid with this unit's own part: ",
                     ErrorsOf(validated).message())));
  }
  if (absl::Status status = store_->Write(record, merged); !status.ok()) {
    return refuse(std::move(status));
  }
  PutInForce(std::move(merged), validated.model);
  refused_digest_ = 0;
  log_({LogLevel::kInfo,
        "configuration_accepted",
        absl::StrCat("configuration ", generation, " taken from the partner"),
        {{"generation", absl::StrCat(generation)}}});
  (void)Audit(record, absl::OkStatus());
  return validated.model;
}

}  // namespace ballast::run
