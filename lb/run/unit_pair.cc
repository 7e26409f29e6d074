// Unit: its part in a pair.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ha/advert.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "lb/l4/persistence_key.h"
#include "lb/run/l7_secrets.h"
#include "lb/run/pair.h"
#include "lb/run/pair_setup.h"
#include "lb/run/plain_pair.h"
#include "lb/run/unit.h"

namespace ballast::run {

absl::Status Unit::OpenPair() {
  const config::HighAvailability& ha = model_->ha;
  std::string takes_over;
  if (ha.plain.has_value()) {
    const auto checked =
        std::find_if(ha.links.begin(), ha.links.end(),
                     [](const config::HaLink& link) { return link.check; });
    BALLAST_ASSIGN_OR_RETURN(
        PlainPair::Options options,
        MakePlainPairOptions(*model_, network_->MacOf(checked->interface)));
    BALLAST_ASSIGN_OR_RETURN(
        partner_,
        PlainPair::Open(*reactor_, std::move(options), *table_, *this));
    takes_over = ha.plain->election == config::PlainElection::kByCommand
                     ? "takes and gives the role by command"
                     : "speaks CARP";
  } else {
    BALLAST_ASSIGN_OR_RETURN(Pair::Options options, MakePairOptions(*model_));
    if (ha.l7_updates) {
      l7_sync_ = std::make_unique<L7Sync>(key_store_);
      NameEntries();
      options.node.replication.l7 = l7_sync_.get();
    }
    BALLAST_ASSIGN_OR_RETURN(
        partner_, Pair::Open(*reactor_, std::move(options), *table_, *this));
    takes_over = absl::StrCat(
        "takes over after ", absl::FormatDuration(ha.timeout()), " of silence");
  }
  beats_.resize(lanes_.size());
  log_({LogLevel::kInfo, "pair_opened",
        absl::StrCat("pair ", int{ha.virtual_id}, ": this unit is ",
                     ha.mode == ha::Mode::kFirst ? "First" : "Second", ", ",
                     takes_over,
                     ha.l4_updates
                         ? ""
                         : "; l4_updates are off: connections are lost then")});
  UpdateLinks();
  return absl::OkStatus();
}

void Unit::NameEntries() {
  if (l7_sync_ != nullptr) l7_sync_->SetTables(MonotonicNow(), KeyTables());
}

std::vector<L7Sync::Table> Unit::KeyTables() const {
  std::vector<L7Sync::Table> tables;
  if (proxies_ != nullptr) proxies_->AddTables(tables);
  for (l4::Slot slot = 0; slot < plan_->service_slots(); ++slot) {
    const l4::PlanService* service = plan_->service(slot);
    if (service == nullptr || !service->by_message()) continue;
    L7Sync::Table& table = tables.emplace_back();
    table.number = l4::KeyTableOf(*service);
    table.service = service->id;
    for (const l4::Slot server_slot : service->servers) {
      const l4::PlanServer& server = *plan_->server(server_slot);
      table.servers.emplace_back(server.endpoint, l4::KeyServerOf(server));
    }
  }
  return tables;
}

l4::SyncOptions Unit::MakeSyncOptions() const {
  const auto& plain = model_->ha.plain;
  l4::SyncOptions options{.settings = model_->ha.l4_sync};
  if (model_->connection_sync.has_value()) {
    // As conntrackd: when it is established, when its state changes, and before
    // its timeout there runs out.
    options.settings = {.threshold = 0, .period = 0, .refresh_s = 3600};
    options.shared = true;
    return options;
  }
  if (!plain.has_value()) return options;
  options.gone = false;
  options.templates = plain->ipvs_version == 1 ? l4::TemplateRule::kEachPacket
                                               : l4::TemplateRule::kEachRecord;
  return options;
}

void Unit::ClosePair() {
  connection_sync_.reset();
  partner_.reset();
}

absl::Status Unit::HasPair(const char* what) const {
  if (partner_ != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(what, ": this unit has no partner (ha.mode is NONE)"));
}

absl::Status Unit::CheckPairUnchanged(const config::Model& model) const {
  // These alone can change.
  config::HighAvailability now = model.ha;
  now.keys = model_->ha.keys;
  now.key_file = model_->ha.key_file;
  now.l4_sync = model_->ha.l4_sync;
  now.switchover_patience = model_->ha.switchover_patience;
  now.reboot_command = model_->ha.reboot_command;
  if (now == model_->ha) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "ha: only keys, key_file, l4_sync_*, switchover_patience_s and "
      "reboot_command can change while running; restart to apply the rest");
}

bool Unit::OnlyOwnPartDiffers(const config::Model& model) const {
  config::Model now = model;
  now.generation = model_->generation;
  now.statistics_period = model_->statistics_period;
  now.ha.keys = model_->ha.keys;
  now.ha.key_file = model_->ha.key_file;
  now.ha.reboot_command = model_->ha.reboot_command;
  return now == *model_;
}

void Unit::ApplyToPair() {
  table_->SetSteering(network_->Steering(*model_));
  if (partner_ != nullptr) {
    if (const auto status = partner_->Apply(*model_); !status.ok()) {
      log_({LogLevel::kError, "pair_keys_refused",
            absl::StrCat("keys not changed: ", status.message())});
    }
  }
  for (const auto& lane : lanes_) {
    const bool called = lane->Call(
        [options = MakeSyncOptions()](Instant, l4::Director& director) {
          director.SetSync(options);
        });
    if (!called) {
      log_({LogLevel::kError, "packet_thread_stuck",
            "a packet thread takes no orders: old sync settings"});
    }
  }
}

void Unit::SetActive(bool active) {
  active_ = active;
  const bool following = !active && HearsEnds();
  for (const auto& lane : lanes_) {
    const bool called =
        lane->Call([active, following](Instant now, l4::Director& director) {
          // Whoever hands the role over, or is gone, has no address any more:
          // nobody is asked.
          director.SetActive(now, active, /*at_once=*/true);
          director.SetFollowing(now, following);
        });
    if (!called) {
      log_({LogLevel::kError, "packet_thread_stuck",
            "a packet thread takes no orders"});
    }
  }
  network_->SetFloating(*model_, active);
  if (connection_sync_ == nullptr) return;
  active ? connection_sync_->Lead() : connection_sync_->Follow();
}

void Unit::Reannounce() {
  for (const auto& lane : lanes_) {
    (void)lane->Post(
        [](Instant now, l4::Director& director) { director.Reannounce(now); });
  }
}

void Unit::Reboot() {
  log_({LogLevel::kError, "link_lost", "a link failed: reboot"});
  if (options_.on_reboot) options_.on_reboot();
}

void Unit::OnPartnerConfig(uint64_t generation,
                           std::span<const uint8_t> config) {
  if (options_.on_partner_config == nullptr) return;
  const auto refuse = [&](const char* what, const absl::Status& why) {
    log_({LogLevel::kWarning,
          "configuration_refused",
          absl::StrCat("the partner's configuration ", generation, what,
                       why.message()),
          {{"generation", absl::StrCat(generation)}}});
  };
  auto given = config::ParsePartnerConfig(config);
  if (!given.ok()) return refuse(" is not taken: ", given.status());
  const auto model = options_.on_partner_config(
      generation, absl::MakeConstSpan(given->shared));
  if (!model.ok()) return refuse(" is not taken: ", model.status());
  // Whoever took it has it for the next start.
  const absl::Status applied = ApplyFromPartner(*model, *std::move(given));
  if (!applied.ok()) return refuse(" is not in force: ", applied);
  if (partner_ != nullptr) partner_->KeepConfig(generation, ForPartner());
}

absl::Status Unit::ApplyFromPartner(std::shared_ptr<const config::Model> model,
                                    config::PartnerConfig given) {
  const bool changed = model != nullptr;
  if (!changed) model = model_;
  // The keys of the configuration are in it; what was made comes beside it.
  const config::HashKey key = model->hash_key.value_or(given.source_key);
  if (!given.l7_secret.has_value()) given.l7_secret = l7_secret_;
  if (changed || key != source_key_ || given.l7_secret != l7_secret_ ||
      given.tables != l4::ScheduleTablesOf(*plan_)) {
    builder_.Adopt(std::move(given.tables));
    const config::HashKey before = std::exchange(source_key_, key);
    const auto secret_before = std::exchange(l7_secret_, given.l7_secret);
    if (const absl::Status status = ApplyAny(std::move(model)); !status.ok()) {
      source_key_ = before;
      l7_secret_ = secret_before;
      return status;
    }
    if (key != before && !model_->hash_key.has_value()) {
      BALLAST_RETURN_IF_ERROR(KeepSourceKey());
    }
    if (l7_secret_ != secret_before) {
      BALLAST_RETURN_IF_ERROR(KeepL7Secret(*model_, *l7_secret_));
    }
  }
  shared_ = std::move(given.shared);
  return absl::OkStatus();
}

std::vector<uint8_t> Unit::ForPartner() const {
  return config::Serialize({.shared = shared_,
                            .source_key = source_key_,
                            .tables = l4::ScheduleTablesOf(*plan_),
                            .l7_secret = l7_secret_});
}

void Unit::SetLease(Instant until) {
  lease_ns_.store(until.nanos(), std::memory_order_relaxed);
}

void Unit::Say(const LogRecord& record) { log_(record); }

void Unit::UpdateLinks() {
  if (partner_ == nullptr) return;
  std::vector<bool> up;
  for (const config::HaLink& link : model_->ha.links) {
    if (link.check) up.push_back(network_->HasCarrier(link.interface));
  }
  partner_->SetLinks(up);
  bool lost = false;
  const auto watch = [&](const std::string& interface) {
    const bool carrier = network_->HasCarrier(interface);
    lost |= std::exchange(had_carrier_[interface], carrier) && !carrier;
  };
  for (const config::Interface& interface : model_->interfaces) {
    watch(interface.name);
  }
  for (const config::HaLink& link : model_->ha.links) watch(link.interface);
  if (lost) partner_->OnLinkLost();
}

absl::Status Unit::Switchover() {
  BALLAST_RETURN_IF_ERROR(HasPair("switchover"));
  return partner_->Switchover();
}

absl::Status Unit::Resync() {
  if (connection_sync_ != nullptr) {
    connection_sync_->Resync();
    return absl::OkStatus();
  }
  BALLAST_RETURN_IF_ERROR(HasPair("resync"));
  return partner_->Resync();
}

absl::Status Unit::OfferConfig(uint64_t generation, std::vector<uint8_t> shared,
                               bool force) {
  BALLAST_RETURN_IF_ERROR(HasPair("configuration for the partner"));
  shared_ = std::move(shared);
  return partner_->OfferConfig(generation, ForPartner(), force);
}

void Unit::WatchPair() {
  if (partner_ == nullptr) return;
  if (absl::Seconds(seconds_) == model_->ha.pacify_window) {
    if (const auto status = RecordStableRun(*model_); !status.ok()) {
      log_({LogLevel::kWarning, "state_dir_error",
            std::string(status.message())});
    }
  }
  if (options_.packets_on_control_thread) return;
  // Threads beat ten times a second.
  bool hung = false;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const uint64_t beats = lanes_[i]->beats();
    hung |= beats == beats_[i];
    beats_[i] = beats;
  }
  if (!hung) return;
  partner_->OnPacketThreadHung();
}

void Unit::LeavePair() {
  if (partner_ == nullptr) return;
  const absl::Duration patience = model_->ha.switchover_patience;
  // The loop is the reactor's own here: what the partner does is bounded.
  const Instant end = MonotonicNow() + patience + absl::Seconds(1);
  partner_->Leave(patience);
  while (!partner_->left() && MonotonicNow() < end) {
    reactor_->RunOnce(MonotonicNow() + absl::Milliseconds(10));
  }
}

}  // namespace ballast::run
